/* SPDX-License-Identifier: MIT
 * progress: a bar on a terminal. */
#include "progress.h"

#include "base/clock.h"
#include "base/print.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { DRAW_MS = 200, SECOND_MS = 1000, BAR = 30 /* columns */ };

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

void progress_wait(struct progress *p, const char *why, int64_t ms)
{
    for (int64_t end_ms = clock_ms() + ms, left_ms = ms; left_ms > 0; left_ms = end_ms - clock_ms()) {
        int64_t step_ms = left_ms < SECOND_MS ? left_ms : SECOND_MS;
        struct timespec t = {(time_t)(step_ms / 1000), (long)(step_ms % 1000 * 1000000)};
        if (p->terminal && why)
            print_err("\r\033[K%s: %lld s", why, (long long)(left_ms + SECOND_MS - 1) / SECOND_MS);
        p->drawn |= p->terminal && why;
        nanosleep(&t, NULL);
    }
    progress_end(p);
}

void progress_end(struct progress *p)
{
    if (p->drawn)
        print_err("\r\033[K");
    p->drawn = false;
}
