/* SPDX-License-Identifier: MIT
 * api_answer: what an answer means.
 *
 * source: docs.complycube.com, "Errors": {"type":...,"message":...,"param":...} */
#include "api_answer.h"

#include "api.h"
#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <time.h>

enum { WORDS = 200 /* bytes of the API's words */, MESSAGE_MAX = 8192, ASKED = 80 };

/* At most `max` bytes, and no part of a character. */
static void cut_text(char *text, size_t max)
{
    size_t used = 0, len = strlen(text);
    while (used < len) {
        struct text_char c = text_first((struct span){text + used, len - used});
        if (used + c.len > max)
            break;
        used += c.len;
    }
    text[used] = '\0';
}

/* In place of each occurrence. */
static void hide(char *text, const char *key)
{
    size_t len = strlen(key);
    for (char *at = len ? strstr(text, key) : NULL; at; at = strstr(at, key))
        memset(at, '*', len);
}

/* " (TYPE: MESSAGE: PARAM)" of an error's body, "" if it is not an error's. `out` has WORDS + 8 bytes. True: it is */
static bool read_words(const struct api_asked *asked, struct span body, char *out)
{
    struct json_wanted wanted[] = {{.name = "type"}, {.name = "message"}, {.name = "param"}};
    char type[64], message[MESSAGE_MAX], param[64], words[sizeof type + sizeof message + sizeof param + 8];
    *out = '\0';
    if (json_pick(body, wanted, sizeof wanted / sizeof *wanted) != NULL ||
        !api_text(wanted[0].value, type, sizeof type))
        return false;
    api_text(wanted[1].value, message, sizeof message);
    api_text(wanted[2].value, param, sizeof param);
    snprintf(words, sizeof words, "%s%s%s%s%s", type, *message ? ": " : "", message, *param ? ": " : "", param);
    hide(words, asked->key);
    cut_text(words, WORDS);
    snprintf(out, WORDS + 8, " (%s)", words);
    return true;
}

static int judge_unanswered(const struct http_reply *r, struct err *e)
{
    switch (r->fate) {
    case HTTP_CALL_LONG: return err_set(e, ERR_REMOTE, "the API's answer is longer than %d MB", API_ANSWER_MAX >> 20);
    case HTTP_CALL_UNSENT: return err_set(e, ERR_REMOTE, "the API cannot be reached: %s", r->why);
    default: return err_set(e, ERR_REMOTE, "the API's answer broke off: %s", r->why);
    }
}

int api_answer_judge(const struct api_asked *asked, const struct http_reply *r, struct err *e)
{
    char words[WORDS + 8], what[ASKED];
    if (r->fate != HTTP_CALL_ANSWERED)
        return judge_unanswered(r, e);
    if (r->status >= 200 && r->status < 300)
        return 0;
    bool own = read_words(asked, (struct span){r->body.at, r->body.len}, words);
    snprintf(what, sizeof what, "%.60s of the API", asked->path);
    switch (r->status) {
    case 401:
        return err_set(e, ERR_SECRETS, "the API does not know the key of %.100s%s; the portal has it, under API keys",
                       asked->whose, words);
    case 402:
    case 403: return err_set(e, ERR_REMOTE, "%s: the account or its plan does not allow it%s", what, words);
    case 404:
        if (own && asked->object) /* else it is the URL that is wrong, and says nothing of an object */
            return err_set(e, ERR_NOT_FOUND, "%s: not found%s", what, words);
        break;
    case 400:
    case 422: return err_set(e, ERR_USAGE, "%s refuses the request%s", what, words);
    case 429: return err_set(e, ERR_BUSY, "the API takes no more requests now%s; try again later", words);
    default: break;
    }
    if (*r->redirect)
        return err_set(e, ERR_REMOTE, "%s answers %d and points to %.100s; the key is sent nowhere but to api", what,
                       r->status, r->redirect);
    return err_set(e, ERR_REMOTE, "%s answers %d%s", what, r->status, own ? words : ", in no form of the API");
}

/* ---- values ---- */

const char *api_time(int64_t ms, char *out)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    size_t n = gmtime_r(&seconds, &tm) ? strftime(out, API_TIME, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
    snprintf(out + n, API_TIME - n, ".%03dZ", (int)(ms % 1000));
    return out;
}

bool api_text(struct span value, char *out, size_t size)
{
    struct span inside = json_string(value);
    int n = inside.at ? json_unescape(inside, out, size - 1) : -1;
    out[n < 0 ? 0 : n] = '\0';
    return n >= 0;
}

int64_t api_number(struct span value)
{
    int64_t n = 0;
    if (value.len == 0 || value.len > 18)
        return -1;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return -1;
        n = 10 * n + (value.at[i] - '0');
    }
    return n;
}
