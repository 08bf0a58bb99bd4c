/* SPDX-License-Identifier: MIT
 * pool_judge: what becomes of an event that was handed on, or met nobody. */
#include "pool_impl.h"

enum { UNASKED_MS = 30000 };

void pool_stop_for(struct pool *p, const struct err *e)
{
    p->fault = *e;
    err_failure(&p->fault); /* it is by its code that a fault is known */
    p->stopping = true;
}

static void end_slot(struct slot *s, enum store_verb verb, int64_t delay_ms)
{
    s->verb = verb;
    s->delay_ms = delay_ms;
    s->state = ENDED;
}

/* Let those that are held go. */
static void let_go(struct pool *p, int64_t delay_ms, bool suspect)
{
    for (struct slot *s = p->slot + p->n; s < p->slot + p->n + OUTAGE_HELD_MAX; s++) {
        if (s->state != HELD)
            continue;
        if (suspect)
            pool_outage_suspect(&p->outage, s->event.seq);
        end_slot(s, STORE_RELEASE, delay_ms);
    }
}

/* For a release: so that another one is tried first, where this goes on. */
static int64_t after_the_pause(const struct pool *p)
{
    if (p->cmd->once || p->stopping)
        return 0;
    int64_t left_ms = p->outage.until_ms - p->now_ms;
    return (left_ms > 0 ? left_ms : 0) + POOL_IDLE_MS;
}

void pool_be_down(struct pool *p)
{
    let_go(p, after_the_pause(p), false);
    if (!p->cmd->once || p->fault.code != ERR_NONE)
        return;
    struct err e;
    err_set(&e, ERR_NOT_FOUND, "the application is down; its events are kept");
    pool_stop_for(p, &e);
}

void pool_try_held(struct pool *p)
{
    if (p->outage.held == 0)
        return;
    let_go(p, 0, false);
    p->outage.held = 0;
    p->claim_ms = p->now_ms;
}

/* Keep it, in a slot that runs nothing. */
static void hold_event(struct pool *p, struct slot *s)
{
    struct slot *free = p->slot + p->n;
    while (free->state != FREE)
        free++;
    struct slot kept = *free;
    *free = *s;
    free->state = HELD;
    *s = kept;
    p->used--;
    p->none = false;
    p->claim_ms = p->now_ms;
}

/* There was nobody who could have taken it. */
static void meet_nobody(struct pool *p, struct slot *s)
{
    bool first = !p->outage.since_ms;
    enum pool_outage_verdict v =
        pool_outage_met(&p->outage, s->event.seq, s->begun_ms, s->outcome.retry_ms, p->now_ms);
    if (first && v != OUTAGE_FAILED)
        pool_report_reason(&p->report, "the application is down, its events are kept", s->outcome.why);
    if (v == OUTAGE_FAILED) {
        end_slot(s, STORE_NACK, 0);
    } else if (v == OUTAGE_HOLD && !p->stopping) {
        hold_event(p, s);
    } else {
        end_slot(s, STORE_RELEASE, after_the_pause(p));
        pool_be_down(p);
    }
}

/* It is tried again in a while; a run that is to end tells it by its exit. */
static void wait_for_needs(struct pool *p, struct slot *s)
{
    pool_report_reason(&p->report, "what an event needs cannot be had, events are kept", s->outcome.why);
    end_slot(s, STORE_RELEASE, p->cmd->once || p->stopping ? 0 : UNASKED_MS);
    if (!p->cmd->once || p->fault.code != ERR_NONE)
        return;
    struct err e;
    err_set(&e, ERR_NOT_FOUND, "what an event needs cannot be had; events are kept");
    pool_stop_for(p, &e);
}

static void come_up(struct pool *p, const struct slot *s)
{
    int64_t since_ms = p->outage.since_ms;
    if (!pool_outage_over(&p->outage, s->begun_ms))
        return;
    pool_report_line(&p->report, "the application is up again, after %lld s",
                     (long long)(p->now_ms - since_ms) / 1000);
    let_go(p, 0, true); /* should one do so again, it is the event */
}

void pool_judge(struct pool *p, struct slot *s)
{
    enum pool_result result = s->outcome.result;
    if (result == POOL_UNFIT) {
        end_slot(s, STORE_NACK, 0);
        return;
    }
    if (result == POOL_UNASKED) {
        wait_for_needs(p, s);
        return;
    }
    if (s->cancelled && result != POOL_DONE && p->signals.told > 1) {
        end_slot(s, STORE_RELEASE, 0);
        return;
    }
    if (s->cancelled && result != POOL_DONE) /* it had begun, so it counts */
        pool_say(&s->outcome, POOL_FAILED, "had to end, by --max-time");
    else if (result == POOL_DOWN) {
        meet_nobody(p, s);
        return;
    }
    end_slot(s, result == POOL_DONE ? STORE_ACK : STORE_NACK, 0);
    if (result == POOL_DONE)
        pool_outage_trust(&p->outage, s->event.seq);
    if (!s->cancelled)
        come_up(p, s);
}
