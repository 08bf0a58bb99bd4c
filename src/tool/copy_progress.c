/* SPDX-License-Identifier: MIT
 * copy_progress: how far a copy has come. */
#include "copy_progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MB = 1 << 20 };

int cmd_tell_begin(struct cmd_tell *t, struct err *e)
{
    *t = (struct cmd_tell){.progress = progress_begin(0)};
    return signals_open(&t->signals, e);
}

static bool tell(void *ctx, const char *doing, int64_t done, int64_t all)
{
    struct cmd_tell *t = ctx;
    char more[64];
    bool bytes = strcmp(doing, "copying") == 0;
    signals_take(&t->signals);
    t->progress.total = bytes ? all / MB : all;
    snprintf(more, sizeof more, "%s %s", bytes ? " MB" : "", doing);
    progress_draw(&t->progress, bytes ? done / MB : done, more);
    return t->signals.told == 0;
}

struct store_teller cmd_tell_teller(struct cmd_tell *t) { return (struct store_teller){tell, t}; }

void cmd_tell_end(struct cmd_tell *t)
{
    progress_end(&t->progress);
    signals_close(&t->signals);
}

const char *cmd_tell_stamp(int64_t ms, char *out)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(out, 32, "%Y%m%dT%H%M%SZ", &tm);
    return out;
}

const char *cmd_tell_size(int64_t bytes, char *out)
{
    snprintf(out, 32, "%.1f MB", (double)bytes / MB);
    return out;
}
