/* SPDX-License-Identifier: MIT
 * json_out: one JSON object a line. */
#include "json_out.h"

#include "base/base64.h"
#include "base/print.h"
#include "base/text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static void *must_have(void *memory)
{
    if (!memory) {
        print_err("complycube-inbox: out of memory\n");
        exit(8);
    }
    return memory;
}

static cJSON *tree(struct json_out *j) { return (cJSON *)(void *)j; }

static void put_value(struct json_out *j, const char *name, cJSON *value)
{
    cJSON_AddItemToObject(tree(j), name, must_have(value));
}

static char *copy_span(struct span text)
{
    char *c = must_have(malloc(text.len + 1));
    memcpy(c, text.at, text.len);
    c[text.len] = '\0';
    return c;
}

struct json_out *json_out_new(void) { return must_have(cJSON_CreateObject()); }

void json_out_text(struct json_out *j, const char *name, struct span value)
{
    if (!value.at) {
        put_value(j, name, cJSON_CreateNull());
        return;
    }
    char *text = must_have(malloc(text_json_size(value) + 1));
    text[text_json(value, text)] = '\0';
    put_value(j, name, cJSON_CreateRaw(text));
    free(text);
}

void json_out_bytes(struct json_out *j, const char *name, struct span value)
{
    char called[64];
    if (!value.at || text_is_utf8(value)) {
        json_out_text(j, name, value);
        return;
    }
    char *text = must_have(malloc(base64_size(value.len) + 1));
    base64_encode(value, text);
    snprintf(called, sizeof called, "%s_base64", name);
    json_out_text(j, called, (struct span){text, base64_size(value.len)});
    free(text);
}

void json_out_number(struct json_out *j, const char *name, int64_t value)
{
    char text[24]; /* as text: a double would lose digits above 2^53 */
    snprintf(text, sizeof text, "%lld", (long long)value);
    put_value(j, name, cJSON_CreateRaw(text));
}

void json_out_bool(struct json_out *j, const char *name, bool value) { put_value(j, name, cJSON_CreateBool(value)); }

void json_out_null(struct json_out *j, const char *name) { json_out_raw(j, name, (struct span){0}); }

void json_out_raw(struct json_out *j, const char *name, struct span json)
{
    char *text = json.at ? copy_span(json) : NULL;
    for (char *c = text; c && *c; c++)
        if (*c == '\n' || *c == '\r' || *c == '\t')
            *c = ' '; /* between tokens only: no string of checked JSON holds one */
    put_value(j, name, text ? cJSON_CreateRaw(text) : cJSON_CreateNull());
    free(text);
}

void json_out_print(struct json_out *j) { json_out_print_to(stdout, j); }

void json_out_print_to(FILE *to, struct json_out *j)
{
    char *text = must_have(cJSON_PrintUnformatted(tree(j)));
    print_json(to, span_of(text));
    print_to(to, "\n");
    cJSON_free(text);
    cJSON_Delete(tree(j));
}
