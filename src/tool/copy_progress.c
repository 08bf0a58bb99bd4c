/* SPDX-License-Identifier: MIT
 * copy_progress: how far a copy has come. */
#include "copy_progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MB = 1 << 20 };

int copy_progress_begin(struct copy_progress *t, struct err *e)
{
    *t = (struct copy_progress){.progress = progress_begin(0)};
    return signals_open(&t->signals, e);
}

static bool draw_copy(void *ctx, const char *doing, int64_t done, int64_t all)
{
    struct copy_progress *t = ctx;
    char more[64];
    bool bytes = strcmp(doing, "copying") == 0;
    signals_take(&t->signals);
    t->progress.total = bytes ? all / MB : all;
    snprintf(more, sizeof more, "%s %s", bytes ? " MB" : "", doing);
    progress_draw(&t->progress, bytes ? done / MB : done, more);
    return t->signals.told == 0;
}

struct store_teller copy_progress_teller(struct copy_progress *t) { return (struct store_teller){draw_copy, t}; }

void copy_progress_end(struct copy_progress *t)
{
    progress_end(&t->progress);
    signals_close(&t->signals);
}

const char *copy_progress_stamp(int64_t ms, char *out)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(out, 32, "%Y%m%dT%H%M%SZ", &tm);
    return out;
}

const char *copy_progress_size(int64_t bytes, char *out)
{
    snprintf(out, 32, "%.1f MB", (double)bytes / MB);
    return out;
}
