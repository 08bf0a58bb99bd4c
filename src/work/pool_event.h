/* SPDX-License-Identifier: MIT
 *
 * pool_event: an event as it is handed on, in memory of its own, and how that ended.
 */
#ifndef POOL_EVENT_H
#define POOL_EVENT_H

#include "base/buf.h"
#include "store/store.h"

struct pool_event {
    int64_t seq, attempt; /* attempt: 1 for the first */
    struct span endpoint, id, type, signature, resource_type, resource_id, body;
};

/* Copy one that is lent; `bytes`, used again and again, holds what the spans show. False when memory is out. */
bool pool_event_copy(struct pool_event *to, struct buf *bytes, const struct store_event *from, int64_t attempt);

enum pool_result {
    POOL_RUNNING,
    POOL_DONE,   /* acked */
    POOL_FAILED, /* nacked */
    POOL_UNFIT,  /* likewise, and says nothing of the application: it was never handed on */
    POOL_DOWN,   /* there is nobody who could take any event now */
    POOL_UNASKED /* what it needs from elsewhere cannot be had now: released, whatever becomes of others */
};

struct pool_outcome {
    enum pool_result result;
    int64_t retry_ms; /* of POOL_DOWN: for how long not to try again; 0: as the pool likes */
    char why[200];    /* of the last three; may hold foreign bytes, but nothing of the event */
};

/*
 * Can its texts stand in a header and in a variable? The database may say anything. Else POOL_UNFIT, and why.
 */
bool pool_event_fits(const struct pool_event *event, struct pool_outcome *outcome);

/* outcome->why, printf-like, and the result. */
void pool_say(struct pool_outcome *outcome, enum pool_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
