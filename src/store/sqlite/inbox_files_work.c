/* SPDX-License-Identifier: MIT
 * inbox_files_work: workers of the directory form. */
#include "inbox_files.h"

#include <stdio.h>
#include <stdlib.h>

struct claim {
    struct db *s;
    const struct store_want *want;
    struct maildir_setting setting;
    int64_t until_ms, now_ms;
    char *types, endpoint[64], owner[64];
    store_claimed *each;
    void *ctx;
    struct sqlite_named *at;   /* whose row is being read */
    struct sqlite_names files; /* with the dead, by number, once they are asked for */
    int given;
    struct held { /* resources whose events must wait */
        char *key;
    } * held;
    size_t n_held, cap_held;
    bool out_of_memory;
};

static bool is_held(const struct claim *c, const char *key)
{
    for (size_t i = 0; i < c->n_held; i++)
        if (strcmp(c->held[i].key, key) == 0)
            return true;
    return false;
}

static void hold(struct claim *c, const char *key)
{
    if (c->n_held == c->cap_held) {
        size_t cap = c->cap_held ? 2 * c->cap_held : 16;
        struct held *held = realloc(c->held, cap * sizeof *held);
        c->out_of_memory |= !held;
        if (!held)
            return;
        c->held = held;
        c->cap_held = cap;
    }
    c->held[c->n_held].key = strdup(key);
    c->out_of_memory |= !c->held[c->n_held].key;
    c->n_held += c->held[c->n_held].key != NULL;
}

/* What tells resources of an endpoint apart; "" for an event of none. */
static void resource_key(const struct store_event *v, char *key, size_t size)
{
    *key = '\0';
    if (v->resource_id.at)
        snprintf(key, size, "%.*s\n%.*s", (int)v->resource_id.len, v->resource_id.at, (int)v->resource_type.len,
                 v->resource_type.at ? v->resource_type.at : "");
}

static bool is_wanted(const struct claim *c, struct span type)
{
    for (size_t i = 0; i < c->want->n_types; i++)
        if (span_equal(type, span_of(c->want->types[i])))
            return true;
    return c->want->n_types == 0;
}

/* Is it superseded by one that is worked on? Whether that one is dead, its file tells. */
static int is_over(struct claim *c, int64_t seq, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(c->s, SQL_NEWER, e);
    if (!q || (!c->files.list && sqlite_files_names(c->s, c->endpoint, true, &c->files, e) != 0))
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    sqlite3_bind_text(q, 7, c->types, -1, SQLITE_STATIC);
    int over = 0;
    while (!over && sqlite3_step(q) == SQLITE_ROW) {
        const struct sqlite_named *newer = sqlite_files_find(&c->files, span_of(c->endpoint),
                                                             sqlite3_column_int64(q, 1), sqlite3_column_int64(q, 0));
        over = !newer || newer->state != 2;
    }
    return sqlite3_reset(q) == SQLITE_OK ? over : sqlite_error(c->s, "looking for a newer event", e);
}

enum { ENDED = 2 };

/* Claim the file of the event at hand: 1; or bury it or be done with it: ENDED; 0 when another was first. */
static int take_file(struct claim *c, const struct store_event *v, struct err *e)
{
    const struct maildir *d = c->s->files;
    struct maildir_name *name = &c->at->name;
    if (name->attempts >= c->setting.max_attempts)
        return maildir_dead(d, c->endpoint, name, "its last claim was never settled", e) < 0 ? -1 : ENDED;
    int moved = maildir_claim(d, c->endpoint, name, c->until_ms, c->owner, e);
    if (moved != 1)
        return moved;
    int over = c->want->skip_superseded && v->superseded ? is_over(c, v->seq, e) : 0;
    if (over)
        return over < 0 ? -1 : maildir_done(d, c->endpoint, name, c->now_ms, e) < 0 ? -1 : ENDED;
    struct store_event now = *v;
    struct store_lease lease = {.seq = v->seq, .until_ms = c->until_ms, .attempts = name->attempts};
    snprintf(lease.endpoint, sizeof lease.endpoint, "%s", c->endpoint);
    snprintf(lease.key, sizeof lease.key, "%s", name->text);
    now.state = 0;
    now.attempts = name->attempts;
    now.due_ms = c->until_ms;
    c->given++;
    c->each(c->ctx, &lease, &now);
    return 1;
}

struct look {
    struct claim *claim;
    bool leased; /* look for resources that are claimed, only */
    int result;
    struct err *e;
};

static void claim_one_file(void *ctx, const struct store_event *v)
{
    struct look *l = ctx;
    struct claim *c = l->claim;
    char key[600];
    if (v->created_ms != c->at->name.created_ms || !span_equal(v->endpoint, span_of(c->endpoint)))
        return; /* a file of a database that was moved away: not this event */
    resource_key(v, key, sizeof key);
    bool leased = c->at->name.claimed && c->at->name.until_ms > c->now_ms;
    if (l->leased) {
        if (*key && c->want->ordered)
            hold(c, key);
        return;
    }
    if (leased || !is_wanted(c, v->type) || (*key && c->want->ordered && is_held(c, key)))
        return;
    l->result = c->at->name.until_ms <= c->now_ms ? take_file(c, v, l->e) : 0;
    if (*key && c->want->ordered && l->result != ENDED)
        hold(c, key);
}

/* Twice over the names: what is claimed holds its resource; then each in its turn. */
static int claim_files(struct claim *c, struct sqlite_names *all, int n, struct err *e)
{
    struct look l = {.claim = c, .e = e};
    for (int pass = c->want->ordered ? 0 : 1; pass < 2; pass++) {
        l.leased = pass == 0;
        for (size_t i = 0; i < all->n && c->given < n; i++) {
            const struct maildir_name *name = &all->list[i].name;
            if (l.leased && !(name->claimed && name->until_ms > c->now_ms))
                continue;
            c->at = &all->list[i];
            sqlite3_stmt *q = sqlite_by_seq(c->s, name->seq, e);
            if (!q || sqlite_each(c->s, q, claim_one_file, &l, e) < 0 || l.result < 0)
                return -1;
            if (c->out_of_memory)
                return err_set(e, ERR_MEMORY, "claiming events: out of memory");
        }
    }
    return c->given;
}

static int claim_locked(struct claim *c, int n, struct err *e)
{
    struct sqlite_names all = {0};
    int given = sqlite_files_names(c->s, c->endpoint, false, &all, e);
    if (given == 0 && all.n) /* no work whose end cannot be told */
        given = maildir_ready_done(c->s->files, c->endpoint, c->now_ms, e) == 0 ? claim_files(c, &all, n, e) : -1;
    for (size_t i = 0; i < c->n_held; i++)
        free(c->held[i].key);
    free(c->held);
    free(c->files.list);
    free(all.list);
    return given;
}

/* Among workers that keep an order: a name that moves within cur/ while they read it might be missed. */
int sqlite_files_lock(struct db *s, const char *endpoint, struct lock *lock, struct err *e)
{
    if (maildir_lock(s->files, endpoint, lock, e) == 0 && lock_take(lock, s->wait_ms, e) >= 0)
        return 0;
    lock_close(lock);
    return -1;
}

int sqlite_files_claim(struct db *s, const struct store_want *w, int n, int64_t now_ms, store_claimed *each,
                       void *ctx, struct err *e)
{
    static unsigned count;
    struct claim c = {.s = s, .want = w, .now_ms = now_ms, .each = each, .ctx = ctx};
    struct lock lock = {.fd = -1};
    int64_t id;
    if (sqlite_endpoint(s, w->endpoint, &id, c.endpoint, e) != 0 ||
        maildir_read_setting(s->files, &c.setting, e) != 0)
        return -1;
    c.until_ms = now_ms + (w->lease_ms ? w->lease_ms : c.setting.lease_ms);
    snprintf(c.owner, sizeof c.owner, "%s-%u", w->owner, ++count);
    if (w->ordered && sqlite_files_lock(s, c.endpoint, &lock, e) != 0)
        return -1;
    int given = sqlite_types(w, &c.types, e) == 0 ? claim_locked(&c, n, e) : -1;
    free(c.types);
    lock_close(&lock);
    return given;
}

static int nack(struct db *s, const struct store_lease *lease, struct maildir_name *name, const char *why,
                int64_t delay_ms, int64_t now_ms, struct err *e)
{
    struct maildir_setting setting;
    if (maildir_read_setting(s->files, &setting, e) != 0)
        return -1;
    if (name->attempts < setting.max_attempts)
        return maildir_later(s->files, lease->endpoint, name, name->attempts,
                             now_ms + (delay_ms >= 0 ? delay_ms : sqlite_backoff(&setting, name->attempts)), e);
    int moved = maildir_dead(s->files, lease->endpoint, name, why, e);
    name->until_ms = INT64_MAX;
    return moved;
}

static int extend(struct db *s, const struct store_lease *lease, struct maildir_name *name, int64_t ms,
                  int64_t now_ms, struct err *e)
{
    struct maildir_setting setting;
    if (maildir_read_setting(s->files, &setting, e) != 0)
        return -1;
    return maildir_extend(s->files, lease->endpoint, name, now_ms + (ms > 0 ? ms : setting.lease_ms), e);
}

int sqlite_files_settle(struct db *s, struct store_lease *lease, enum store_verb verb, const char *why, int64_t ms,
                        int64_t now_ms, struct err *e)
{
    struct maildir_name name;
    struct lock lock;
    int moved = -1;
    if (!maildir_parse(lease->key, &name))
        return err_set(e, ERR_USAGE, "%s is no claim", lease->key);
    if (sqlite_files_lock(s, lease->endpoint, &lock, e) != 0)
        return -1;
    switch (verb) {
    case STORE_ACK: moved = maildir_done(s->files, lease->endpoint, &name, now_ms, e); break;
    case STORE_NACK: moved = nack(s, lease, &name, why, ms, now_ms, e); break;
    case STORE_EXTEND: moved = extend(s, lease, &name, ms, now_ms, e); break;
    case STORE_RELEASE:
        moved = maildir_later(s->files, lease->endpoint, &name, name.attempts - 1, now_ms + (ms > 0 ? ms : 0), e);
        break;
    }
    lock_close(&lock);
    if (moved == 1) {
        lease->until_ms = name.until_ms;
        snprintf(lease->key, sizeof lease->key, "%s", name.text);
    }
    return moved;
}
