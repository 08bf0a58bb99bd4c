/* SPDX-License-Identifier: MIT
 * inbox_files_work: workers of the directory form. */
#include "inbox_files.h"

#include <search.h>
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
    void *held; /* a tree of tsearch(3): the resources whose events must wait */
    bool out_of_memory;
};

/* Of the file at hand, by the log. */
struct about {
    char key[600]; /* tells the resources of an endpoint apart; "" for an event of none */
    bool wanted;   /* by its type */
};

static int by_key(const void *a, const void *b) { return strcmp(a, b); }

static bool is_held(const struct claim *c, const char *key) { return tfind(key, &c->held, by_key) != NULL; }

/* Events of none hold up nothing, nor does any if the order does not matter. */
static void hold(struct claim *c, const char *key)
{
    if (!*key || !c->want->ordered || is_held(c, key))
        return;
    char *copy = strdup(key);
    if (copy && tsearch(copy, &c->held, by_key))
        return;
    free(copy);
    c->out_of_memory = true;
}

static void release_held(struct claim *c)
{
    while (c->held) {
        char *key = *(char **)c->held;
        tdelete(key, &c->held, by_key);
        free(key);
    }
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
        over = !newer || newer->state != STORE_STATE_DEAD;
    }
    return sqlite3_reset(q) == SQLITE_OK ? over : sqlite_error(c->s, "looking for a newer event", e);
}

enum { ENDED = 2 };

/* Its attempts are used up: ENDED, or -1 and *e. */
static int bury(const struct claim *c, const struct maildir_name *name, struct err *e)
{
    char why[80], times[40] = "";
    if (name->attempts > 1)
        snprintf(times, sizeof times, ", %lld times", (long long)name->attempts);
    snprintf(why, sizeof why, STORE_LOST "%s", times);
    return maildir_dead(c->s->files, c->endpoint, name, why, e) < 0 ? -1 : ENDED;
}

/* Claim the file of the event at hand: 1; or bury it or be done with it: ENDED; 0 when another was first. */
static int claim_file(struct claim *c, const struct store_event *v, struct err *e)
{
    const struct maildir *d = c->s->files;
    struct maildir_name *name = &c->at->name;
    if (name->attempts >= c->setting.max_attempts)
        return bury(c, name, e);
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
    now.state = STORE_STATE_WAITING;
    now.attempts = name->attempts;
    now.due_ms = c->until_ms;
    c->given++;
    c->each(c->ctx, &lease, &now);
    return 1;
}

/* Read what the log says of the file at hand, but for what may be large: 1; 0: it is not this endpoint's event, but a file
 * of a database that was moved away. */
static int read_about(struct claim *c, struct about *a, struct err *e)
{
    const struct maildir_name *name = &c->at->name;
    sqlite3_stmt *q = sqlite_prepare(c->s, SQL_ABOUT, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, name->seq);
    int found = sqlite3_step(q) == SQLITE_ROW && sqlite3_column_int64(q, 0) == name->created_ms &&
                span_equal(sqlite_text(q, 1), span_of(c->endpoint));
    if (found) {
        struct span kind = sqlite_text(q, 3), id = sqlite_text(q, 4);
        a->wanted = is_wanted(c, sqlite_text(q, 2));
        a->key[0] = '\0';
        if (id.at)
            snprintf(a->key, sizeof a->key, "%.*s\n%.*s", (int)id.len, id.at, (int)kind.len, kind.at ? kind.at : "");
    }
    return sqlite3_reset(q) == SQLITE_OK ? found : sqlite_error(c->s, "reading events", e);
}

/* A time that lies further ahead than any lease or delay is of a clock that was wrong. */
static bool is_due(const struct claim *c, const struct maildir_name *name)
{
    return name->until_ms <= c->now_ms || name->until_ms > c->now_ms + STORE_AHEAD_MAX_MS;
}

static bool is_leased(const struct claim *c, const struct maildir_name *name)
{
    return name->claimed && !is_due(c, name);
}

struct claim_row {
    struct claim *claim;
    int result;
    struct err *e;
};

static void claim_row(void *ctx, const struct store_event *v)
{
    struct claim_row *t = ctx;
    t->result = claim_file(t->claim, v, t->e);
}

/* Claim the file at hand if it is due: as claim_file(). */
static int claim_if_due(struct claim *c, struct err *e)
{
    struct claim_row t = {.claim = c, .e = e};
    if (!is_due(c, &c->at->name))
        return 0;
    sqlite3_stmt *q = sqlite_by_seq(c->s, c->at->name.seq, e);
    return !q || sqlite_each(c->s, q, claim_row, &t, e) < 0 ? -1 : t.result;
}

/* What is claimed holds its resource. */
static int hold_leased(struct claim *c, struct sqlite_names *all, struct err *e)
{
    struct about about;
    for (size_t i = 0; i < all->n; i++) {
        c->at = &all->list[i];
        int found = is_leased(c, &c->at->name) ? read_about(c, &about, e) : 0;
        if (found < 0)
            return -1;
        if (found)
            hold(c, about.key);
    }
    return 0;
}

static int claim_files(struct claim *c, struct sqlite_names *all, int n, struct err *e)
{
    struct about about;
    if (c->want->ordered && hold_leased(c, all, e) != 0)
        return -1;
    for (size_t i = 0; i < all->n && c->given < n; i++) {
        c->at = &all->list[i];
        int found = is_leased(c, &c->at->name) ? 0 : read_about(c, &about, e);
        if (found > 0 && about.wanted && !is_held(c, about.key)) {
            found = claim_if_due(c, e);
            if (found != ENDED)
                hold(c, about.key);
        }
        if (found < 0)
            return -1;
        if (c->out_of_memory)
            return err_set(e, ERR_MEMORY, "claiming events: out of memory");
    }
    return c->given;
}

static int claim_locked(struct claim *c, int n, struct err *e)
{
    struct sqlite_names all = {0};
    int given = sqlite_files_names(c->s, c->endpoint, false, &all, e);
    if (given == 0 && all.n) /* no work whose end cannot be told */
        given = maildir_ready_done(c->s->files, c->endpoint, c->now_ms, e) == 0 ? claim_files(c, &all, n, e) : -1;
    release_held(c);
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
    c.until_ms = now_ms + sqlite_soon(w->lease_ms ? w->lease_ms : c.setting.lease_ms);
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
        return maildir_later(
            s->files, lease->endpoint, name, name->attempts,
            now_ms + (delay_ms >= 0 ? sqlite_soon(delay_ms) : sqlite_backoff(&setting, name->attempts)), e);
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
    return maildir_extend(s->files, lease->endpoint, name, now_ms + sqlite_soon(ms > 0 ? ms : setting.lease_ms), e);
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
        moved = maildir_later(s->files, lease->endpoint, &name, name.attempts - 1,
                              now_ms + (ms > 0 ? sqlite_soon(ms) : 0), e);
        break;
    }
    lock_close(&lock);
    if (moved == 1) {
        lease->until_ms = name.until_ms;
        snprintf(lease->key, sizeof lease->key, "%s", name.text);
    }
    return moved;
}
