/* SPDX-License-Identifier: MIT
 *
 * span: a view of borrowed bytes. It owns nothing; whoever makes one says how long the bytes live.
 * Bytes may be anything, NUL included. {NULL, 0} is the absent span; an empty text has a non-NULL `at`.
 */
#ifndef SPAN_H
#define SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *at;
    size_t len;
};

static inline struct span span_of(const char *text) { return (struct span){text, text ? strlen(text) : 0}; }

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* The same without spaces and tabs at both ends (RFC 9110, section 5.6.3, OWS). */
static inline struct span span_trim(struct span s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
        s.at++, s.len--;
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

#endif
