/* SPDX-License-Identifier: MIT
 * progress: a bar on a terminal. */
#include "progress.h"

#include "base/clock.h"
#include "base/print.h"

#include <stdio.h>
#include <unistd.h>

enum { DRAW_MS = 200, BAR = 30 /* columns */ };

struct progress progress_begin(int64_t total)
{
    return (struct progress){.terminal = isatty(STDERR_FILENO) == 1, .total = total, .drawn_ms = -DRAW_MS};
}

void progress_draw(struct progress *p, int64_t done, const char *more)
{
    int64_t now_ms = clock_ms();
    if (!p->terminal || now_ms < p->drawn_ms + DRAW_MS)
        return;
    p->drawn_ms = now_ms;
    p->drawn = true;
    if (p->total > 0) {
        int filled = done < p->total ? (int)(done * BAR / p->total) : BAR;
        print_err("\r\033[K[%.*s%*s] %lld of %lld%s", filled, "##############################", BAR - filled, "",
                  (long long)done, (long long)p->total, more ? more : "");
    } else {
        print_err("\r\033[K%lld%s", (long long)done, more ? more : "");
    }
}

void progress_end(struct progress *p)
{
    if (p->drawn)
        print_err("\r\033[K");
    p->drawn = false;
}
