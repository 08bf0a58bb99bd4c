/* SPDX-License-Identifier: MIT
 * store: the interface over the backends. */
#include "backend.h"
#include "store/sqlite/sqlite.h"

#include <stdlib.h>

void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

static const struct outcome {
    const char *word;
    bool recorded;
} outcomes[STORE_OUTCOMES] = {
    [STORE_UNSET] = {"unset", false},
    [STORE_NEW] = {"stored", true},
    [STORE_IGNORED] = {"ignored", true},
    [STORE_DUPLICATE] = {"duplicate", true},
    [STORE_QUARANTINED] = {"quarantined", true},
    [STORE_REFUSED] = {"refused", false},
};

bool store_is_recorded(enum store_outcome outcome) { return outcomes[outcome].recorded; }
const char *store_outcome_word(enum store_outcome outcome) { return outcomes[outcome].word; }

int store_record(struct store *s, struct record *const batch[], size_t n, int64_t now_ms, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        batch[i]->outcome = STORE_UNSET;
    if (s->ops->record(s, batch, n, now_ms, e) == 0)
        return 0;
    for (size_t i = 0; i < n; i++) /* what was written of it is gone again */
        batch[i]->outcome = STORE_UNSET;
    return -1;
}

int store_hold(struct store *s, int wait_ms, struct err *e) { return s->ops->hold(s, wait_ms, e); }
void store_unhold(struct store *s) { s->ops->unhold(s); }
int store_try(struct store *s, int wait_ms, struct err *e) { return s->ops->try(s, wait_ms, e); }
int store_ready(struct store *s, struct err *e) { return s->ops->ready(s, e); }

int store_read(struct store *s, struct store_query *q, store_each *each, void *ctx, struct err *e)
{
    return s->ops->read(s, q, each, ctx, e);
}

int64_t store_select(struct store *s, enum store_set set, const struct store_query *q, int64_t **seqs, struct err *e)
{
    *seqs = NULL;
    return s->ops->select(s, set, q, seqs, e);
}

int store_find(struct store *s, struct span key, store_each *each, void *ctx, struct err *e)
{
    return s->ops->find(s, key, each, ctx, e);
}

int store_relate(struct store *s, int64_t seq, struct store_related *related, struct err *e)
{
    return s->ops->relate(s, seq, related, e);
}

int store_read_facts(struct store *s, int64_t now_ms, struct store_facts *facts, struct err *e)
{
    return s->ops->read_facts(s, now_ms, facts, e);
}

int store_counts(struct store *s, int64_t since_ms, store_each_count *each, void *ctx, struct err *e)
{
    return s->ops->counts(s, since_ms, each, ctx, e);
}

int store_totals(struct store *s, int64_t until_ms, store_each_count *each, void *ctx, struct err *e)
{
    return s->ops->totals(s, until_ms, each, ctx, e);
}

int store_ignored(struct store *s, int64_t since_ms, store_each_count *each, void *ctx, struct err *e)
{
    return s->ops->ignored(s, since_ms, each, ctx, e);
}

int store_tally(struct store *s, const struct store_query *f, bool whole, store_each_tally *each, void *ctx,
                struct err *e)
{
    return s->ops->tally(s, f, whole, each, ctx, e);
}

int store_newest(struct store *s, int64_t *seq, struct err *e) { return s->ops->newest(s, seq, e); }

int store_claim(struct store *s, const struct store_want *w, int n, int64_t now_ms, store_claimed *each, void *ctx,
                struct err *e)
{
    return s->ops->claim(s, w, n, now_ms, each, ctx, e);
}

int store_settle(struct store *s, struct store_lease *lease, enum store_verb verb, const char *why, int64_t ms,
                 int64_t now_ms, struct err *e)
{
    return s->ops->settle(s, lease, verb, why, ms, now_ms, e);
}

int64_t store_change(struct store *s, enum store_change what, const int64_t *seqs, int64_t n,
                     const struct store_actor *by, int64_t now_ms, store_each_changed *each, void *ctx, struct err *e)
{
    return s->ops->change(s, what, seqs, n, by, now_ms, each, ctx, e);
}

int store_list_quarantine(struct store *s, int64_t id, const char *endpoint, store_each_quarantined *each, void *ctx,
                          struct err *e)
{
    return s->ops->list_quarantine(s, id, endpoint, each, ctx, e);
}

int store_accept(struct store *s, int64_t id, struct record *r, const struct store_actor *by, int64_t now_ms,
                 int64_t *seq, struct err *e)
{
    return s->ops->accept(s, id, r, by, now_ms, seq, e);
}

int store_drop(struct store *s, int64_t id, const struct store_actor *by, int64_t now_ms, struct err *e)
{
    return s->ops->drop(s, id, by, now_ms, e);
}

int store_history(struct store *s, int64_t seq, int64_t since_ms, int64_t before_ms, int64_t limit,
                  store_each_past *each, void *ctx, struct err *e)
{
    return s->ops->history(s, seq, since_ms, before_ms, limit, each, ctx, e);
}

int64_t store_erase(struct store *s, enum store_erase how, const int64_t *seqs, int64_t n,
                    const struct store_actor *by, int64_t now_ms, store_each_changed *each, void *ctx, struct err *e)
{
    return s->ops->erase(s, how, seqs, n, by, now_ms, each, ctx, e);
}

int64_t store_erase_quarantined(struct store *s, const int64_t *ids, int64_t n, const struct store_actor *by,
                                int64_t now_ms, struct err *e)
{
    return s->ops->erase_quarantined(s, ids, n, by, now_ms, e);
}

int store_know(struct store *s, const struct store_object *o, enum store_known *known, struct err *e)
{
    return s->ops->know(s, o, known, e);
}

int store_emptied(struct store *s, struct store_emptied *emptied, struct err *e)
{
    return s->ops->emptied(s, emptied, e);
}

int store_forget(struct store *s, const char *endpoint, const char *id, const struct store_actor *by, int64_t now_ms,
                 struct err *e)
{
    return s->ops->forget(s, endpoint, id, by, now_ms, e);
}

int store_add_history(struct store *s, const char *action, int64_t n, const char *detail,
                      const struct store_actor *by, int64_t now_ms, struct err *e)
{
    return s->ops->add_history(s, action, n, detail, by, now_ms, e);
}

int store_walk_quarantine(struct store *s, int64_t *after, int64_t erased_ms, store_each_quarantined *each, void *ctx,
                          struct err *e)
{
    return s->ops->walk_quarantine(s, after, erased_ms, each, ctx, e);
}

/* ---- opening ---- */

/* A backend, by the scheme of its URLs. */
static const struct scheme {
    const char *name;
    int (*open)(struct store **s, const char *path, const struct store_options *o, struct err *e);
    /* of a store in a file; NULL: it is on a server */
    int (*probe)(const char *path, const struct store_options *o, struct err *e);
    int (*restore)(const char *path, const struct store_options *o, const char *file, const struct store_restore *how,
                   struct store_restored *r, struct err *e);
} schemes[] = {
    {"sqlite:", sqlite_open, sqlite_probe, sqlite_restore}, /* the first one is that of a plain path, too */
#ifdef STORE_SCHEME_OF_TESTS
    STORE_SCHEME_OF_TESTS, /* of tests/store/conformance, which compiles this file by itself; no product defines it */
#endif
};

/* *path: what stands after the scheme. NULL and *e for one that is not known. */
static const struct scheme *find_scheme(const char *url, const char **path, struct err *e)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i].name);
        *path = url + len;
        if (strncmp(url, schemes[i].name, len) == 0)
            return &schemes[i];
    }
    *path = url;
    if (!strstr(url, "://"))
        return &schemes[0];
    err_set(e, ERR_CONFIG, "database = \"%s\": this version knows SQLite only; name a file", url);
    return NULL;
}

int store_open(struct store **s, const struct store_options *o, struct err *e)
{
    const char *path;
    *s = NULL;
    const struct scheme *scheme = find_scheme(o->url, &path, e);
    return scheme ? scheme->open(s, path, o, e) : -1;
}

static int probe_server(const struct store_options *o, struct err *e)
{
    struct store *s;
    struct store_options as_it_is = *o;
    as_it_is.create = false;
    if (store_open(&s, &as_it_is, e) != 0)
        return -1;
    int failed = store_ready(s, e);
    store_close(s);
    return failed;
}

int store_probe(const struct store_options *o, struct err *e)
{
    const char *path;
    const struct scheme *scheme = find_scheme(o->url, &path, e);
    return !scheme ? -1 : scheme->probe ? scheme->probe(path, o, e) : probe_server(o, e);
}

/* ---- a store in a file ---- */

const char *const store_files[] = {"", "-wal", "-shm", "-journal", NULL};

bool store_is_file(const struct store *s) { return s->file; }
bool store_in_place(struct store *s) { return !s->file || s->file->in_place(s); }
int store_leave(struct store *s, struct err *e) { return s->file ? s->file->leave(s, e) : 0; }
int store_flush(struct store *s, struct err *e) { return s->file ? s->file->flush(s, e) : 0; }
int store_scrub(struct store *s, int64_t *at, struct err *e) { return s->file ? s->file->scrub(s, at, e) : 0; }

int64_t store_prune_files(struct store *s, int64_t before_ms, struct err *e)
{
    return s->file ? s->file->prune_files(s, before_ms, e) : 0;
}

static int is_no_file(struct err *e)
{
    return err_set(e, ERR_USAGE, "the database is on a server: copy it and put it back by the server's own tools");
}

int store_backup(struct store *s, const char *path, const struct store_teller *t, int64_t now_ms,
                 struct store_backup *made, struct err *e)
{
    return s->file ? s->file->backup(s, path, t, now_ms, made, e) : is_no_file(e);
}

int64_t store_compare(struct store *s, int64_t *seqs, int64_t n, store_each_name *each, void *ctx, struct err *e)
{
    return s->file ? s->file->compare(s, seqs, n, each, ctx, e) : is_no_file(e);
}

int store_check_files(struct store *s, store_each_file *each, void *ctx, struct err *e)
{
    return s->file ? s->file->check_files(s, each, ctx, e) : is_no_file(e);
}

static const char *const altered_words[STORE_ALTERATIONS] = {
    [STORE_ALTERED_TEXT] = "is not as a release made it",
    [STORE_ALTERED_KIND] = "stands in the place of something else",
    [STORE_ALTERED_TRIGGER] = "acts on our tables, and no release made it",
    [STORE_ALTERED_INDEX] = "computes or forbids something on our tables, and no release made it",
    [STORE_ALTERED_ROW] = "is something else than its name says",
};

const char *store_altered_words(enum store_altered what) { return altered_words[what]; }

int64_t store_altered(struct store *s, store_each_alteration *each, void *ctx, struct err *e)
{
    return s->file ? s->file->altered(s, each, ctx, e) : 0;
}

int store_restore(const struct store_options *o, const char *file, const struct store_restore *how,
                  struct store_restored *r, struct err *e)
{
    *r = (struct store_restored){.floor = 0};
    const char *path;
    const struct scheme *scheme = find_scheme(o->url, &path, e);
    return !scheme ? -1 : scheme->restore ? scheme->restore(path, o, file, how, r, e) : is_no_file(e);
}

void store_restored_release(struct store_restored *r)
{
    seqs_release(&r->waiting);
    seqs_release(&r->dead);
}

int store_audit(struct store *s, int64_t *from, store_each_row *each, void *ctx, struct err *e)
{
    return s->ops->audit(s, from, each, ctx, e);
}

int store_odd_rows(struct store *s, struct store_odd *odd, struct err *e) { return s->ops->odd_rows(s, odd, e); }

int store_missing(struct store *s, store_each_step *each, void *ctx, struct err *e)
{
    return s->ops->missing(s, each, ctx, e);
}

int store_migrate(struct store *s, const struct store_actor *by, int64_t now_ms, struct store_step *step,
                  struct err *e)
{
    return s->ops->migrate(s, by, now_ms, step, e);
}
