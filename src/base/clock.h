/* SPDX-License-Identifier: MIT
 *
 * clock: what time it is, and how long something took.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Milliseconds of a clock that nobody sets: for how long something took, and for deadlines. */
static inline int64_t clock_ms(void) { return clock_of(CLOCK_MONOTONIC); }

/* Milliseconds since the Epoch: when something happened. */
static inline int64_t clock_time_ms(void) { return clock_of(CLOCK_REALTIME); }

#endif
