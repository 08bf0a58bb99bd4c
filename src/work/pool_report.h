/* SPDX-License-Identifier: MIT
 *
 * pool_report: how a pool is doing, on standard error: a line for what a person should know, and on a terminal one
 * that is rewritten. Whatever comes from outside is printed so that a terminal is safe.
 */
#ifndef POOL_REPORT_H
#define POOL_REPORT_H

#include "pool.h"

struct pool_report {
    bool terminal, shown, changed;
    int64_t drawn_ms; /* of the clock that nobody sets, as all times here */
    int64_t done, failed, lost, released, running, waiting;
    char line[160]; /* what stands there now */
};

void pool_report_open(struct pool_report *r);

/* A line of its own; printf-like, from our own words only. */
void pool_report_line(struct pool_report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with what comes from outside behind it, made safe: "complycube-inbox: OURS: THEIRS". */
void pool_report_reason(struct pool_report *r, const char *ours, const char *theirs);

/* What became of an event that was not acked. again_ms: of the Epoch; 0 not told, INT64_MAX: never. */
void pool_report_event(struct pool_report *r, const struct pool_event *event, const char *what, const char *why,
                       int64_t again_ms);

/* Rewrite the progress where it changed, five times a second at most. Gives the time of the next, INT64_MAX: none. */
int64_t pool_report_progress(struct pool_report *r, int64_t now_ms);

/* Take the progress away, for good. */
void pool_report_close(struct pool_report *r);

/* "3 done, 1 failed, 1 released" at `text`. */
void pool_report_sum(const struct pool_report *r, char *text, size_t size);

#endif
