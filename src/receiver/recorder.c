/* SPDX-License-Identifier: MIT
 * recorder: the store and, while it cannot be written, the spool. */
#include "base/clock.h"
#include "receiver.h"

#include "store/store_file.h"

#include <stdio.h>

enum {
    DRAIN_MS = 2000,    /* of a batch, for what waits */
    TICK_MS = 500,      /* of a quiet moment */
    TICK_WAIT_MS = 50,  /* for the locks then */
    REPORTED_MAX = 20,  /* files that are left over or set aside, each in a line; then their number */
    SPARE_MS = 1000,    /* a store that failed is left alone for so long, or for as long as it took to fail ... */
    SPARE_MAX_MS = 5000 /* ... but never longer */
};

static struct spool *spool_of(struct receiver *r) { return *r->spool.path ? &r->spool : NULL; }

/* ---- what waits ---- */

struct reporting {
    struct receiver *r;
    int64_t n;
};

static void say_of_spool(struct receiver *r, const char *file, const char *msg)
{
    struct log_line line;
    const struct log_line *lines[] = {&line};
    log_begin(&line, r->now_ms, LEVEL_ERROR, "spool");
    log_text(&line, "file", file ? span_of(file) : (struct span){0});
    log_text(&line, "msg", span_of(msg));
    log_end(&line);
    log_write(&r->log, lines, 1);
}

static void tell_left(void *ctx, const char *name, const struct err *why)
{
    struct reporting *t = ctx;
    if (t->n++ < REPORTED_MAX)
        say_of_spool(t->r, name, why->msg);
}

static void tell_more_left(const struct reporting *t)
{
    char msg[100];
    if (t->n <= REPORTED_MAX)
        return;
    snprintf(msg, sizeof msg, "%lld files more; see complycube-inbox spool", (long long)(t->n - REPORTED_MAX));
    say_of_spool(t->r, NULL, msg);
}

static void tell_recorded(struct receiver *r, int64_t n)
{
    struct log_line line;
    const struct log_line *lines[] = {&line};
    if (n == 0 || !log_wants(&r->log, LEVEL_INFO))
        return;
    log_begin(&line, r->now_ms, LEVEL_INFO, "unspooled");
    log_number(&line, "events", n);
    log_text(&line, "folder", span_of(r->spool.path));
    log_end(&line);
    log_write(&r->log, lines, 1);
}

/* With the store held: as spool_drain. */
static int drain_spool(struct receiver *r, struct store *store, int budget_ms, int64_t now_ms, struct err *e)
{
    struct reporting reporting = {.r = r};
    struct spool_drain d = {.store = store,
                            .config = r->config,
                            .before = r->outgoing,
                            .budget_ms = budget_ms,
                            .told = tell_left,
                            .ctx = &reporting};
    r->now_ms = now_ms;
    int result = spool_drain(&r->spool, &d, now_ms, e);
    tell_more_left(&reporting);
    tell_recorded(r, d.recorded);
    return result;
}

/* ---- recording ---- */

/* Behind what came before: whoever has the lock looks first at what waits. */
static int record_behind(struct receiver *r, struct store *store, struct record *const batch[], size_t n,
                         int64_t now_ms, struct err *e)
{
    struct spool *spool = spool_of(r);
    if (!spool)
        return store_record(store, batch, n, now_ms, e);
    if (store_hold(store, r->hurries ? STORE_HURRY_MS : STORE_WAIT_MS, e) != 0)
        return -1;
    int result = spool_waits(spool, now_ms) ? drain_spool(r, store, DRAIN_MS, now_ms, e) : 0;
    if (result == 0)
        result = store_record(store, batch, n, now_ms, e);
    else if (result > 0)
        err_set(e, ERR_BUSY, "older events wait in the spool, and are recorded first");
    store_unhold(store);
    return result;
}

/* Did the store fail a moment ago, and would keep others waiting again? */
static bool spares(const struct receiver *r)
{
    return r->trouble_until_ms && *r->spool.path && clock_ms() < r->spare_until_ms;
}

static void note_result(struct receiver *r, int result, int64_t begun_ms, int64_t now_ms, const struct err *e)
{
    int64_t ended_ms = clock_ms(), took_ms = ended_ms - begun_ms;
    took_ms = took_ms < SPARE_MS ? SPARE_MS : took_ms > SPARE_MAX_MS ? SPARE_MAX_MS : took_ms;
    struct err why;
    bool shut_out = result < 0 && r->reaches && r->reaches(r->config, &why) != 0;
    if (shut_out)
        receiver_say(r, now_ms, &why);
    r->shut_out |= shut_out;
    r->trouble = *e;
    r->trouble_until_ms = result < 0 ? now_ms + RECEIVER_TROUBLE_MS : 0;
    r->spare_until_ms = result < 0 ? ended_ms + took_ms : 0;
}

int receiver_record(struct receiver *r, struct record *const batch[], size_t n, int64_t now_ms, struct err *e)
{
    struct spool *spool = spool_of(r);
    int result = -1;
    if (spares(r)) {
        *e = r->trouble;
        return -1;
    }
    int64_t begun_ms = spool ? clock_ms() : 0;
    r->hurries = spool && spool_waits(spool, now_ms);
    bool again = true;
    for (int i = 0; i < 2 && result < 0 && again;
         i++) { /* again where the file was replaced while it waited its turn */
        *e = (struct err){0};
        struct store *store = receiver_store(r, e);
        result = store ? record_behind(r, store, batch, n, now_ms, e) : -1;
        again = store && !store_in_place(store);
    }
    r->hurries = false;
    if (result == 0)
        *e = (struct err){0};
    else
        err_failure(e);
    note_result(r, result, begun_ms, now_ms, e);
    return result;
}

size_t receiver_spool(struct receiver *r, const struct verified *const list[], size_t n, int64_t now_ms)
{
    struct store_options o;
    struct err e = {0};
    struct spool *spool = spool_of(r);
    if (!spool || n == 0)
        return 0;
    receiver_store_options(r->config, r->brief, &o, &e); /* a group that is unknown is none */
    size_t done = spool_put(spool, list, n, o.group, now_ms, &e);
    if (done < n)
        receiver_say(r, now_ms, &e);
    return done;
}

void receiver_unspool(struct receiver *r, int64_t now_ms)
{
    struct err e = {0};
    struct spool *spool = spool_of(r);
    int64_t begun_ms = clock_ms();
    if (!spool || !spool->waits || !r->verifier || begun_ms < r->spare_until_ms || begun_ms < r->unspool_ms ||
        begun_ms < spool->rest_until_ms)
        return;
    r->unspool_ms = begun_ms + SPARE_MS;
    if (!spool_waits(spool, now_ms))
        return;
    r->hurries = true;
    struct store *store = receiver_store(r, &e);
    int result = store ? store_hold(store, TICK_WAIT_MS, &e) : -1;
    if (result == 0) {
        result = drain_spool(r, store, TICK_MS, now_ms, &e);
        store_unhold(store);
    }
    r->hurries = false;
    if (result < 0 && !r->trouble_until_ms && e.code != ERR_BUSY) /* a batch that failed of it has said so */
        receiver_say(r, now_ms, &e);
    if (result < 0 && e.code == ERR_BUSY && !r->trouble_until_ms)
        return; /* another process is at work */
    note_result(r, result, begun_ms, now_ms, &e);
}
