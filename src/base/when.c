/* SPDX-License-Identifier: MIT
 * when: times and ages in words for a person. */
#include "when.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

const char *when_time(int64_t ms, char out[WHEN_TIME])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (ms == 0 || !localtime_r(&seconds, &tm) || strftime(out, WHEN_TIME, "%Y-%m-%d %H:%M:%S %z", &tm) == 0)
        snprintf(out, WHEN_TIME, "-");
    return out;
}

const char *when_age(int64_t ms, char out[WHEN_AGE])
{
    static const struct {
        int64_t unit_ms;
        char letter;
    } units[] = {{1000, 's'}, {60000, 'm'}, {3600000, 'h'}, {86400000, 'd'}};
    size_t i = 0;
    ms = ms > 0 ? ms : 0; /* it came by a clock that was ahead */
    while (i < 3 && ms >= 100 * units[i].unit_ms)
        i++;
    snprintf(out, WHEN_AGE, "%lld%c", (long long)(ms / units[i].unit_ms), units[i].letter);
    return out;
}
