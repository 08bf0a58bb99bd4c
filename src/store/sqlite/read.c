/* SPDX-License-Identifier: MIT
 * read: the reading half of the SQLite backend. */
#include "base/files.h"
#include "base/limits.h"
#include "copy.h"
#include "guard.h"
#include "inbox.h"
#include "sqlite.h"
#include "store/beside.h"

#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    RECENT = 20000, /* events; those before are read forwards */
    CLAIMED = 24    /* the column of STORE_SQL_EVENT after those of the log */
};

const char *sqlite_string(sqlite3_stmt *q, int column)
{
    const char *text = (const char *)sqlite3_column_text(q, column);
    return text ? text : "";
}

struct span sqlite_text(sqlite3_stmt *q, int column)
{
    int type = sqlite3_column_type(q, column);
    const char *at = type == SQLITE_BLOB ? sqlite3_column_blob(q, column) : sqlite_string(q, column);
    return type == SQLITE_NULL ? (struct span){0}
                               : (struct span){at ? at : "", (size_t)sqlite3_column_bytes(q, column)};
}

void sqlite_log_row(sqlite3_stmt *q, struct store_event *v)
{
    int64_t *const numbers[] = {&v->seq, &v->created_ms, &v->received_ms, &v->due_ms, &v->done_ms, &v->attempts};
    struct span *const texts[] = {&v->endpoint,    &v->id,        &v->type,      &v->resource_type,
                                  &v->resource_id, &v->client_id, &v->status,    &v->outcome,
                                  &v->source,      &v->secret,    &v->signature, &v->created_at,
                                  &v->owner,       &v->error,     &v->payload,   &v->body};
    int column = 0;
    v->erased_ms = 0;
    v->claimed = false;
    v->payload_sha256 = (struct span){0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = sqlite3_column_int64(q, column++);
    v->state = sqlite_state_at(q, column++);
    v->superseded = sqlite3_column_int(q, column++) != 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = sqlite_text(q, column++);
}

void sqlite_event(sqlite3_stmt *q, struct store_event *v)
{
    sqlite_log_row(q, v);
    v->claimed = v->state == STORE_STATE_WAITING && sqlite3_column_int(q, CLAIMED) != 0;
}

int64_t sqlite_each(struct db *s, sqlite3_stmt *q, store_each *each, void *ctx, struct err *e)
{
    int64_t rows = 0;
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_event event;
        sqlite_event(q, &event);
        each(ctx, &event);
        rows++;
    }
    if (rc != SQLITE_DONE)
        rows = sqlite_error(s, "reading events", e);
    sqlite3_reset(q);
    return rows;
}

sqlite3_stmt *sqlite_by_seq(struct db *s, int64_t seq, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_SHOW_SEQ, e);
    if (q)
        sqlite3_bind_int64(q, 1, seq);
    return q;
}

sqlite3_stmt *sqlite_matching(struct db *s, enum store_sql which, const struct store_query *f, int state,
                              int64_t limit, struct err *e)
{
    const char *const texts[] = {f->endpoint, f->type, f->resource_id, f->client_id};
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    if (!q)
        return NULL;
    sqlite3_bind_int(q, 1, state);
    for (int i = 0; i < 4; i++)
        sqlite3_bind_text(q, i + 2, texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 6, f->since_ms);
    sqlite3_bind_int64(q, 7, f->before_ms);
    sqlite3_bind_int64(q, 8, limit);
    sqlite3_bind_text(q, 11, f->secret, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 10, f->to ? f->to : INT64_MAX); /* 9 is the caller's, and 10 of those by rising numbers */
    return q;
}

/* By the index that serves best: in statements.h `plain` is followed by the same by state, and by resource. Most events are
 * done: they are read in order. */
static sqlite3_stmt *matching_by_index(struct db *s, enum store_sql plain, const struct store_query *f, int state,
                                       int64_t limit, struct err *e)
{
    _Static_assert(SQL_LIST_RESOURCE == SQL_LIST + 2 && SQL_SELECT_RESOURCE == SQL_SELECT + 2, "their order");
    return sqlite_matching(s,
                           plain + (f->resource_id                            ? 2
                                    : state >= 0 && state != STORE_STATE_DONE ? 1
                                                                              : 0),
                           f, state, limit, e);
}

sqlite3_stmt *sqlite_filtered(struct db *s, const struct store_query *f, int state, int64_t limit, struct err *e)
{
    return matching_by_index(s, SQL_LIST, f, state, limit, e);
}

/* The numbers of the last n rows that a query gives, in a ring. */
struct ring {
    int64_t *seq;
    size_t n, rows;
};

static int fill_ring(struct db *s, sqlite3_stmt *q, struct ring *r, struct err *e)
{
    while (sqlite3_step(q) == SQLITE_ROW)
        r->seq[r->rows++ % r->n] = sqlite3_column_int64(q, 0);
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "looking for events", e);
}

/* Those up to a number: read forwards, since no disk reads ahead backwards, and given from the end. */
static int64_t older(struct db *s, const struct store_query *f, int state, int64_t limit, int64_t up_to,
                     store_each *each, void *ctx, struct err *e)
{
    struct ring r = {.n = (size_t)limit};
    int64_t rows = 0;
    sqlite3_stmt *q = sqlite_matching(s, SQL_SELECT_OLDER, f, state, -1, e);
    if (!q)
        return -1;
    r.seq = malloc(r.n * sizeof *r.seq);
    if (!r.seq)
        return err_set(e, ERR_MEMORY, "looking for events: out of memory");
    sqlite3_bind_int64(q, 9, up_to);
    if (fill_ring(s, q, &r, e) != 0)
        rows = -1;
    for (size_t i = 0; rows >= 0 && i < r.rows && i < r.n; i++) {
        q = sqlite_by_seq(s, r.seq[(r.rows - 1 - i) % r.n], e);
        int64_t one = q ? sqlite_each(s, q, each, ctx, e) : -1;
        rows = one < 0 ? -1 : rows + one;
    }
    free(r.seq);
    return rows;
}

int64_t sqlite_newest(struct db *s, const struct store_query *f, int state, int64_t limit, store_each *each,
                      void *ctx, struct err *e)
{
    bool rare = f->endpoint || f->type || f->client_id || f->secret || f->since_ms || f->before_ms;
    bool indexed = f->resource_id || (state >= 0 && state != 1);
    int64_t last = 0;
    if (rare && !indexed && limit >= 0 && sqlite_last(s, &last, e) != 0)
        return -1;
    int64_t up_to = (f->to && f->to < last ? f->to : last) - RECENT;
    sqlite3_stmt *q =
        up_to > 0 ? sqlite_matching(s, SQL_LIST_RECENT, f, state, limit, e) : sqlite_filtered(s, f, state, limit, e);
    if (!q)
        return -1;
    if (up_to > 0)
        sqlite3_bind_int64(q, 9, up_to);
    int64_t rows = sqlite_each(s, q, each, ctx, e);
    if (up_to <= 0 || rows < 0 || rows >= limit)
        return rows;
    int64_t more = older(s, f, state, limit - rows, up_to, each, ctx, e);
    return more < 0 ? -1 : rows + more;
}

int sqlite_read(struct store *store, struct store_query *q, store_each *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    if (q->n_seqs)
        return sqlite_read_numbers(s, q, each, ctx, e);
    if (q->oldest_first)
        return sqlite_walk(s, q, each, ctx, e);
    if (sqlite_inbox_is_files(s))
        return sqlite_files_list(s, q, each, ctx, e);
    return sqlite_newest(s, q, q->state, q->limit, each, ctx, e) < 0 ? -1 : 0;
}

/* Numbers that a read of events gives, into a list. */
struct chosen {
    struct seqs all;
    struct err *e;
    bool failed;
};

static void add_chosen(void *ctx, const struct store_event *v)
{
    struct chosen *c = ctx;
    c->failed |= seqs_add(&c->all, v->seq, c->e) != 0;
}

int sqlite_read_seqs(struct db *s, sqlite3_stmt *q, struct seqs *all, struct err *e)
{
    int64_t seq;
    int failed = 0;
    while (!failed && sqlite3_step(q) == SQLITE_ROW)
        failed = sqlite_id(s, q, 0, "an event has a number", &seq, e) != 0 || seqs_add(all, seq, e) != 0 ? -1 : 0;
    if (sqlite3_reset(q) != SQLITE_OK && !failed)
        failed = sqlite_error(s, "reading events", e);
    return failed;
}

static int64_t newest_numbers(struct db *s, const struct store_query *f, int64_t **seqs, struct err *e)
{
    struct chosen c = {.e = e};
    bool by_file = sqlite_inbox_is_files(s) && f->state >= 0;
    sqlite3_stmt *q = by_file ? NULL : matching_by_index(s, SQL_SELECT, f, f->state, f->limit, e);
    int failed = by_file ? sqlite_files_list(s, f, add_chosen, &c, e) : !q || sqlite_read_seqs(s, q, &c.all, e);
    if (failed || c.failed) {
        seqs_release(&c.all);
        return -1;
    }
    seqs_reverse(&c.all); /* they came newest first */
    *seqs = c.all.at;
    return (int64_t)c.all.n;
}

int64_t sqlite_select(struct store *store, enum store_set set, const struct store_query *q, int64_t **seqs,
                      struct err *e)
{
    struct db *s = db_of(store);
    switch (set) {
    case STORE_OF_CLIENT: return sqlite_of_client(s, q, seqs, e);
    case STORE_PRUNABLE: return sqlite_prunable(s, q->before_ms, seqs, e);
    case STORE_MATCHING: break;
    }
    return newest_numbers(s, q, seqs, e);
}

/* In the directory form the state stands in the file's name. */
struct shown {
    struct db *s;
    store_each *each;
    void *ctx;
    struct err *e;
    bool failed;
    char why[SQLITE_WHY];
};

static void show_one(void *ctx, const struct store_event *found)
{
    struct shown *shown = ctx;
    struct store_event v = *found;
    shown->failed |= sqlite_files_state(shown->s, &v, shown->why, shown->e) != 0;
    shown->each(shown->ctx, &v);
}

int sqlite_find(struct store *store, struct span key, store_each *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    bool digits = key.len > 0 && key.len < 19;
    for (size_t i = 0; i < key.len && digits; i++)
        digits = key.at[i] >= '0' && key.at[i] <= '9';
    for (int by_id = !digits; by_id < 2; by_id++) { /* an id may be all digits too */
        sqlite3_stmt *q = sqlite_prepare(s, by_id ? SQL_SHOW_ID : SQL_SHOW_SEQ, e);
        if (!q)
            return -1;
        sqlite3_bind_text(q, 1, key.at, (int)key.len, SQLITE_STATIC);
        struct shown shown = {.s = s, .each = each, .ctx = ctx, .e = e};
        int64_t rows = sqlite_each(s, q, show_one, &shown, e);
        if (rows != 0)
            return rows < 0 || shown.failed ? -1 : 0;
    }
    return err_set(e, ERR_NOT_FOUND, "no event has the number or id %.*s", (int)key.len, key.at);
}

int sqlite_relate(struct store *store, int64_t seq, struct store_related *related, struct err *e)
{
    struct db *s = db_of(store);
    sqlite3_stmt *q = sqlite_prepare(s, SQL_RELATED, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    bool found = sqlite3_step(q) == SQLITE_ROW;
    *related = found ? (struct store_related){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1)}
                     : (struct store_related){.newer = 0};
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "looking for related events", e);
}

static int read_pragma(struct db *s, const char *sql, char *text, size_t size, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int found = sqlite_compile(s, sql, 0, &q) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW;
    if (found)
        snprintf(text, size, "%s", sqlite_string(q, 0));
    sqlite3_finalize(q);
    return found ? 0 : sqlite_error(s, sql, e);
}

int sqlite_read_facts(struct store *store, int64_t now_ms, struct store_facts *facts, struct err *e)
{
    struct db *s = db_of(store);
    char schema[16];
    *facts = (struct store_facts){.schema = 0};
    if (read_pragma(s, "PRAGMA journal_mode", facts->journal, sizeof facts->journal, e) != 0 ||
        read_pragma(s, "PRAGMA user_version", schema, sizeof schema, e) != 0)
        return -1;
    facts->schema = (int)strtol(schema, NULL, 10);
    sqlite3_stmt *q = sqlite_prepare(s, SQL_FACTS, e);
    if (!q)
        return -1;
    int64_t *const numbers[] = {&facts->waiting,   &facts->dead,      &facts->quarantined, &facts->events,
                                &facts->leased,    &facts->delayed,   &facts->oldest_ms,   &facts->ahead,
                                &facts->newest_ms, &facts->latest_ms, &facts->dead_bytes,  &facts->quarantined_bytes};
    sqlite3_bind_int64(q, 1, now_ms);
    if (sqlite3_step(q) == SQLITE_ROW)
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            *numbers[i] = sqlite3_column_int64(q, (int)i);
    if (sqlite3_reset(q) != SQLITE_OK)
        return sqlite_error(s, "counting", e);
    return sqlite_files_facts(s, now_ms, facts, e);
}
