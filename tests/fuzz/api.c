/* SPDX-License-Identifier: MIT
 * fuzz: any bytes as the API's answer: a list and an error are read or refused, and no message has the key. */
#include "api/api.h"
#include "api/api_answer.h"
#include "base/json.h"
#include "base/text.h"
#include "fuzz.h"

#define KEY "live_0123456789abcdef"

/* The answer to a request for a list and for an object, of each status that has a meaning of its own. */
static void judge_answer(struct span body)
{
    static const int statuses[] = {200, 204, 302, 400, 401, 402, 403, 404, 413, 422, 429, 500, 503};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        for (int object = 0; object < 2; object++) {
            const struct api_asked asked = {"endpoint live", "/checks", KEY, object};
            struct http_reply r = {.fate = HTTP_CALL_ANSWERED, .status = statuses[i]};
            struct err e = {0};
            r.body = (struct buf){(char *)(uintptr_t)body.at, body.len, body.len};
            int result = api_answer_judge(&asked, &r, &e);
            FUZZ_CHECK((result == 0) == (statuses[i] < 300));
            FUZZ_CHECK(result == 0 || e.code != ERR_NONE);
            FUZZ_CHECK(result == 0 || !strstr(e.msg, KEY));
            FUZZ_CHECK(statuses[i] != 404 || object || e.code == ERR_REMOTE);
        }
}

static const char *read_item(void *ctx, const struct json_member *m)
{
    struct json_wanted wanted[] = {{.name = "id"}, {.name = "updatedAt"}};
    char text[API_ID_MAX + 1];
    size_t *n = ctx;
    ++*n;
    FUZZ_CHECK(m->value.len > 0 && !m->name.at);
    if (json_pick(m->value, wanted, 2) == NULL)
        for (int i = 0; i < 2; i++) {
            bool good = api_text(wanted[i].value, text, sizeof text);
            FUZZ_CHECK(good || *text == '\0');
            FUZZ_CHECK(!good || text_is_utf8(span_of(text)));
        }
    FUZZ_CHECK(api_number(m->value) >= -1);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span body = {(const char *)data, size};
    struct json_wanted wanted[] = {{.name = "totalItems"}, {.name = "items"}};
    size_t n = 0;
    judge_answer(body);
    json_each(body, read_item, &n);
    if (json_pick(body, wanted, 2) == NULL && wanted[1].value.at)
        json_each(wanted[1].value, read_item, &n);
    return 0;
}
