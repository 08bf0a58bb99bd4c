/* SPDX-License-Identifier: MIT
 * erase: emptying events and rows of quarantine, so that no file holds what was in them. */
#include "change.h"
#include "number.h"

#include "event/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS_MAX = 500, BYTES_MAX = 4 << 20, FLUSH_TRIES = 40, FLUSH_WAIT_MS = 100 };

struct erase {
    struct db *s;
    enum store_erase how;
    const struct store_actor *by;
    int64_t now_ms, bytes;
    struct sqlite_look *held; /* of the directory form */
};

/* ---- one event ---- */

/* The digest by which a replay is known: of the payload's text, as same_payload() takes it. */
static void digest_payload(sqlite3_stmt *q, uint8_t digest[VERIFY_DIGEST])
{
    const char *body = sqlite3_column_blob(q, 6);
    int size = sqlite3_column_bytes(q, 6);
    int64_t at, len;
    bool has = body && sqlite_number_at(q, 4, 0, size, &at) && sqlite_number_at(q, 5, 0, size - at, &len);
    verify_sha256(has ? (struct span){body + at, (size_t)len} : (struct span){0}, digest);
}

static int empty_event(struct erase *x, int64_t seq, const uint8_t digest[VERIFY_DIGEST], struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(x->s, SQL_ERASE, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    sqlite3_bind_int64(q, 2, x->now_ms);
    sqlite3_bind_blob(q, 3, digest, VERIFY_DIGEST, SQLITE_STATIC);
    if (sqlite_run(q) != SQLITE_OK)
        return sqlite_error(x->s, "emptying an event", e);
    return sqlite_change_run(x->s, SQL_ERASE_INBOX, seq, x->now_ms, e);
}

/* Files of a pruned event go with the folder of the day. */
static int erase_files(struct erase *x, sqlite3_stmt *q, int64_t seq, struct err *e)
{
    if (x->how == STORE_PRUNE)
        return 0;
    return sqlite_files_erase(x->s, x->held, sqlite_string(q, 1), sqlite3_column_int64(q, 2), seq, e);
}

static int erase_one(struct erase *x, sqlite3_stmt *q, int64_t seq, struct err *e)
{
    bool has_row = sqlite3_column_type(q, 0) != SQLITE_NULL;
    uint8_t digest[VERIFY_DIGEST];
    int state = has_row ? sqlite3_column_int(q, 0)
                        : sqlite_inbox_state(x->held, sqlite_string(q, 1), sqlite3_column_int64(q, 2), seq);
    if (x->how == STORE_PRUNE && (state == STORE_STATE_WAITING || state == STORE_STATE_DEAD))
        return STORE_UNCHANGED; /* it was made to wait again meanwhile */
    if (erase_files(x, q, seq, e) != 0)
        return -1;
    if (sqlite3_column_int(q, 3))
        return STORE_ERASED;
    char detail[SQLITE_FORGOTTEN];
    sqlite_forgotten_detail(sqlite_string(q, 1), sqlite_text(q, 7), sqlite_text(q, 8), detail);
    digest_payload(q, digest);
    x->bytes += sqlite3_column_bytes(q, 6);
    sqlite3_reset(q);
    if (empty_event(x, seq, digest, e) != 0)
        return -1;
    int to = state == STORE_STATE_IGNORED ? STORE_STATE_IGNORED : STORE_STATE_DONE;
    struct sqlite_note note = {.action = "erase", .seq = seq, .from = state, .to = to, .n = 1, .detail = detail};
    if (to == state)
        note.from = note.to = -1;
    if (x->how == STORE_ERASE && sqlite_write_history(x->s, &note, x->by, x->now_ms, e) != 0)
        return -1;
    return STORE_CHANGED;
}

static int find_and_erase(struct erase *x, int64_t seq, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(x->s, SQL_ERASABLE, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    int rc = sqlite3_step(q), result = STORE_MISSING;
    if (rc == SQLITE_ROW)
        result = erase_one(x, q, seq, e);
    else if (rc != SQLITE_DONE)
        result = sqlite_error(x->s, "looking for an event", e);
    sqlite3_reset(q);
    return result;
}

/* ---- many ---- */

static int64_t erase_all(struct erase *x, const int64_t *seqs, int64_t n, signed char *results, struct err *e)
{
    int64_t done = 0;
    if (sqlite_inbox_look(x->s, INT64_MAX, &x->held, e) != 0)
        return -1;
    for (; done < n && done < ROWS_MAX && x->bytes < BYTES_MAX; done++) {
        int result = find_and_erase(x, seqs[done], e);
        if (result < 0)
            return -1;
        results[done] = (signed char)result;
    }
    if (x->how == STORE_ERASE && sqlite_inbox_flush(x->s, e) != 0)
        return -1;
    return done;
}

int64_t sqlite_erase(struct store *store, enum store_erase how, const int64_t *seqs, int64_t n,
                     const struct store_actor *by, int64_t now_ms, store_each_changed *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    signed char results[ROWS_MAX];
    struct erase x = {.s = s, .how = how, .by = by, .now_ms = now_ms};
    if (sqlite_change_begin(s, e) != 0)
        return -1;
    sqlite_inbox_sweep(s);
    int64_t done = erase_all(&x, seqs, n, results, e);
    bool failed = sqlite_change_end(s, done < 0, e) != 0;
    sqlite_inbox_look_end(x.held);
    for (int64_t i = 0; i < done && !failed; i++)
        each(ctx, seqs[i], (enum store_changed)results[i]);
    return failed ? -1 : done;
}

/* ---- quarantine ---- */

static int empty_row(struct db *s, int64_t id, const struct store_actor *by, int64_t now_ms, struct err *e)
{
    char detail[64];
    if (sqlite_change_run(s, SQL_QUARANTINE_EMPTY, id, now_ms, e) != 0)
        return -1;
    if (sqlite3_changes(s->db) == 0)
        return 0;
    snprintf(detail, sizeof detail, "quarantine: number %lld", (long long)id);
    struct sqlite_note note = {.action = "erase", .n = 1, .from = -1, .to = -1, .detail = detail};
    return sqlite_write_history(s, &note, by, now_ms, e);
}

int64_t sqlite_erase_quarantined(struct store *store, const int64_t *ids, int64_t n, const struct store_actor *by,
                                 int64_t now_ms, struct err *e)
{
    struct db *s = db_of(store);
    int64_t done = 0;
    int failed = 0;
    if (sqlite_change_begin(s, e) != 0)
        return -1;
    for (; done < n && done < ROWS_MAX && !failed; done++)
        failed = empty_row(s, ids[done], by, now_ms, e);
    return sqlite_change_end(s, failed != 0, e) != 0 ? -1 : done;
}

/* ---- the log of the database ---- */

static int flush_once(struct db *s, struct err *e)
{
    if (sqlite_is_consumer(s, e) || sqlite_lock(s, e) != 0)
        return -1;
    sqlite3_busy_timeout(s->db, FLUSH_WAIT_MS); /* nobody can write while a reader is waited for */
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK)
        sqlite_error(s, "writing its log back", e);
    sqlite3_busy_timeout(s->db, s->wait_ms);
    lock_release(&s->lock);
    return rc == SQLITE_OK ? 0 : -1;
}

int sqlite_flush(struct store *store, struct err *e)
{
    struct db *s = db_of(store);
    struct err why = {0};
    const struct timespec pause = {0, 2L * FLUSH_WAIT_MS * 1000000};
    for (int i = 0; i < FLUSH_TRIES; i++) {
        if (flush_once(s, &why) == 0)
            return 0;
        if (why.code != ERR_BUSY)
            break;
        nanosleep(&pause, NULL);
    }
    if (e)
        *e = why;
    return -1;
}
