/* SPDX-License-Identifier: MIT
 * err: the error table and how it is filled in. */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct row {
    const char *word;
    int http, exit;
    enum err_level level;
    const char *text;
} rows[ERR_CODES] = {
#define X(code, word, http, exit, level, text) {word, http, exit, level, text},
    ERR_TABLE(X)
#undef X
};

/* In a build for tests each message is noise, the same for the same message: a cure that hangs on words gets lost there. */
static void garble(char *msg)
{
#ifdef ERR_GARBLE
    for (char *c = msg; *c; c++)
        *c = (char)('a' + (unsigned char)*c * 7 % 26);
#else
    (void)msg;
#endif
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (!e)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    e->code = code;
    e->detail = ERR_PLAIN;
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    garble(e->msg);
    return -1;
}

int err_detail(struct err *e, enum err_detail detail)
{
    if (e)
        e->detail = detail;
    return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    if (!e)
        return -1;
    char msg[sizeof e->msg];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof msg)
        snprintf(msg + n, sizeof msg - (size_t)n, ": %.*s", (int)(sizeof msg - 3) - n, e->msg);
    memcpy(e->msg, msg, sizeof msg);
    garble(e->msg);
    return -1;
}

bool err_is_full(int os) { return os == ENOSPC || os == EDQUOT || os == EFBIG; }

bool err_equal(const struct err *a, const struct err *b)
{
    return a->code == b->code && a->detail == b->detail && strcmp(a->msg, b->msg) == 0;
}

#ifdef ERR_STRICT
bool err_strict = true;
#else
bool err_strict = false;
#endif

enum err_code err_failure(struct err *e)
{
    if (e->code != ERR_NONE)
        return e->code;
    if (err_strict)
        abort();
    err_set(e, ERR_SYSTEM, "it failed, and nothing says why: a fault of this program, to be reported");
    return e->code;
}

const char *err_word(enum err_code code) { return rows[code].word; }
int err_http(enum err_code code) { return rows[code].http; }
int err_exit(enum err_code code) { return rows[code].exit; }
enum err_level err_level(enum err_code code) { return rows[code].level; }
const char *err_text(enum err_code code) { return rows[code].text; }
