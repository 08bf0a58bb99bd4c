/* SPDX-License-Identifier: MIT
 *
 * web: what both ways of being called share: limits and clocks.
 */
#ifndef WEB_H
#define WEB_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

enum {
    WEB_DEADLINE_MS = 10000, /* a request is wholly here by then, or is cut: the sender gives up after 15 s */
    WEB_BODY_MAX = 1 << 20   /* bytes kept while no configuration says otherwise */
};

/* How many connections there may be, at most so many, so that as many descriptors as `others` are left for all else. */
static inline size_t web_places(size_t most, size_t others)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= most + others)
        return most;
    return limit.rlim_cur > 2 * others ? (size_t)limit.rlim_cur - others : others;
}

#endif
