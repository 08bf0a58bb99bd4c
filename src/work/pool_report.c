/* SPDX-License-Identifier: MIT
 * pool_report: how a pool is doing, on standard error. */
#include "pool_report.h"

#include "base/print.h"
#include "base/when.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DRAW_MS = 200, NAME_BYTES = 64 };

void pool_report_open(struct pool_report *r)
{
    *r = (struct pool_report){.terminal = isatty(STDERR_FILENO) == 1, .changed = true, .drawn_ms = INT64_MIN / 2};
}

static void erase_progress(struct pool_report *r)
{
    if (r->shown)
        print_err("\r\033[K");
    r->shown = false;
    r->changed = true;
}

void pool_report_line(struct pool_report *r, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    erase_progress(r);
    print_err("complycube-inbox: %s\n", text);
}

/* A line is composed first, so that it is written at once and stays whole beside those of other processes. */
struct line {
    char *text;
    size_t len;
    FILE *to;
};

static bool begin_report_line(struct line *l)
{
    *l = (struct line){0};
    l->to = open_memstream(&l->text, &l->len);
    return l->to && print_to(l->to, "complycube-inbox: ") >= 0;
}

static void end_report_line(struct line *l, struct pool_report *r)
{
    bool whole = l->to && print_to(l->to, "\n") == 0;
    if (l->to)
        whole &= fclose(l->to) == 0;
    if (whole) {
        erase_progress(r);
        print_bytes(stderr, (struct span){l->text, l->len});
    }
    free(l->text);
}

void pool_report_reason(struct pool_report *r, const char *ours, const char *theirs)
{
    struct line l;
    if (begin_report_line(&l))
        print_to(l.to, "%s: %s", ours, theirs);
    end_report_line(&l, r);
}

static int at_most(struct span name) { return name.len < NAME_BYTES ? (int)name.len : NAME_BYTES; }

void pool_report_event(struct pool_report *r, const struct pool_event *event, const char *what, const char *why,
                       int64_t again_ms)
{
    struct line l;
    char time[32];
    if (begin_report_line(&l)) {
        print_to(l.to, "event %lld (", (long long)event->seq);
        print_to(l.to, "%.*s %.*s) %s: %s", at_most(event->id), event->id.at, at_most(event->type), event->type.at,
                 what, why);
        if (again_ms == INT64_MAX)
            print_to(l.to, "; given up, it is dead");
        else if (again_ms)
            print_to(l.to, "; again at %s", when_time(again_ms, time));
    }
    end_report_line(&l, r);
}

int64_t pool_report_progress(struct pool_report *r, int64_t now_ms)
{
    char text[sizeof r->line];
    if (!r->terminal)
        return INT64_MAX;
    snprintf(text, sizeof text, "%lld done, %lld failed, %lld running, %lld waiting", (long long)r->done,
             (long long)r->failed, (long long)r->running, (long long)r->waiting);
    if (!r->changed && strcmp(text, r->line) == 0)
        return INT64_MAX;
    if (now_ms < r->drawn_ms + DRAW_MS)
        return r->drawn_ms + DRAW_MS;
    memcpy(r->line, text, sizeof text);
    print_err("\r\033[K%s", r->line);
    r->shown = true;
    r->changed = false;
    r->drawn_ms = now_ms;
    return INT64_MAX;
}

void pool_report_close(struct pool_report *r)
{
    erase_progress(r);
    r->terminal = false;
}

void pool_report_sum(const struct pool_report *r, char *text, size_t size)
{
    int n = snprintf(text, size, "%lld done, %lld failed", (long long)r->done, (long long)r->failed);
    if (r->released && n > 0 && (size_t)n < size)
        n += snprintf(text + n, size - (size_t)n, ", %lld released", (long long)r->released);
    if (r->lost && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, ", %lld lost", (long long)r->lost);
}
