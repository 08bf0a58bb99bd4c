/* SPDX-License-Identifier: MIT
 *
 * pool_impl: what the parts of the pool share.
 */
#ifndef POOL_IMPL_H
#define POOL_IMPL_H

#include "pool.h"
#include "pool_outage.h"
#include "pool_report.h"
#include "tool/signals.h"

enum { POOL_IDLE_MS = 1000 /* between claims that gave nothing */ };

/* One event on its way. Times here and below are of the clock that nobody sets. */
struct slot {
    enum {
        FREE,
        CLAIMED,
        RUNNING,
        HELD,
        ENDED
    } state; /* HELD: it met nobody, and waits for what becomes of others */
    struct store_lease lease;
    struct pool_event event;
    struct buf bytes; /* what the event's spans show */
    int64_t begun_ms, extend_ms;
    bool cancelled;
    enum store_verb verb; /* of ENDED */
    int64_t delay_ms;     /* of a release */
    struct pool_outcome outcome;
};

struct pool {
    const struct cmd *cmd;
    const struct pool_ops *ops;
    void *ctx;
    struct config *config, *next; /* next: of another inbox, to be taken up when nothing runs */
    struct store *store;
    struct store_want want;
    char owner[64];
    struct signals signals;
    struct pool_report report;
    struct slot slot[POOL_SLOTS_MAX + OUTAGE_HELD_MAX]; /* those behind the first n are for what is held */
    int n, used;                                        /* used: of the first n */
    bool stopping, cancelled, claimed_once;
    bool none;        /* the latest claim gave nothing, and nothing has ended since */
    struct err fault; /* why it ends early */
    int64_t now_ms, end_ms, claim_ms, retry_ms, trouble_ms, count_ms, look_ms;
    struct pool_outage outage;
};

/* It ends early, for this reason. */
void pool_stop_for(struct pool *p, const struct err *e);

/* An event has been handed on, or not: what becomes of its claim. */
void pool_judge(struct pool *p, struct slot *s);

/* Those that are held go back, to be tried again. */
void pool_try_held(struct pool *p);

/* The application is down, or it is time to go: those that are held go back. */
void pool_be_down(struct pool *p);

#endif
