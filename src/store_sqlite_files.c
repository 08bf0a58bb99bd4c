/* SPDX-License-Identifier: MIT
 * store_sqlite_files: the directory form beside the log of events: the log knows what an event is, the files where it
 * stands. */
#include "store_sqlite_impl.h"

#include <stdio.h>
#include <stdlib.h>

static int is_logged(void *ctx, const char *endpoint, const struct directory_name *name, struct err *e)
{
    struct store *s = ctx;
    sqlite3_stmt *q = store_sqlite_prepare(s, SQL_LOGGED, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, name->seq);
    sqlite3_bind_int64(q, 2, name->created_ms);
    sqlite3_bind_text(q, 3, endpoint, -1, SQLITE_STATIC);
    int found = sqlite3_step(q) == SQLITE_ROW;
    return sqlite3_reset(q) == SQLITE_OK ? found : store_sqlite_error(s, "looking for an event", e);
}

void store_sqlite_sweep(struct store *s) { directory_sweep(s->directory, is_logged, s); }

/* ---- lists of names ---- */

struct names {
    struct named {
        struct directory_name name;
        int state;
        char endpoint[64];
    } * list;
    size_t n, cap;
    int state; /* of what is being added */
};

static int add_name(void *ctx, const char *endpoint, const struct directory_name *name, struct err *e)
{
    struct names *all = ctx;
    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 64;
        struct named *list = realloc(all->list, cap * sizeof *list);
        if (!list)
            return err_set(e, ERR_MEMORY, "reading the inbox: out of memory");
        all->list = list;
        all->cap = cap;
    }
    struct named *n = &all->list[all->n++];
    n->name = *name;
    n->state = all->state;
    snprintf(n->endpoint, sizeof n->endpoint, "%s", endpoint);
    return 0;
}

static int by_age(const void *a, const void *b)
{
    const struct directory_name *x = &((const struct named *)a)->name, *y = &((const struct named *)b)->name;
    int64_t d = x->created_ms != y->created_ms ? x->created_ms - y->created_ms : x->seq - y->seq;
    return (d > 0) - (d < 0);
}

static int by_seq(const void *a, const void *b)
{
    int64_t d = ((const struct named *)a)->name.seq - ((const struct named *)b)->name.seq;
    return (d > 0) - (d < 0);
}

static int read_names(struct store *s, const char *endpoint, bool dead, struct names *all, struct err *e)
{
    static const char *const folders[] = {"new", "cur", "dead", "tmp"}; /* tmp: on its way */
    for (int i = 0; i < (dead ? 4 : 2); i++) {
        all->state = i == 2 ? 2 : 0;
        if (directory_list(s->directory, endpoint, folders[i], add_name, all, e) != 0)
            return -1;
    }
    if (all->n)
        qsort(all->list, all->n, sizeof *all->list, dead ? by_seq : by_age);
    return 0;
}

int store_sqlite_files_floor(struct store *s, struct err *e)
{
    struct names all = {0};
    int64_t last = store_sqlite_last(s, e);
    int failed = last < 0 || (last == 0 && read_names(s, NULL, true, &all, e) != 0);
    s->floor = all.n ? all.list[all.n - 1].name.seq : 0;
    free(all.list);
    return failed ? -1 : 0;
}

/* ---- for the person ---- */

/* The event's name among those sorted by seq tells its state; without one it is done. Ignored ones are in the table. */
static void fill_in(const struct names *all, struct store_event *v)
{
    struct named key = {.name = {.seq = v->seq}};
    const struct named *found = all->n ? bsearch(&key, all->list, all->n, sizeof key, by_seq) : NULL;
    if (v->state >= 0)
        return;
    v->state = found ? found->state : 1;
    v->attempts = found ? found->name.attempts : 0;
    v->due_ms = found && found->name.until_ms ? found->name.until_ms : v->received_ms;
}

int store_sqlite_files_state(struct store *s, struct store_event *v, struct err *e)
{
    static char why[400]; /* until the next one is shown */
    struct names all = {0};
    struct directory_name name = {.created_ms = v->created_ms, .seq = v->seq};
    char endpoint[64];
    int failed = read_names(s, NULL, true, &all, e);
    if (!failed)
        fill_in(&all, v);
    free(all.list);
    if (failed || v->state != 2 || v->error.at)
        return failed;
    snprintf(name.text, sizeof name.text, "%013lld.%012lld.json", (long long)v->created_ms, (long long)v->seq);
    snprintf(endpoint, sizeof endpoint, "%.*s", (int)v->endpoint.len, v->endpoint.at);
    directory_why(s->directory, endpoint, &name, why, sizeof why);
    if (*why)
        v->error = span_of(why);
    return 0;
}

struct listing {
    const struct store_filter *filter;
    const struct names *all;
    store_each *each;
    void *ctx;
    int64_t left;
};

static bool is_any_or(const char *asked, struct span text) { return !asked || span_equal(text, span_of(asked)); }

static bool is_asked_for(const struct store_filter *f, const struct store_event *v)
{
    return (f->state < 0 || v->state == f->state) && is_any_or(f->endpoint, v->endpoint) &&
           is_any_or(f->type, v->type) && is_any_or(f->resource_id, v->resource_id) &&
           is_any_or(f->client_id, v->client_id) && v->received_ms >= f->since_ms &&
           (!f->before_ms || v->received_ms < f->before_ms);
}

static void list_one(void *ctx, const struct store_event *found)
{
    struct listing *l = ctx;
    struct store_event v = *found;
    fill_in(l->all, &v);
    if (l->left == 0 || !is_asked_for(l->filter, &v))
        return;
    l->left--;
    l->each(l->ctx, &v);
}

/* What waits or is dead is found by its file; all else by the log, newest first. */
static int list_all(struct store *s, struct listing *l, struct err *e)
{
    bool by_file = l->filter->state == 0 || l->filter->state == 2;
    for (size_t i = l->all->n; by_file && i-- > 0 && l->left;) {
        sqlite3_stmt *q =
            l->all->list[i].state == l->filter->state ? store_sqlite_by_seq(s, l->all->list[i].name.seq, e) : NULL;
        if (q && store_sqlite_each(s, q, list_one, l, e) < 0)
            return -1;
    }
    sqlite3_stmt *q =
        by_file ? NULL : store_sqlite_filtered(s, l->filter, -1, l->filter->state < 0 ? l->left : -1, e);
    if (!q)
        return by_file ? 0 : -1;
    int rc = SQLITE_DONE;
    while (l->left && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_event v;
        store_sqlite_event(q, &v);
        list_one(l, &v);
    }
    int failed = rc != SQLITE_DONE && rc != SQLITE_ROW ? store_sqlite_error(s, "reading events", e) : 0;
    sqlite3_reset(q);
    return failed;
}

int store_sqlite_files_list(struct store *s, const struct store_filter *f, store_each *each, void *ctx, struct err *e)
{
    struct names all = {0};
    struct listing l = {f, &all, each, ctx, f->limit};
    int failed = read_names(s, NULL, true, &all, e) != 0 || list_all(s, &l, e) != 0;
    free(all.list);
    return failed ? -1 : 0;
}

int store_sqlite_files_facts(struct store *s, struct store_facts *facts, struct err *e)
{
    struct names all = {0};
    if (read_names(s, NULL, true, &all, e) != 0) {
        free(all.list);
        return -1;
    }
    facts->stranded = facts->waiting;
    facts->waiting = 0;
    for (size_t i = 0; i < all.n; i++) {
        *(all.list[i].state == 2 ? &facts->dead : &facts->waiting) += 1;
        facts->orphaned += is_logged(s, all.list[i].endpoint, &all.list[i].name, NULL) == 0;
    }
    free(all.list);
    return 0;
}

/* ---- for workers ---- */

struct claim {
    struct store *s;
    const struct store_want *want;
    struct directory_setting setting;
    int64_t until_ms, now_ms;
    char *types, endpoint[64], owner[64];
    store_claimed *each;
    void *ctx;
    struct named *at; /* whose row is being read */
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

/* Is it superseded by one that is worked on? */
static int is_over(const struct claim *c, int64_t seq, struct err *e)
{
    sqlite3_stmt *q = store_sqlite_prepare(c->s, SQL_OVER, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    sqlite3_bind_text(q, 7, c->types, -1, SQLITE_STATIC);
    int over = sqlite3_step(q) == SQLITE_ROW && sqlite3_column_int(q, 0);
    return sqlite3_reset(q) == SQLITE_OK ? over : store_sqlite_error(c->s, "looking for a newer event", e);
}

enum { ENDED = 2 };

/* Claim the file of the event at hand: 1; or bury it or be done with it: ENDED; 0 when another was first. */
static int take(struct claim *c, const struct store_event *v, struct err *e)
{
    const struct directory *d = c->s->directory;
    struct directory_name *name = &c->at->name;
    if (name->attempts >= c->setting.max_attempts)
        return directory_dead(d, c->endpoint, name, "its last claim was never settled", e) < 0 ? -1 : ENDED;
    int moved = directory_claim(d, c->endpoint, name, c->until_ms, c->owner, e);
    if (moved != 1)
        return moved;
    int over = c->want->skip_superseded && v->superseded ? is_over(c, v->seq, e) : 0;
    if (over)
        return over < 0 ? -1 : directory_done(d, c->endpoint, name, c->now_ms, e) < 0 ? -1 : ENDED;
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

static void look_at(void *ctx, const struct store_event *v)
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
    l->result = c->at->name.until_ms <= c->now_ms ? take(c, v, l->e) : 0;
    if (*key && c->want->ordered && l->result != ENDED)
        hold(c, key);
}

/* Twice over the names: what is claimed holds its resource; then each in its turn. */
static int claim(struct claim *c, struct names *all, int n, struct err *e)
{
    struct look l = {.claim = c, .e = e};
    for (int pass = c->want->ordered ? 0 : 1; pass < 2; pass++) {
        l.leased = pass == 0;
        for (size_t i = 0; i < all->n && c->given < n; i++) {
            const struct directory_name *name = &all->list[i].name;
            if (l.leased && !(name->claimed && name->until_ms > c->now_ms))
                continue;
            c->at = &all->list[i];
            sqlite3_stmt *q = store_sqlite_by_seq(c->s, name->seq, e);
            if (!q || store_sqlite_each(c->s, q, look_at, &l, e) < 0 || l.result < 0)
                return -1;
            if (c->out_of_memory)
                return err_set(e, ERR_MEMORY, "claiming events: out of memory");
        }
    }
    return c->given;
}

static int claim_locked(struct claim *c, int n, struct err *e)
{
    struct names all = {0};
    int given = read_names(c->s, c->endpoint, false, &all, e);
    if (given == 0 && all.n) /* no work whose end cannot be told */
        given = directory_ready_done(c->s->directory, c->endpoint, c->now_ms, e) == 0 ? claim(c, &all, n, e) : -1;
    for (size_t i = 0; i < c->n_held; i++)
        free(c->held[i].key);
    free(c->held);
    free(all.list);
    return given;
}

/* Among workers that keep an order: a name that moves within cur/ while they read it might be missed. */
static int lock_names(struct store *s, const char *endpoint, struct store_lock *lock, struct err *e)
{
    char path[PATH_MAX];
    *lock = (struct store_lock){.fd = -1};
    if (directory_lock_path(s->directory, endpoint, path, sizeof path) != 0)
        return err_set(e, ERR_CONFIG, "the path of directory = is too long");
    if (store_lock_open(lock, path, directory_group(s->directory), e) == 0 &&
        store_lock_take(lock, s->wait_ms, e) >= 0)
        return 0;
    store_lock_close(lock);
    return -1;
}

int store_sqlite_files_claim(struct store *s, const struct store_want *w, int n, int64_t now_ms, store_claimed *each,
                             void *ctx, struct err *e)
{
    static unsigned count;
    struct claim c = {.s = s, .want = w, .now_ms = now_ms, .each = each, .ctx = ctx};
    struct store_lock lock = {.fd = -1};
    if (store_sqlite_endpoint(s, w->endpoint, c.endpoint, e) < 0 ||
        directory_read_setting(s->directory, &c.setting, e) != 0)
        return -1;
    c.until_ms = now_ms + (w->lease_ms ? w->lease_ms : c.setting.lease_ms);
    snprintf(c.owner, sizeof c.owner, "%s-%u", w->owner, ++count);
    if (w->ordered && lock_names(s, c.endpoint, &lock, e) != 0)
        return -1;
    int given = store_sqlite_types(w, &c.types, e) == 0 ? claim_locked(&c, n, e) : -1;
    free(c.types);
    store_lock_close(&lock);
    return given;
}

static int nack(struct store *s, const struct store_lease *lease, struct directory_name *name, const char *why,
                int64_t delay_ms, int64_t now_ms, struct err *e)
{
    struct directory_setting setting;
    if (directory_read_setting(s->directory, &setting, e) != 0)
        return -1;
    if (name->attempts < setting.max_attempts)
        return directory_later(s->directory, lease->endpoint, name, name->attempts,
                               now_ms + (delay_ms >= 0 ? delay_ms : store_sqlite_backoff(&setting, name->attempts)),
                               e);
    int moved = directory_dead(s->directory, lease->endpoint, name, why, e);
    name->until_ms = INT64_MAX;
    return moved;
}

static int extend(struct store *s, const struct store_lease *lease, struct directory_name *name, int64_t ms,
                  int64_t now_ms, struct err *e)
{
    struct directory_setting setting;
    if (directory_read_setting(s->directory, &setting, e) != 0)
        return -1;
    return directory_extend(s->directory, lease->endpoint, name, now_ms + (ms > 0 ? ms : setting.lease_ms), e);
}

int store_sqlite_files_settle(struct store *s, struct store_lease *lease, enum store_verb verb, const char *why,
                              int64_t ms, int64_t now_ms, struct err *e)
{
    struct directory_name name;
    struct store_lock lock;
    int moved = -1;
    if (!directory_parse(lease->key, &name))
        return err_set(e, ERR_USAGE, "%s is no claim", lease->key);
    if (lock_names(s, lease->endpoint, &lock, e) != 0)
        return -1;
    switch (verb) {
    case STORE_ACK: moved = directory_done(s->directory, lease->endpoint, &name, now_ms, e); break;
    case STORE_NACK: moved = nack(s, lease, &name, why, ms, now_ms, e); break;
    case STORE_EXTEND: moved = extend(s, lease, &name, ms, now_ms, e); break;
    case STORE_RELEASE:
        moved =
            directory_later(s->directory, lease->endpoint, &name, name.attempts - 1, now_ms + (ms > 0 ? ms : 0), e);
        break;
    }
    store_lock_close(&lock);
    if (moved == 1) {
        lease->until_ms = name.until_ms;
        snprintf(lease->key, sizeof lease->key, "%s", name.text);
    }
    return moved;
}
