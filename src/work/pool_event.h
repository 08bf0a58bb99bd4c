/* SPDX-License-Identifier: MIT
 *
 * pool_event: an event as it is handed on, in memory of its own.
 */
#ifndef POOL_EVENT_H
#define POOL_EVENT_H

#include "base/buf.h"
#include "store/store.h"

struct pool_event {
    int64_t seq, attempt; /* attempt: 1 for the first */
    struct span endpoint, id, type, signature, body;
};

/* Copy one that is lent; `bytes`, used again and again, holds what the spans show. False when memory is out. */
bool pool_event_copy(struct pool_event *to, struct buf *bytes, const struct store_event *from, int64_t attempt);

#endif
