/* SPDX-License-Identifier: MIT
 * inbox_files: the directory form beside the log of events: the log knows what an event is, the files where it
 * stands. */
#include "inbox_files.h"

#include <stdio.h>
#include <stdlib.h>

int sqlite_files_is_logged(void *ctx, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    struct db *s = ctx;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_LOGGED, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, name->seq);
    sqlite3_bind_int64(q, 2, name->created_ms);
    sqlite3_bind_text(q, 3, endpoint, -1, SQLITE_STATIC);
    int found = sqlite3_step(q) == SQLITE_ROW;
    return sqlite3_reset(q) == SQLITE_OK ? found : sqlite_error(s, "looking for an event", e);
}

void sqlite_inbox_sweep(struct db *s)
{
    if (s->files)
        maildir_sweep(s->files, sqlite_files_is_logged, s);
}

/* ---- lists of names ---- */

static int add_name(void *ctx, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    struct sqlite_names *all = ctx;
    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 64;
        struct sqlite_named *list = realloc(all->list, cap * sizeof *list);
        if (!list)
            return err_set(e, ERR_MEMORY, "reading the inbox: out of memory");
        all->list = list;
        all->cap = cap;
    }
    struct sqlite_named *n = &all->list[all->n++];
    n->name = *name;
    n->state = all->state;
    snprintf(n->endpoint, sizeof n->endpoint, "%s", endpoint);
    return 0;
}

static int by_age(const void *a, const void *b)
{
    const struct maildir_name *x = &((const struct sqlite_named *)a)->name,
                              *y = &((const struct sqlite_named *)b)->name;
    int64_t d = x->created_ms != y->created_ms ? x->created_ms - y->created_ms : x->seq - y->seq;
    return (d > 0) - (d < 0);
}

static int by_seq(const void *a, const void *b)
{
    int64_t d = ((const struct sqlite_named *)a)->name.seq - ((const struct sqlite_named *)b)->name.seq;
    return (d > 0) - (d < 0);
}

int sqlite_files_names(struct db *s, const char *endpoint, bool dead, struct sqlite_names *all, struct err *e)
{
    static const char *const folders[] = {"new", "cur", "dead", "tmp"}; /* tmp: on its way */
    for (int i = 0; s->files && i < (dead ? 4 : 2); i++) {
        all->state = i == 2 ? 2 : 0;
        if (maildir_list(s->files, endpoint, folders[i], add_name, all, e) != 0)
            return -1;
    }
    if (all->n)
        qsort(all->list, all->n, sizeof *all->list, dead ? by_seq : by_age);
    return 0;
}

const struct sqlite_named *sqlite_files_find(const struct sqlite_names *names, struct span endpoint,
                                             int64_t created_ms, int64_t seq)
{
    size_t low = 0, high = names->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->list[middle].name.seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < names->n && names->list[low].name.seq == seq; low++)
        if (names->list[low].name.created_ms == created_ms &&
            span_equal(endpoint, span_of(names->list[low].endpoint)))
            return &names->list[low];
    return NULL;
}

int sqlite_files_floor(struct db *s, struct err *e)
{
    struct sqlite_names all = {0};
    int64_t last = 0;
    int failed =
        sqlite_last(s, &last, e) != 0 || (last == 0 && (maildir_list_done(s->files, 0, add_name, &all, e) != 0 ||
                                                        sqlite_files_names(s, NULL, true, &all, e) != 0));
    if (all.n && all.list[all.n - 1].name.seq > s->floor)
        s->floor = all.list[all.n - 1].name.seq;
    free(all.list);
    return failed ? -1 : 0;
}

/* ---- for the person ---- */

void sqlite_files_tell(const struct sqlite_named *found, struct store_event *v)
{
    const char *owner = found && found->name.claimed ? strstr(found->name.text, ",w=") : NULL;
    v->state = found ? found->state : STORE_STATE_DONE;
    v->attempts = found ? found->name.attempts : 0;
    v->due_ms = found && found->name.until_ms ? found->name.until_ms : v->received_ms;
    v->claimed = owner && v->state == STORE_STATE_WAITING;
    v->owner = owner ? span_of(owner + 3) : (struct span){0};
}

/* The event's name among those sorted by seq tells its state; without one it is done. Ignored ones are in the table. */
static void fill_in(const struct sqlite_names *all, struct store_event *v)
{
    const struct sqlite_named *found = sqlite_files_find(all, v->endpoint, v->created_ms, v->seq);
    if (v->state >= 0)
        return;
    sqlite_files_tell(found, v);
}

int sqlite_files_state(struct db *s, struct store_event *v, char why[SQLITE_WHY], struct err *e)
{
    struct sqlite_names all = {0};
    struct maildir_name name;
    char endpoint[64];
    if (!s->files)
        return 0;
    int failed = sqlite_files_names(s, NULL, true, &all, e);
    if (!failed)
        fill_in(&all, v);
    v->owner = (struct span){0}; /* it is in the list */
    free(all.list);
    if (failed || v->state != STORE_STATE_DEAD || v->error.at)
        return failed;
    maildir_name(v->created_ms, v->seq, &name);
    snprintf(endpoint, sizeof endpoint, "%.*s", (int)v->endpoint.len, v->endpoint.at);
    maildir_why_dead(s->files, endpoint, &name, why, SQLITE_WHY);
    if (*why)
        v->error = span_of(why);
    return 0;
}

struct listing {
    const struct store_query *filter;
    const struct sqlite_names *all;
    store_each *each;
    void *ctx;
    int64_t left;
};

static bool is_any_or(const char *asked, struct span text) { return !asked || span_equal(text, span_of(asked)); }

static bool is_asked_for(const struct store_query *f, const struct store_event *v)
{
    return (f->state < 0 || v->state == f->state) && is_any_or(f->endpoint, v->endpoint) &&
           is_any_or(f->type, v->type) && is_any_or(f->resource_id, v->resource_id) &&
           is_any_or(f->client_id, v->client_id) && is_any_or(f->secret, v->secret) && (!f->to || v->seq <= f->to) &&
           v->received_ms >= f->since_ms && (!f->before_ms || v->received_ms < f->before_ms);
}

static void list_one_event(void *ctx, const struct store_event *found)
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
static int list_all(struct db *s, struct listing *l, struct err *e)
{
    bool by_file = l->filter->state == STORE_STATE_WAITING || l->filter->state == STORE_STATE_DEAD;
    for (size_t i = l->all->n; by_file && i-- > 0 && l->left;) {
        sqlite3_stmt *q =
            l->all->list[i].state == l->filter->state ? sqlite_by_seq(s, l->all->list[i].name.seq, e) : NULL;
        if (q && sqlite_each(s, q, list_one_event, l, e) < 0)
            return -1;
    }
    if (by_file)
        return 0;
    if (l->filter->state < 0)
        return sqlite_newest(s, l->filter, -1, l->left, list_one_event, l, e) < 0 ? -1 : 0;
    sqlite3_stmt *q = sqlite_filtered(s, l->filter, -1, -1, e);
    if (!q)
        return -1;
    int rc = SQLITE_DONE;
    while (l->left && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_event v;
        sqlite_event(q, &v);
        list_one_event(l, &v);
    }
    int failed = rc != SQLITE_DONE && rc != SQLITE_ROW ? sqlite_error(s, "reading events", e) : 0;
    sqlite3_reset(q);
    return failed;
}

int sqlite_files_list(struct db *s, const struct store_query *f, store_each *each, void *ctx, struct err *e)
{
    struct sqlite_names all = {0};
    struct listing l = {f, &all, each, ctx, f->limit};
    int failed = sqlite_files_names(s, NULL, true, &all, e) != 0 || list_all(s, &l, e) != 0;
    free(all.list);
    return failed ? -1 : 0;
}

static int received_ms(struct db *s, int64_t seq, int64_t *ms, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_RECEIVED, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    *ms = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "looking for an event", e);
}

int sqlite_files_facts(struct db *s, int64_t now_ms, struct store_facts *facts, struct err *e)
{
    struct sqlite_names all = {0};
    if (!s->files)
        return 0;
    int failed = sqlite_files_names(s, NULL, true, &all, e);
    facts->stranded = facts->waiting; /* so far those of the table, on which nobody works here */
    facts->waiting = facts->leased = facts->delayed = facts->oldest_ms = facts->dead_bytes = 0;
    for (size_t i = 0; !failed && i < all.n; i++) {
        const struct maildir_name *name = &all.list[i].name;
        int logged = sqlite_files_is_logged(s, all.list[i].endpoint, name, e);
        bool dead = all.list[i].state == STORE_STATE_DEAD;
        failed = logged < 0 ? -1 : 0;
        *(dead ? &facts->dead : &facts->waiting) += 1;
        facts->ahead += !dead && name->until_ms > now_ms + STORE_AHEAD_MAX_MS;
        facts->dead_bytes += dead ? maildir_dead_size(s->files, all.list[i].endpoint, name) : 0;
        if (!dead && name->until_ms > now_ms)
            *(name->claimed ? &facts->leased : &facts->delayed) += 1;
        if (!dead && logged > 0 && !facts->oldest_ms) /* sorted by number */
            failed = received_ms(s, name->seq, &facts->oldest_ms, e);
        facts->orphaned += !logged;
    }
    free(all.list);
    return failed;
}

/* ---- opening ---- */

static int stop_at_one(void *ctx, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    (void)ctx, (void)endpoint, (void)name, (void)e;
    return -1;
}

/* Every endpoint there ever was may have files. */
static int know_endpoints(struct db *s, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_ENDPOINTS, e);
    while (q && sqlite3_step(q) == SQLITE_ROW)
        maildir_know(s->files, sqlite_string(q, 1));
    return !q ? -1 : sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading the endpoints", e);
}

int sqlite_inbox_open(struct db *s, const struct store_options *o, struct err *e)
{
    struct maildir_setting first;
    if (!o->directory)
        return 0;
    if (snprintf(s->maildir_path, sizeof s->maildir_path, "%s", o->directory) >= (int)sizeof s->maildir_path)
        return err_set(e, ERR_CONFIG, "the path of directory = is too long");
    if (sqlite_setting(s, &first, e) != 0 ||
        maildir_open(&s->files, s->maildir_path, o->group, o->create, &first, e) != 0 || know_endpoints(s, e) != 0)
        return -1;
    for (size_t i = 0; o->create && i < o->n_endpoints; i++)
        if (maildir_make(s->files, o->endpoints[i], e) != 0)
            return -1;
    if (sqlite_files_floor(s, e) != 0)
        return -1;
    if (o->read_only || maildir_list(s->files, NULL, "tmp", stop_at_one, NULL, NULL) == 0)
        return 0;
    if (lock_take(&s->lock, 1, NULL) < 0) /* another process is at work, which has looked already */
        return 0;
    sqlite_inbox_sweep(s); /* left by a crash; what cannot be shown now may be later */
    lock_release(&s->lock);
    return 0;
}
