/* SPDX-License-Identifier: MIT
 * cmd_json: one JSON object a line. */
#include "cmd_json.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static void *must(void *memory)
{
    if (!memory) {
        fputs("complycube-inbox: out of memory\n", stderr);
        exit(8);
    }
    return memory;
}

static cJSON *tree(struct cmd_json *j) { return (cJSON *)(void *)j; }

static void put(struct cmd_json *j, const char *name, cJSON *value)
{
    cJSON_AddItemToObject(tree(j), name, must(value));
}

static char *copy(struct span text)
{
    char *c = must(malloc(text.len + 1));
    memcpy(c, text.at, text.len);
    c[text.len] = '\0';
    return c;
}

struct cmd_json *cmd_json_new(void) { return must(cJSON_CreateObject()); }

void cmd_json_text(struct cmd_json *j, const char *name, struct span value)
{
    char *text = value.at ? copy(value) : NULL;
    put(j, name, text ? cJSON_CreateString(text) : cJSON_CreateNull());
    free(text);
}

void cmd_json_number(struct cmd_json *j, const char *name, int64_t value)
{
    char text[24]; /* as text: a double would lose digits above 2^53 */
    snprintf(text, sizeof text, "%lld", (long long)value);
    put(j, name, cJSON_CreateRaw(text));
}

void cmd_json_bool(struct cmd_json *j, const char *name, bool value) { put(j, name, cJSON_CreateBool(value)); }

void cmd_json_raw(struct cmd_json *j, const char *name, struct span json)
{
    char *text = json.at ? copy(json) : NULL;
    for (char *c = text; c && *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' '; /* between tokens only: no string of checked JSON holds one */
    put(j, name, text ? cJSON_CreateRaw(text) : cJSON_CreateNull());
    free(text);
}

void cmd_json_end(struct cmd_json *j)
{
    char *text = must(cJSON_PrintUnformatted(tree(j)));
    puts(text);
    cJSON_free(text);
    cJSON_Delete(tree(j));
}
