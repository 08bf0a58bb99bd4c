/* SPDX-License-Identifier: MIT
 * page_request: what is asked for, each parameter by a check of its own. */
#include "page_request.h"

#include "base/text.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const char *const page_request_names[] = {"REQUEST_METHOD", "QUERY_STRING",       "PATH_INFO", "REMOTE_USER",
                                          "AUTH_TYPE",      "HTTP_AUTHORIZATION", "HTTPS",     "REMOTE_ADDR"};
_Static_assert(sizeof page_request_names / sizeof *page_request_names == PAGE_REQUEST_VARIABLES, "one of each");

struct span *page_request_variable(struct page_request *q, size_t i)
{
    struct span *const all[] = {&q->method,    &q->query,         &q->path,  &q->user,
                                &q->auth_type, &q->authorization, &q->https, &q->remote};
    return all[i];
}

/* ---- one value ---- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decode what a form sends into `out`, of PAGE_VALUE_MAX + 1 bytes: text without hidden characters. */
static int decode_value(struct span in, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.at[i] == '+' ? ' ' : in.at[i];
        if (in.at[i] == '%') {
            int high = i + 2 < in.len ? digit_of(in.at[i + 1]) : -1, low = high < 0 ? -1 : digit_of(in.at[i + 2]);
            if (low < 0)
                return -1;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (len == PAGE_VALUE_MAX)
            return -1;
        out[len++] = c;
    }
    out[len] = '\0';
    return strlen(out) != len || text_hides((struct span){out, len}) ? -1 : 0;
}

static int read_number(const char *text, void *to)
{
    size_t len = strlen(text);
    *(int64_t *)to = strtoll(text, NULL, 10);
    return len > 18 || strspn(text, "0123456789") != len || *(int64_t *)to < 1 ? -1 : 0;
}

static int read_text(const char *text, void *to)
{
    struct span trimmed = span_trim(span_of(text));
    memcpy(to, trimmed.at, trimmed.len);
    ((char *)to)[trimmed.len] = '\0';
    return 0;
}

static int read_name(const char *text, void *to)
{
    if (!text_is_name(span_of(text)))
        return -1;
    memcpy(to, text, strlen(text) + 1);
    return 0;
}

static int read_view(const char *text, void *to)
{
    size_t len = strlen(text);
    if (len > 15 || strspn(text, "abcdefghijklmnopqrstuvwxyz") != len)
        return -1;
    memcpy(to, text, len + 1);
    return 0;
}

static int read_day(const char *text, void *to)
{
    int64_t since_ms, before_ms;
    if (page_query_day(text, &since_ms, &before_ms) != 0)
        return -1;
    memcpy(to, text, 11);
    return 0;
}

static int read_states(const char *text, void *to)
{
    static const char *const words[] = {"waiting", "done", "dead", "ignored"};
    struct page_query *q = to;
    q->claimed = strcmp(text, "claimed") == 0;
    q->delayed = strcmp(text, "delayed") == 0;
    if (q->claimed || q->delayed)
        q->state = STORE_STATE_WAITING;
    for (int i = 0; i < 4; i++)
        if (strcmp(text, words[i]) == 0)
            q->state = i;
    return q->state == PAGE_ANY ? -1 : 0;
}

static int read_flag(const char *text, void *to)
{
    *(bool *)to = true;
    return strcmp(text, "60") == 0 ? 0 : -1;
}

static const struct parameter {
    const char *name;
    int (*read)(const char *text, void *to); /* 0, or -1: it is not of this kind */
    size_t at;                               /* in struct page_query */
} parameters[] = {
    {"view", read_view, offsetof(struct page_query, view)},
    {"state", read_states, 0},
    {"refresh", read_flag, offsetof(struct page_query, refresh)},
    {"seq", read_number, offsetof(struct page_query, seq)},
    {"before", read_number, offsetof(struct page_query, before)},
    {"number", read_number, offsetof(struct page_query, number)},
    {"endpoint", read_name, offsetof(struct page_query, endpoint)},
    {"type", read_text, offsetof(struct page_query, type)},
    {"find", read_text, offsetof(struct page_query, find)},
    {"day", read_day, offsetof(struct page_query, day)},
};
enum { PARAMETERS = sizeof parameters / sizeof *parameters };

/* ---- all of them ---- */

static const struct parameter *parameter_named(struct span name)
{
    for (size_t i = 0; i < PARAMETERS; i++)
        if (span_equal(name, span_of(parameters[i].name)))
            return &parameters[i];
    return NULL;
}

/* The part before a character, which is taken off. */
static struct span take_until(struct span *text, char end)
{
    const char *at = text->len ? memchr(text->at, end, text->len) : NULL;
    struct span part = {text->at, at ? (size_t)(at - text->at) : text->len};
    size_t used = part.len + (at != NULL);
    *text = (struct span){text->at + used, text->len - used};
    return part;
}

int page_query_read(struct page_query *q, struct span text)
{
    char value[PAGE_VALUE_MAX + 1];
    bool given[PARAMETERS] = {false};
    *q = (struct page_query){.state = PAGE_ANY};
    if (text.len > PAGE_QUERY_MAX)
        return -1;
    while (text.len) {
        struct span pair = take_until(&text, '&'), name = take_until(&pair, '=');
        const struct parameter *p = parameter_named(name);
        if (!p || given[p - parameters] || decode_value(pair, value) != 0)
            return -1;
        given[p - parameters] = true;
        if (*value &&
            p->read(value, (char *)q + p->at) != 0) /* a field of a form that was left empty asks for nothing */
            return -1;
    }
    return 0;
}

int page_query_day(const char *day, int64_t *since_ms, int64_t *before_ms)
{
    struct tm tm = {.tm_isdst = -1};
    if (strlen(day) != 10 || strspn(day, "0123456789-") != 10 || day[4] != '-' || day[7] != '-')
        return -1;
    tm.tm_year = (int)strtol(day, NULL, 10) - 1900;
    tm.tm_mon = (int)strtol(day + 5, NULL, 10) - 1;
    tm.tm_mday = (int)strtol(day + 8, NULL, 10);
    int month = tm.tm_mon, date = tm.tm_mday;
    time_t begin = mktime(&tm);
    if (begin == (time_t)-1 || tm.tm_mon != month || tm.tm_mday != date)
        return -1;
    tm.tm_mday++;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    *since_ms = (int64_t)begin * 1000;
    *before_ms = (int64_t)mktime(&tm) * 1000;
    return 0;
}
