/* SPDX-License-Identifier: MIT
 * pool: claims events and has them handed on, until it is told to stop. */
#include "base/clock.h"
#include "pool_impl.h"
#include "store/store_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    RETRY_MS = 250,     /* between tries of a database that is busy or away ... */
    TROUBLE_MS = 60000, /* ... for so long */
    COUNT_MS = 2000,    /* between counts of what waits, for a terminal */
    WAIT_MAX_MS = 1000  /* between looks whether the database was moved: nobody can replace one that is not left */
};

/* ---- the store, which may be busy or moved away for a moment ---- */

/* Something failed: try again in a moment, or, when it does not pass, stop. */
static void meet_trouble(struct pool *p, const struct err *e, bool passing)
{
    if (p->fault.code != ERR_NONE)
        return;
    if (!p->trouble_ms && passing)
        pool_report_reason(&p->report, "trying again for a minute", e->msg);
    if (!p->trouble_ms)
        p->trouble_ms = p->now_ms;
    p->retry_ms = p->now_ms + RETRY_MS;
    if (!passing || p->now_ms - p->trouble_ms > TROUBLE_MS)
        pool_stop_for(p, e);
}

static bool is_idle(const struct pool *p)
{
    for (const struct slot *s = p->slot + p->n; s < p->slot + p->n + OUTAGE_HELD_MAX; s++)
        if (s->state != FREE)
            return false;
    return p->used == 0;
}

static bool same_inbox(const struct config *a, const struct config *b)
{
    return strcmp(a->database, b->database) == 0 && strcmp(a->inbox, b->inbox) == 0 &&
           strcmp(a->directory, b->directory) == 0;
}

/* Another inbox is taken up when nothing runs. */
static void replace_config(struct pool *p)
{
    store_close(p->store);
    p->store = NULL;
    config_free(p->config);
    p->config = p->next;
    p->next = NULL;
}

/* One that is broken leaves the old one in force. */
static void take_up_changes(struct pool *p)
{
    struct cmd cmd = *p->cmd;
    struct err e;
    if (p->now_ms >= p->look_ms && config_changed(p->next ? p->next : p->config, clock_time_ms())) {
        cmd.now_ms = clock_time_ms();
        struct config *new = cmd_load_public_config(&cmd, &e);
        if (new) {
            config_free(p->next);
            p->next = new;
        }
    }
    if (p->now_ms >= p->look_ms)
        p->look_ms = p->now_ms + WAIT_MAX_MS;
    if (p->next && same_inbox(p->next, p->config)) {
        config_free(p->config);
        p->config = p->next;
        p->next = NULL;
    }
    if (p->next && p->used == 0)
        pool_try_held(p);
    if (p->next && is_idle(p))
        replace_config(p);
}

/* Open the store again if it was closed or moved away. True: it can be used. */
static bool reopen_store(struct pool *p)
{
    struct err e = {0};
    if (p->now_ms < p->retry_ms)
        return false;
    if (p->store && store_in_place(p->store))
        return true;
    if (p->store && store_leave(p->store, &e) < 0) {
        meet_trouble(p, &e, true);
        return false;
    }
    store_close(p->store);
    p->store = cmd_store(p->config, false, &e);
    if (!p->store)
        meet_trouble(p, &e, true); /* whoever moves it is not done yet */
    return p->store != NULL;
}

/* ---- claims ---- */

static void take_claimed(void *ctx, const struct store_lease *lease, const struct store_event *v)
{
    struct pool *p = ctx;
    struct slot *s = p->slot;
    while (s->state != FREE)
        s++;
    s->lease = *lease;
    s->outcome = (struct pool_outcome){.result = POOL_RUNNING};
    s->cancelled = false;
    s->state = CLAIMED;
    p->used++;
    if (pool_event_copy(&s->event, &s->bytes, v, lease->attempts))
        return;
    struct err e;
    err_set(&e, ERR_MEMORY, "event %lld: out of memory", (long long)v->seq);
    pool_stop_for(p, &e);
    s->verb = STORE_RELEASE;
    s->state = ENDED;
}

/* Half of the lease from now on. */
static void plan_extension(struct pool *p, struct slot *s)
{
    int64_t left_ms = s->lease.until_ms - clock_time_ms();
    s->extend_ms = p->now_ms + (left_ms > 0 ? left_ms / 2 : 0);
}

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

/* When the next claim is due; INT64_MAX: not before something has happened. */
static int64_t next_claim(const struct pool *p)
{
    if (p->stopping || p->next || p->used == p->n || (p->outage.since_ms && p->used > 0))
        return INT64_MAX;
    return later(later(p->claim_ms, p->retry_ms), p->outage.since_ms ? p->outage.until_ms : 0);
}

static void claim_events(struct pool *p)
{
    struct err e = {0};
    int n = p->outage.since_ms ? 1 : p->n - p->used; /* one is enough to see whether it is up again */
    int got = store_claim(p->store, &p->want, n, clock_time_ms(), take_claimed, p, &e);
    p->now_ms = clock_ms();
    for (struct slot *s = p->slot; s < p->slot + p->n; s++)
        if (s->state == CLAIMED) {
            s->begun_ms = p->now_ms;
            plan_extension(p, s);
            s->state = RUNNING;
            if (pool_event_fits(&s->event, &s->outcome))
                p->ops->start(p->ctx, (int)(s - p->slot), &s->event);
            else
                pool_judge(p, s);
        }
    if (got < 0) { /* what was right a moment ago may be so again */
        meet_trouble(p, &e, e.code == ERR_BUSY || p->claimed_once);
        return;
    }
    p->claimed_once = true;
    p->trouble_ms = 0;
    p->none = got == 0;
    p->claim_ms = p->now_ms + (got < n ? POOL_IDLE_MS : 0);
    if (got == 0 && !p->cmd->once) /* there is nothing else to try */
        pool_try_held(p);
}

/* ---- what came of it ---- */

static void look_at_slots(struct pool *p)
{
    for (struct slot *s = p->slot; s < p->slot + p->n; s++) {
        if (s->state != RUNNING)
            continue;
        p->ops->look(p->ctx, (int)(s - p->slot), &s->outcome);
        if (s->outcome.result != POOL_RUNNING)
            pool_judge(p, s);
    }
}

/* It is settled: 1, or 0 when its lease was lost. */
static void report_settled(struct pool *p, struct slot *s, int settled)
{
    if (!settled) {
        p->report.lost++;
        pool_report_event(&p->report, &s->event, "is not ours any more",
                          "its lease was lost, so what was done counts for nothing", 0);
    } else if (s->verb == STORE_ACK) {
        p->report.done++;
    } else if (s->verb == STORE_NACK) {
        p->report.failed++;
        pool_report_event(&p->report, &s->event, "failed", s->outcome.why, s->lease.until_ms);
    } else {
        p->report.released++;
    }
}

/* Settle what has ended, and extend what goes on for long. */
static void settle_claims(struct pool *p)
{
    for (struct slot *s = p->slot; s < p->slot + p->n + OUTAGE_HELD_MAX; s++) {
        struct err e = {0};
        bool ended = s->state == ENDED, extend = s->state == RUNNING && p->now_ms >= s->extend_ms;
        if ((!ended && !extend) || (!reopen_store(p) && p->fault.code == ERR_NONE))
            continue;
        int settled = p->store ? store_settle(p->store, &s->lease, ended ? s->verb : STORE_EXTEND,
                                              ended && s->verb == STORE_NACK ? s->outcome.why : NULL,
                                              ended && s->verb == STORE_NACK ? -1
                                              : ended                        ? s->delay_ms
                                                                             : 0,
                                              clock_time_ms(), &e)
                               : -1;
        p->now_ms = clock_ms();
        if (settled >= 0)
            p->trouble_ms = 0;
        else
            meet_trouble(p, &e, true);
        if (settled == 0 && extend) /* it may as well end: what it did so far cannot be undone */
            s->extend_ms = INT64_MAX;
        else if (extend)
            plan_extension(p, s);
        if (!ended || (settled < 0 && p->fault.code == ERR_NONE))
            continue;
        if (settled >= 0)
            report_settled(p, s, settled);
        s->state = FREE; /* after a fault its lease ends by itself */
        p->used -= s < p->slot + p->n;
        p->none = false;
        p->claim_ms = p->now_ms;
    }
}

/* ---- when it ends ---- */

static void cancel_running(struct pool *p)
{
    p->cancelled = true;
    for (struct slot *s = p->slot; s < p->slot + p->n; s++)
        if (s->state == RUNNING) {
            s->cancelled = true;
            p->ops->cancel(p->ctx, (int)(s - p->slot));
        }
}

static void heed_signals(struct pool *p)
{
    signals_take(&p->signals);
    if (!p->stopping && (p->signals.told > 0 || p->now_ms >= p->end_ms))
        p->stopping = true;
    if (pool_outage_lasts(&p->outage, p->now_ms) ||
        (p->used == 0 && p->outage.held && (p->stopping || (p->cmd->once && p->none))))
        pool_be_down(p);
    if (!p->cancelled && (p->signals.told > 1 || p->now_ms - POOL_GRACE_S * INT64_C(1000) >= p->end_ms))
        cancel_running(p);
}

static bool is_finished(const struct pool *p) { return is_idle(p) && (p->stopping || (p->cmd->once && p->none)); }

static int64_t sooner(int64_t a, int64_t b) { return a < b ? a : b; }

/* How long until something is due, unless a signal or a finished slot comes first. */
static int until_next(const struct pool *p, int64_t progress_ms)
{
    int64_t next = sooner(p->now_ms + WAIT_MAX_MS, progress_ms);
    next = sooner(next, next_claim(p));
    if (!p->stopping)
        next = sooner(next, p->end_ms);
    else if (!p->cancelled && p->end_ms < INT64_MAX)
        next = sooner(next, p->end_ms + POOL_GRACE_S * INT64_C(1000));
    for (const struct slot *s = p->slot; s < p->slot + p->n + OUTAGE_HELD_MAX; s++) {
        if (s->state == ENDED)
            next = sooner(next, p->retry_ms);
        if (s->state == RUNNING)
            next = sooner(next, later(s->extend_ms, p->retry_ms));
    }
    return next > p->now_ms ? (int)(next - p->now_ms) : 0;
}

/* Gives when to do so again. A count reads the inbox, so it may take a twentieth of the time at most. */
static int64_t show_progress(struct pool *p)
{
    struct store_facts facts;
    if (!p->report.terminal)
        return INT64_MAX;
    p->report.running = p->used;
    if (p->now_ms >= p->count_ms) {
        if (p->store && store_read_facts(p->store, clock_time_ms(), &facts, NULL) == 0)
            p->report.waiting = facts.waiting > p->used ? facts.waiting - p->used : 0;
        p->count_ms = p->now_ms + later(COUNT_MS, 20 * (clock_ms() - p->now_ms));
    }
    return sooner(pool_report_progress(&p->report, p->now_ms), p->count_ms);
}

static void run_loop(struct pool *p)
{
    while (!is_finished(p)) {
        p->now_ms = clock_ms();
        heed_signals(p);
        look_at_slots(p);
        take_up_changes(p);
        reopen_store(p);
        settle_claims(p);
        if (p->now_ms >= next_claim(p) && reopen_store(p))
            claim_events(p); /* what could not even be started is seen at once */
        else if (!is_finished(p))
            p->ops->wait(p->ctx, p->signals.fd, until_next(p, show_progress(p)));
    }
}

/* ---- from the outside ---- */

static void name_owner(char *owner, size_t size)
{
    char host[40] = "";
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '.')
            *c = '-';
    snprintf(owner, size, "%s-%ld", *host ? host : "host", (long)getpid());
}

/* What is left to say, and whether it went well. A cron job that has nothing to complain of is silent. */
static int sum_up(struct pool *p, struct err *e)
{
    char text[160];
    bool shown = p->report.terminal;
    pool_report_close(&p->report);
    pool_report_sum(&p->report, text, sizeof text);
    if (p->fault.code == ERR_NONE && p->cmd->once && p->report.failed)
        return err_set(e, ERR_NOT_FOUND, "%s", text);
    if (shown || !p->cmd->once || p->report.failed || p->report.lost || p->report.released ||
        p->fault.code != ERR_NONE)
        pool_report_line(&p->report, "%s", text);
    *e = p->fault;
    return p->fault.code == ERR_NONE ? 0 : -1;
}

static int run_pool(struct pool *p, struct err *e)
{
    const struct cmd *cmd = p->cmd;
    p->store = cmd_store(p->config, false, e);
    if (!p->store || signals_open(&p->signals, e) != 0)
        return -1;
    name_owner(p->owner, sizeof p->owner);
    p->want = (struct store_want){.endpoint = cmd->endpoint,
                                  .types = cmd->types,
                                  .n_types = cmd->n_types,
                                  .ordered = true,
                                  .skip_superseded = cmd->skip_superseded,
                                  .owner = p->owner};
    p->n = (int)cmd->workers;
    p->outage.patient = !cmd->once;
    p->now_ms = clock_ms();
    p->end_ms = cmd->max_time_s ? p->now_ms + cmd->max_time_s * 1000 : INT64_MAX;
    pool_report_open(&p->report);
    run_loop(p);
    signals_close(&p->signals);
    return sum_up(p, e);
}

int pool_run(const struct cmd *cmd, const struct pool_ops *ops, void *ctx, struct err *e)
{
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    p->cmd = cmd;
    p->ops = ops;
    p->ctx = ctx;
    p->config = cmd_load_public_config(cmd, e);
    int result = p->config ? run_pool(p, e) : -1;
    store_close(p->store);
    config_free(p->config);
    config_free(p->next);
    for (int i = 0; i < POOL_SLOTS_MAX + OUTAGE_HELD_MAX; i++)
        buf_release(&p->slot[i].bytes);
    free(p);
    return result;
}
