/* SPDX-License-Identifier: MIT
 * record: the writing half of the SQLite backend. */
#include "record.h"
#include "guard.h"
#include "inbox.h"
#include "number.h"
#include "walindex.h"

#include <stdio.h>

static int run_simple(struct db *s, enum store_sql which, const char *doing, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    if (!q)
        return -1;
    return sqlite_run(q) == SQLITE_OK ? 0 : sqlite_error(s, doing, e);
}

void sqlite_bind_text(sqlite3_stmt *q, int at, struct span text)
{
    if (text.at)
        sqlite3_bind_text(q, at, text.at, (int)text.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, at);
}

void sqlite_bind_blob(sqlite3_stmt *q, int at, struct span bytes)
{
    if (bytes.at)
        sqlite3_bind_blob(q, at, bytes.at, (int)bytes.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, at);
}

void sqlite_bind_body(sqlite3_stmt *q, int at, const struct record *r)
{
    struct span body = verified_body(r->verified);
    bool gone = r->past && r->past->erased_ms;
    sqlite_bind_blob(q, at, gone ? (struct span){0} : body.at ? body : span_of(""));
}

/* The number of a name's row, made when it is new. endpoint 0: the name is an endpoint's. */
static int name_id(struct db *s, int64_t endpoint, const char *name, int64_t *id, struct err *e)
{
    static const char what[] = "an endpoint or a secret has a number";
    const enum store_sql order[] = {endpoint ? SQL_SECRET : SQL_ENDPOINT,
                                    endpoint ? SQL_SECRET_NEW : SQL_ENDPOINT_NEW};
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *q = sqlite_prepare(s, order[i], e);
        if (!q)
            return -1;
        int at = 1;
        if (endpoint)
            sqlite3_bind_int64(q, at++, endpoint);
        sqlite3_bind_text(q, at, name, -1, SQLITE_STATIC);
        bool found = sqlite3_step(q) == SQLITE_ROW, good = found && sqlite_id(s, q, 0, what, id, e) == 0;
        if (sqlite3_reset(q) != SQLITE_OK)
            return sqlite_error(s, "recording a name", e);
        if (found)
            return good ? 0 : -1;
    }
    return sqlite_made(s, what, id, e);
}

/* *n counts the known names; those beyond s->names are not committed yet. */
const struct name *sqlite_names(struct db *s, const struct verified *v, size_t *n, struct err *e)
{
    const char *endpoint = verified_endpoint(v), *secret = verified_secret(v);
    for (size_t i = 0; i < *n; i++)
        if (strcmp(s->name[i].endpoint, endpoint) == 0 && strcmp(s->name[i].secret, secret) == 0)
            return &s->name[i];
    struct name *name = &s->name[*n];
    snprintf(name->endpoint, sizeof name->endpoint, "%s", endpoint);
    snprintf(name->secret, sizeof name->secret, "%s", secret);
    name->secret_id = 0; /* of a body that was imported unverified */
    if (name_id(s, 0, endpoint, &name->endpoint_id, e) != 0 ||
        (*secret && name_id(s, name->endpoint_id, secret, &name->secret_id, e) != 0))
        return NULL;
    (*n)++;
    return name;
}

struct span sqlite_signature(const struct verified *v)
{
    const uint8_t *signature = verified_signature(v);
    return (struct span){(const char *)signature, signature ? VERIFY_DIGEST : 0};
}

void sqlite_bind_id(sqlite3_stmt *q, int at, int64_t id)
{
    if (id)
        sqlite3_bind_int64(q, at, id);
    else
        sqlite3_bind_null(q, at);
}

/* Does the row at hand hold this payload? One that has no body, since it was erased, is known by its digest. */
static bool same_payload(sqlite3_stmt *q, struct span payload)
{
    const char *body = sqlite3_column_blob(q, 3);
    int size = sqlite3_column_bytes(q, 3);
    int64_t at, len;
    if (sqlite3_column_type(q, 3) == SQLITE_NULL) {
        uint8_t digest[VERIFY_DIGEST];
        verify_sha256(payload, digest);
        struct span mine = {(const char *)digest, sizeof digest};
        return sqlite3_column_type(q, 2) == SQLITE_BLOB &&
               span_equal(mine, (struct span){sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2)});
    }
    if (!payload.at)
        return sqlite3_column_type(q, 0) == SQLITE_NULL;
    return body && sqlite_number_at(q, 0, 0, size, &at) && sqlite_number_at(q, 1, 0, size - at, &len) &&
           span_equal((struct span){body + at, (size_t)len}, payload);
}

/* Id and type are known: the same event again, or another one under a known name? */
static int known(struct db *s, struct record *r, const struct name *name, int64_t now_ms, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_KNOWN, e);
    if (!q)
        return -1;
    sqlite_bind_text(q, 1, r->event->id);
    sqlite_bind_text(q, 2, r->event->type);
    sqlite3_bind_int64(q, 3, name->endpoint_id);
    bool erased = r->past && r->past->erased_ms; /* with nothing to compare, and nothing to keep */
    bool found = sqlite3_step(q) == SQLITE_ROW, same = found && (erased || same_payload(q, r->event->payload));
    r->repeated = same && r->spooled_ms && sqlite3_column_int(q, 6) && sqlite3_column_int64(q, 5) == r->spooled_ms &&
                  sqlite3_column_int64(q, 4) <= s->last;
    if (sqlite3_reset(q) != SQLITE_OK || !found)
        return sqlite_error(s, "comparing a known event", e);
    if (same) {
        r->outcome = STORE_DUPLICATE;
        return 0;
    }
    err_set(&r->err, ERR_CONFLICT, "id and type are known with another payload");
    return sqlite_put_aside(s, r, r->err.msg, name, now_ms, e);
}

void sqlite_bind_event(sqlite3_stmt *q, const struct record *r, const struct name *name, int64_t seq, int64_t now_ms)
{
    const struct event *v = r->event;
    const struct span texts[] = {v->id,        v->type,   v->resource_type, v->resource_id,
                                 v->client_id, v->status, v->outcome};
    int at = 1;
    sqlite3_bind_int64(q, at++, name->endpoint_id);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        sqlite_bind_text(q, at++, texts[i]);
    sqlite3_bind_int64(q, at++, v->created_ms >= 0 ? v->created_ms : now_ms);
    sqlite3_bind_int64(q, at++, now_ms);
    sqlite_bind_id(q, at++, name->secret_id);
    sqlite_bind_blob(q, at++, sqlite_signature(r->verified));
    if (v->payload.at) {
        sqlite3_bind_int64(q, at++, v->payload.at - verified_body(r->verified).at);
        sqlite3_bind_int64(q, at++, (int64_t)v->payload.len);
    } else {
        sqlite3_bind_null(q, at++);
        sqlite3_bind_null(q, at++);
    }
    sqlite_bind_body(q, at++, r);
    sqlite_bind_id(q, at++, seq); /* 0: the next one */
    sqlite3_bind_text(q, at++, r->past ? "imported" : r->spooled_ms ? "spool" : NULL, -1, SQLITE_STATIC);
    sqlite_bind_id(q, at++, r->past ? r->past->erased_ms : 0);
    sqlite_bind_blob(q, at, r->past ? r->past->payload_sha256 : (struct span){0});
}

/* The store refuses this one alone, for the reason in r->err: nothing of it stays. */
static int refuse_one(struct db *s, struct record *r, int64_t seq, struct err *e)
{
    r->outcome = STORE_REFUSED;
    sqlite3_stmt *q = seq ? sqlite_prepare(s, SQL_EVENT_UNDO, e) : NULL;
    if (!q)
        return seq ? -1 : 0;
    sqlite3_bind_int64(q, 1, seq);
    return sqlite_run(q) == SQLITE_OK ? 0 : sqlite_error(s, "taking an event back", e);
}

static bool refuses_one(int rc) { return (rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_TOOBIG; }

/* What an imported event has behind it in the table. */
static int put_past(struct db *s, const struct record_past *past, int64_t seq, struct err *e)
{
    sqlite3_stmt *q = past->attempts || past->done_ms || past->error.at ? sqlite_prepare(s, SQL_INBOX_PAST, e) : NULL;
    if (!q)
        return past->attempts || past->done_ms || past->error.at ? -1 : 0;
    sqlite3_bind_int64(q, 1, seq);
    sqlite3_bind_int64(q, 2, past->attempts);
    sqlite_bind_id(q, 3, past->done_ms);
    sqlite_bind_text(q, 4, past->error);
    return sqlite_run(q) == SQLITE_OK ? 0 : sqlite_error(s, "writing the inbox", e);
}

int sqlite_state_of(const struct record *r)
{
    return r->past && r->past->state >= 0 ? r->past->state : r->ignored ? STORE_STATE_IGNORED : STORE_STATE_WAITING;
}

int sqlite_put_inbox(struct db *s, struct record *r, const struct name *name, int64_t now_ms, struct err *e)
{
    int64_t seq;
    int state = sqlite_state_of(r);
    if (sqlite_made(s, "an event has a number", &seq, e) != 0)
        return -1;
    r->seq = seq;
    if (state != STORE_STATE_IGNORED && sqlite_inbox_is_files(s)) {
        if (sqlite_inbox_put(s, r, name->endpoint, now_ms, &r->err) != 0)
            return refuse_one(s, r, seq, e); /* other endpoints have folders of their own */
        r->outcome = STORE_NEW;
        return 0;
    }
    sqlite3_stmt *q = sqlite_prepare(s, SQL_INBOX, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    sqlite3_bind_int64(q, 2, name->endpoint_id);
    sqlite3_bind_int(q, 3, state);
    sqlite3_bind_int64(q, 4, r->past && r->past->erased_ms ? 0 : now_ms);
    int rc = sqlite_run(q);
    if (rc == SQLITE_OK) {
        r->outcome = state == STORE_STATE_IGNORED ? STORE_IGNORED : STORE_NEW;
        return sqlite_made(s, "an event of the inbox has a number", &seq, e) != 0 ||
                       (r->past && put_past(s, r->past, seq, e) != 0)
                   ? -1
                   : 0;
    }
    if (!refuses_one(rc))
        return sqlite_error(s, "writing the inbox", e);
    sqlite_error(s, "writing an event", &r->err);
    return refuse_one(s, r, seq, e);
}

int sqlite_next(struct db *s, int64_t *seq, struct err *e)
{
    int64_t last = 0;
    if (s->floor && sqlite_last(s, &last, e) != 0)
        return -1;
    s->floor_met |= last >= s->floor;
    *seq = last < s->floor ? s->floor + 1 : 0;
    return 0;
}

static int put_event(struct db *s, struct record *r, const struct name *name, int64_t now_ms, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_EVENT, e);
    if (!q)
        return -1;
    int64_t seq;
    bool is_known = false;
    if (sqlite_next(s, &seq, e) != 0 || (r->object && sqlite_knows_object(s, r, &is_known, e) != 0))
        return -1;
    if (is_known) { /* a real event was first */
        r->outcome = STORE_DUPLICATE;
        return 0;
    }
    sqlite_bind_event(q, r, name, seq, now_ms);
    int rc = sqlite_run(q);
    if (rc == SQLITE_OK)
        return sqlite_put_inbox(s, r, name, now_ms, e);
    if (sqlite3_extended_errcode(s->db) == SQLITE_CONSTRAINT_UNIQUE)
        return known(s, r, name, now_ms, e);
    sqlite_error(s, "writing an event", &r->err);
    return refuses_one(rc) ? refuse_one(s, r, 0, e) : sqlite_error(s, "writing an event", e);
}

static int count_outcome(struct db *s, int64_t endpoint, int64_t secret, const char *outcome, int64_t n,
                         int64_t last_ms, struct err *e)
{
    for (enum store_sql which = SQL_COUNT; n && which <= SQL_COUNT_NEW; which++) {
        sqlite3_stmt *q = sqlite_prepare(s, which, e);
        if (!q)
            return -1;
        const int64_t numbers[] = {last_ms - last_ms % 3600000, endpoint, secret, 0, n, last_ms};
        for (int i = 0; i < 6; i++)
            sqlite3_bind_int64(q, i + 1, numbers[i]);
        sqlite3_bind_text(q, 4, outcome, -1, SQLITE_STATIC);
        if (sqlite_run(q) != SQLITE_OK)
            return sqlite_error(s, "counting", e);
        if (sqlite3_changes(s->db))
            break;
    }
    return 0;
}

/* When it came. */
static int64_t arrival(const struct record *r, int64_t now_ms)
{
    return r->past ? r->past->received_ms : r->spooled_ms ? r->spooled_ms : now_ms;
}

/* The hour that it counts in; -1: it does not. What was spooled and is refused comes again. */
static int64_t hour_of(const struct record *r, int64_t now_ms)
{
    bool again = r->repeated || (r->spooled_ms && r->outcome == STORE_REFUSED);
    return r->past || again ? -1 : arrival(r, now_ms) / 3600000;
}

/* Add up equal outcomes of the batch, so that each is one row written. */
static int count_batch(struct db *s, struct record *const batch[], const struct name *const names[], size_t n,
                       int64_t now_ms, struct err *e)
{
    bool done[STORE_BATCH_MAX] = {false};
    for (size_t i = 0; i < n; i++) {
        int64_t same = 0, last_ms = 0, hour = hour_of(batch[i], now_ms);
        for (size_t j = i; j < n && !done[i] && hour >= 0; j++)
            if (hour_of(batch[j], now_ms) == hour && names[j] == names[i] && batch[j]->outcome == batch[i]->outcome) {
                int64_t at_ms = arrival(batch[j], now_ms);
                last_ms = at_ms > last_ms ? at_ms : last_ms;
                same++;
                done[j] = j > i;
            }
        if (count_outcome(s, names[i]->endpoint_id, names[i]->secret_id, store_outcome_word(batch[i]->outcome), same,
                          last_ms, e) != 0)
            return -1;
    }
    return 0;
}

/* Of the file, as the open transaction sees it or the one before left it; 0: nothing can be said. */
static unsigned version_of(struct db *s)
{
    unsigned version = 0;
    return sqlite3_file_control(s->db, "main", SQLITE_FCNTL_DATA_VERSION, &version) == SQLITE_OK ? version : 0;
}

static int record_and_commit(struct db *s, struct record *const batch[], size_t n, int64_t now_ms, struct err *e)
{
    bool written = s->version != version_of(s); /* by another process */
    if (written && run_simple(s, SQL_READABLE, "reading its schema", e) != 0)
        return -1; /* it is a SELECT that notices another schema: see guard.c */
    if (written || s->names > STORE_NAMES_MAX - n)
        s->names = 0; /* look them up again: more than fit came and went */
    size_t known_names = s->names;
    s->floor_met = false;
    s->last = 0;
    if (batch[0]->spooled_ms && sqlite_last(s, &s->last, e) != 0)
        return -1;
    const struct name *names[STORE_BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        struct record *r = batch[i];
        if (!(names[i] = sqlite_names(s, r->verified, &known_names, e)))
            return -1;
        int64_t at_ms = arrival(r, now_ms);
        int failed =
            r->reason ? sqlite_put_aside(s, r, r->reason, names[i], at_ms, e) : put_event(s, r, names[i], at_ms, e);
        if (failed)
            return -1;
    }
    if (count_batch(s, batch, names, n, now_ms, e) != 0 || sqlite_inbox_sync(s, e) != 0)
        return -1;
    if (run_simple(s, SQL_COMMIT, "committing", e) != 0) {
        sqlite_inbox_drop(s, SQLITE_PERHAPS_COMMITTED);
        return -1;
    }
    sqlite_inbox_publish(s);
    for (size_t i = 0; i < n; i++)
        sqlite_inbox_place(s, batch[i], now_ms);
    if (s->floor_met)
        s->floor = 0;
    s->names = known_names;
    s->version = version_of(s);
    return 0;
}

static int record_or_roll_back(struct db *s, struct record *const batch[], size_t n, int64_t now_ms, struct err *e)
{
    _Static_assert((int)MAILDIR_BATCH_MAX >= (int)STORE_BATCH_MAX, "a file for each event of a batch");
    if (!sqlite_in_place(s)) { /* moved since it was looked at: nothing may go into it any more */
        sqlite_leave_under_lock(s, NULL);
        return err_set(e, ERR_BUSY, "%s was moved away a moment ago", s->path);
    }
    sqlite_begin_work(s);
    if (sqlite_index_check(s, e) != 0 || run_simple(s, SQL_BEGIN, "beginning a transaction", e) != 0)
        return -1;
    int failed = sqlite_check_tables(s, e);
    s->recording = true;
    if (!failed) {
        sqlite_inbox_sweep(s);
        failed = record_and_commit(s, batch, n, now_ms, e);
    }
    s->recording = false;
    if (failed)
        sqlite_inbox_drop(s, SQLITE_NOT_COMMITTED);
    if (failed)
        run_simple(s, SQL_ROLLBACK, "rolling back", NULL);
    return failed ? -1 : 0;
}

int sqlite_record(struct store *store, struct record *const batch[], size_t n, int64_t now_ms, struct err *e)
{
    struct db *s = db_of(store);
    int failed = -1,
        left_ms = s->held ? s->held_ms : lock_take(&s->lock, s->hurried ? STORE_HURRY_MS : s->wait_ms, e);
    if (left_ms >= 0) {
        sqlite_set_wait(s, left_ms); /* one deadline for both locks */
        s->denied = false;
        failed = record_or_roll_back(s, batch, n, now_ms, e);
        if (failed && s->denied) /* the schema was changed, and is compared now */
            failed = record_or_roll_back(s, batch, n, now_ms, e);
        if (!s->held)
            lock_release(&s->lock);
    }
    s->hurried = failed && e->code == ERR_BUSY; /* whoever queued up meanwhile has waited already */
    return failed;
}
