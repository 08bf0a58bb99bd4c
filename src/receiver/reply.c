/* SPDX-License-Identifier: MIT
 * reply: outcomes as HTTP answers. */
#include "reply.h"

#include <stdio.h>

static struct reply json(int status, const char *member)
{
    struct reply r = {.status = status};
    snprintf(r.body, sizeof r.body, "{\"received\":true%s}", member);
    return r;
}

struct reply reply_error(enum err_code code)
{
    struct reply r = {.status = err_http(code)};
    r.allow = r.status == 405;
    r.retry = r.status == 503;
    snprintf(r.body, sizeof r.body, "{\"received\":false,\"error\":\"%s\"}", err_text(code));
    return r;
}

struct reply reply_outcome(enum store_outcome outcome)
{
    switch (outcome) {
    case STORE_NEW: return json(200, "");
    case STORE_IGNORED: return json(200, ",\"ignored\":true");
    case STORE_DUPLICATE: return json(200, ",\"duplicate\":true");
    case STORE_QUARANTINED: return json(202, ",\"quarantined\":true");
    default: return reply_error(ERR_SYSTEM); /* nothing was recorded */
    }
}

struct reply reply_spooled(bool decoded)
{
    if (!decoded)
        return json(202, ",\"spooled\":true");
    return json(200, ",\"spooled\":true");
}

struct reply reply_probe(void) { return json(200, ",\"probe\":true"); }

struct reply reply_state(enum err_code code)
{
    struct reply r = {.status = code == ERR_NONE ? 200 : 503, .text = true, .retry = code != ERR_NONE};
    if (code == ERR_NONE)
        snprintf(r.body, sizeof r.body, "ready");
    else
        snprintf(r.body, sizeof r.body, "not ready: %s", err_word(code));
    return r;
}

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 400: return "Bad Request";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
    }
}

size_t reply_write(const struct reply *r, bool head, char *out)
{
    size_t len = strlen(r->body);
    int n = snprintf(
        out, REPLY_SIZE,
        "Status: %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n%s%s\r\n%s",
        r->status, reason(r->status), r->text ? "text/plain; charset=utf-8" : "application/json", len,
        r->allow ? "Allow: GET, HEAD, POST\r\n" : "", r->retry ? "Retry-After: 60\r\n" : "", head ? "" : r->body);
    return n < 0 ? 0 : (size_t)n < REPLY_SIZE ? (size_t)n : REPLY_SIZE - 1;
}
