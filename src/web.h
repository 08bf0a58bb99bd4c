/* SPDX-License-Identifier: MIT
 *
 * web: what both ways of being called share: limits and clocks.
 */
#ifndef WEB_H
#define WEB_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    WEB_DEADLINE_MS = 10000, /* a request is wholly here by then, or is cut: the sender gives up after 15 s */
    WEB_BODY_MAX = 1 << 20   /* bytes kept while no configuration says otherwise */
};

/* Milliseconds since the Epoch, UTC. */
static inline int64_t web_time_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Milliseconds of a clock that nobody sets, for deadlines. */
static inline int64_t web_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
