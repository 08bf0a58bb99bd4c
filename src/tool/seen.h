/* SPDX-License-Identifier: MIT
 *
 * seen: a set of texts, by digests of 16 bytes, so that a million take 32 to 64 MB. The zero value is an empty set.
 */
#ifndef SEEN_H
#define SEEN_H

#include "base/err.h"
#include "base/span.h"

struct seen {
    struct seen_key *table; /* of `slots`, a power of 2, `used` of them taken */
    size_t slots, used;
};

/* 1: it was not in the set, and is now; 0: it was; or -1 and *e: ERR_MEMORY */
int seen_add(struct seen *s, struct span text, struct err *e);

void seen_clear(struct seen *s);
void seen_release(struct seen *s);

#endif
