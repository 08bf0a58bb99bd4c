/* SPDX-License-Identifier: MIT
 * quarantine: what was put aside, and what a person makes of it. */
#include "change.h"
#include "number.h"
#include "record.h"

#include <stdio.h>

int sqlite_list_quarantine(struct store *store, int64_t id, const char *endpoint, store_each_quarantined *each,
                           void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    int64_t rows = 0;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_READ_QUARANTINE, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, id);
    sqlite3_bind_text(q, 2, endpoint, -1, SQLITE_STATIC);
    for (; sqlite3_step(q) == SQLITE_ROW; rows++) {
        struct store_quarantined row;
        int64_t *const numbers[] = {&row.id, &row.first_ms, &row.last_ms, &row.times};
        struct span *const texts[] = {&row.endpoint, &row.secret,   &row.signature,
                                      &row.reason,   &row.event_id, &row.body};
        for (int i = 0; i < 4; i++)
            *numbers[i] = sqlite3_column_int64(q, i);
        for (int i = 0; i < 6; i++)
            *texts[i] = sqlite_text(q, 4 + i);
        each(ctx, &row);
    }
    if (sqlite3_reset(q) != SQLITE_OK)
        return sqlite_error(s, "reading quarantine", e);
    return id && rows == 0 ? err_set(e, ERR_NOT_FOUND, "nothing in quarantine has the number %lld", (long long)id)
                           : 0;
}

static int drop_one(struct db *s, int64_t id, struct err *e)
{
    if (sqlite_change_run(s, SQL_DROP, id, 0, e) != 0)
        return -1;
    return sqlite3_changes(s->db)
               ? 0
               : err_set(e, ERR_NOT_FOUND, "nothing in quarantine has the number %lld any more", (long long)id);
}

int sqlite_drop(struct store *store, int64_t id, const struct store_actor *by, int64_t now_ms, struct err *e)
{
    struct db *s = db_of(store);
    char detail[64];
    struct sqlite_note note = {.action = "drop", .n = 1, .detail = detail, .from = -1, .to = -1};
    snprintf(detail, sizeof detail, "number %lld of quarantine", (long long)id);
    if (sqlite_change_begin(s, e) != 0)
        return -1;
    bool failed = drop_one(s, id, e) != 0 || sqlite_write_history(s, &note, by, now_ms, e) != 0;
    return sqlite_change_end(s, failed, e);
}

/* ---- accept ---- */

/* The number of the event that is known by the same id and type, 0 for none. */
static int find_twin(struct db *s, const struct record *r, const struct name *name, int64_t *seq, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_TWIN, e);
    if (!q)
        return -1;
    const struct event *v = r->event;
    sqlite3_bind_text(q, 1, v->id.at, (int)v->id.len, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, v->type.at, (int)v->type.len, SQLITE_STATIC);
    sqlite3_bind_int64(q, 3, name->endpoint_id);
    int failed = 0;
    bool erased = false;
    *seq = 0;
    if (sqlite3_step(q) == SQLITE_ROW) {
        failed = sqlite_id(s, q, 0, "an event has a number", seq, e);
        erased = sqlite3_column_int(q, 1);
    }
    if (sqlite3_reset(q) != SQLITE_OK && !failed)
        failed = sqlite_error(s, "looking for the known event", e);
    if (!failed && erased)
        failed = err_set(e, ERR_CONFLICT, "event %lld, known by its id and type, was erased, and stays so",
                         (long long)*seq);
    return failed;
}

static int write_event(struct db *s, enum store_sql which, const struct record *r, const struct name *name,
                       int64_t seq, int64_t now_ms, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    if (!q)
        return -1;
    sqlite_bind_event(q, r, name, seq, r->past ? r->past->received_ms : now_ms);
    return sqlite_run(q) == SQLITE_OK ? 0 : sqlite_error(s, "writing the event", e);
}

/* The known event goes into quarantine, under the number that became free. */
static int swap_places(struct db *s, int64_t id, int64_t seq, int64_t now_ms, struct err *e)
{
    static const char reason[] = "it was event and gave its place to another payload, by hand";
    sqlite3_stmt *q = sqlite_prepare(s, SQL_SWAP, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, id);
    sqlite3_bind_int64(q, 2, seq);
    sqlite3_bind_int64(q, 3, now_ms);
    sqlite3_bind_text(q, 4, reason, -1, SQLITE_STATIC);
    if (sqlite_run(q) != SQLITE_OK)
        return sqlite_error(s, "writing quarantine", e);
    return sqlite3_changes(s->db) == 1
               ? 0
               : err_set(e, ERR_CONFLICT,
                         "event %lld, known by its id and type, cannot go into quarantine in exchange: its body or "
                         "signature was changed; see complycube-inbox verify --stored",
                         (long long)seq);
}

/* Whatever became of the one before, the new one waits. *from is the state before. */
static int wait_again(struct sqlite_change *c, int64_t seq, const char *endpoint, int *from, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(c->s, SQL_STANDING, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    if (sqlite3_step(q) != SQLITE_ROW) {
        sqlite3_reset(q);
        return sqlite_error(c->s, "looking for the event", e);
    }
    struct sqlite_standing v = {.seq = seq,
                                .created_ms = sqlite3_column_int64(q, 3),
                                .has_row = sqlite3_column_type(q, 0) != SQLITE_NULL,
                                .state = sqlite3_column_int(q, 0),
                                .endpoint = endpoint,
                                .body = sqlite_text(q, 5)};
    if (!v.has_row)
        v.state = sqlite_files_stands(c, &v);
    *from = v.state;
    int failed = sqlite_inbox_is_files(c->s) ? sqlite_files_replace(c, &v, e) < 0
                 : v.has_row                 ? sqlite_change_run(c->s, SQL_REQUEUE, seq, c->now_ms, e)
                             : sqlite_change_make_row(c->s, sqlite3_column_int64(q, 1), seq, c->now_ms, e);
    sqlite3_reset(q);
    return failed ? -1 : 0;
}

static int take_place(struct sqlite_change *c, int64_t id, struct record *r, const struct name *name, int64_t twin,
                      int *from, struct err *e)
{
    r->outcome = STORE_NEW;
    return swap_places(c->s, id, twin, c->now_ms, e) != 0 ||
                   write_event(c->s, SQL_EVENT_REPLACE, r, name, twin, c->now_ms, e) != 0
               ? -1
               : wait_again(c, twin, name->endpoint, from, e);
}

static int insert_accepted(struct sqlite_change *c, struct record *r, const struct name *name, int64_t *seq,
                           struct err *e)
{
    int64_t next;
    if (sqlite_next(c->s, &next, e) != 0 || write_event(c->s, SQL_EVENT, r, name, next, c->now_ms, e) != 0 ||
        sqlite_put_inbox(c->s, r, name, c->now_ms, e) != 0)
        return -1;
    *seq = r->seq;
    if (store_is_recorded(r->outcome))
        return 0;
    *e = r->err;
    return -1;
}

static int accept_inside(struct sqlite_change *c, int64_t id, struct record *r, int64_t *seq, struct err *e)
{
    char detail[64];
    size_t names = 0;
    int from = -1;
    c->s->names = 0; /* looked up anew: this transaction may fail */
    const struct name *name = sqlite_names(c->s, r->verified, &names, e);
    int64_t twin;
    if (!name || find_twin(c->s, r, name, &twin, e) != 0 || drop_one(c->s, id, e) != 0)
        return -1;
    *seq = twin;
    int failed = twin ? take_place(c, id, r, name, twin, &from, e) : insert_accepted(c, r, name, seq, e);
    if (failed || sqlite_change_run(c->s, SQL_ACCEPTED, *seq, 0, e) != 0)
        return -1;
    snprintf(detail, sizeof detail, "number %lld of quarantine%s", (long long)id, twin ? ", in exchange" : "");
    struct sqlite_note note = {.action = "accept", .detail = detail, .seq = *seq, .n = 1, .from = from, .to = 0};
    return sqlite_write_history(c->s, &note, c->by, c->now_ms, e);
}

int sqlite_accept(struct store *store, int64_t id, struct record *r, const struct store_actor *by, int64_t now_ms,
                  int64_t *seq, struct err *e)
{
    struct db *s = db_of(store);
    struct sqlite_change c = {.s = s, .what = STORE_REQUEUE, .by = by, .now_ms = now_ms};
    if (sqlite_change_begin(s, e) != 0)
        return -1;
    bool failed =
        sqlite_files_begin(&c, e) != 0 || accept_inside(&c, id, r, seq, e) != 0 || sqlite_inbox_sync(s, e) != 0;
    failed = sqlite_change_commit(s, failed, e) != 0;
    sqlite_files_end(&c, failed);
    lock_release(&s->lock);
    return failed ? -1 : 0;
}
