/* SPDX-License-Identifier: MIT
 * walk: reading all there is, by short reads: events by their numbers, and quarantine. */
#include "db.h"
#include "inbox.h"

enum { ROWS_MAX = 500, BYTES_MAX = 4 << 20, NUMBERS_MAX = 20000 };

/* A read of events that ends early: so much of it was done. */
struct walk {
    struct db *s;
    const struct store_query *q;
    struct sqlite_look *held; /* of the directory form: where the files are */
    store_each *each;
    void *ctx;
    int64_t rows, bytes, last;
};

static bool is_long(const struct walk *w) { return w->rows >= ROWS_MAX || w->bytes >= BYTES_MAX; }

static void tell_row_read(struct walk *w, sqlite3_stmt *row)
{
    struct store_event v;
    if (!w->q->log_only)
        sqlite_event(row, &v);
    else {
        sqlite_log_row(row, &v);
        v.erased_ms = sqlite3_column_int64(row, 24);
        v.payload_sha256 = sqlite_text(row, 25);
    }
    sqlite_inbox_fill_in(w->s, w->held, &v);
    w->last = v.seq;
    w->rows++;
    w->bytes += (int64_t)v.body.len;
    if (w->q->state < 0 || v.state == w->q->state)
        w->each(w->ctx, &v);
}

/* Numbers above `after`, up to `to`. 0: all were told; 1: it ended early; or -1 and *e. */
static int read_stretch(struct walk *w, int64_t after, int64_t to, struct err *e)
{
    int state = sqlite_inbox_is_files(w->s) ? -1 : w->q->state; /* else the files tell it */
    sqlite3_stmt *row = sqlite_matching(w->s, w->q->log_only ? SQL_LOG : SQL_RISING, w->q, state, -1, e);
    if (!row)
        return -1;
    sqlite3_bind_int64(row, 9, after);
    sqlite3_bind_int64(row, 10, to);
    int rc = SQLITE_ROW;
    while (!is_long(w) && (rc = sqlite3_step(row)) == SQLITE_ROW)
        tell_row_read(w, row);
    int result = rc == SQLITE_DONE ? 0 : rc == SQLITE_ROW ? 1 : sqlite_error(w->s, "reading events", e);
    sqlite3_reset(row);
    return result;
}

/* The first number above this one; 0: there is none. */
static int next_number(struct db *s, int64_t after, int64_t *next, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_NEXT, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, after);
    *next = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading events", e);
}

int sqlite_walk(struct db *s, struct store_query *q, store_each *each, void *ctx, struct err *e)
{
    struct walk w = {.s = s, .q = q, .each = each, .ctx = ctx};
    int64_t to = q->to;
    if (to == 0 && sqlite_last(s, &to, e) != 0)
        return -1;
    int64_t first = q->after;
    if (to > q->after && next_number(s, q->after, &first, e) != 0) /* numbers that nothing has are passed over */
        return -1;
    if (first <= q->after || first > to) {
        q->after = to > q->after ? to : q->after;
        return 0;
    }
    int64_t end = to - first >= NUMBERS_MAX ? first + NUMBERS_MAX - 1 : to;
    int more = sqlite_inbox_look(s, INT64_MAX, &w.held, e) != 0 ? -1 : read_stretch(&w, first - 1, end, e);
    sqlite_inbox_look_end(w.held);
    if (more >= 0)
        q->after = more ? w.last : end;
    return more < 0 ? -1 : q->after < to;
}

int sqlite_read_numbers(struct db *s, struct store_query *q, store_each *each, void *ctx, struct err *e)
{
    struct walk w = {.s = s, .q = q, .each = each, .ctx = ctx};
    int failed = sqlite_inbox_look(s, INT64_MAX, &w.held, e);
    for (int64_t looked = 0; !failed && q->n_seqs && !is_long(&w) && looked < NUMBERS_MAX; looked++) {
        failed = read_stretch(&w, *q->seqs - 1, *q->seqs, e) < 0;
        q->seqs += !failed;
        q->n_seqs -= !failed;
    }
    sqlite_inbox_look_end(w.held);
    return failed ? -1 : q->n_seqs > 0;
}

int sqlite_walk_quarantine(struct store *store, int64_t *after, int64_t erased_ms, store_each_quarantined *each,
                           void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    int64_t rows = 0, bytes = 0;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_QUARANTINED, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, *after);
    sqlite3_bind_int64(q, 2, erased_ms);
    int rc = SQLITE_ROW;
    while (rows < ROWS_MAX && bytes < BYTES_MAX && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_quarantined row = {.id = sqlite3_column_int64(q, 0),
                                        .first_ms = sqlite3_column_int64(q, 1),
                                        .last_ms = sqlite3_column_int64(q, 2),
                                        .times = sqlite3_column_int64(q, 3),
                                        .endpoint = sqlite_text(q, 4),
                                        .secret = sqlite_text(q, 5),
                                        .signature = sqlite_text(q, 6),
                                        .reason = sqlite_text(q, 7),
                                        .event_id = sqlite_text(q, 8),
                                        .body = sqlite_text(q, 9),
                                        .erased = sqlite3_column_int(q, 10) != 0};
        *after = row.id;
        rows++;
        bytes += (int64_t)row.body.len;
        each(ctx, &row);
    }
    int failed = rc != SQLITE_ROW && rc != SQLITE_DONE ? sqlite_error(s, "reading quarantine", e) : 0;
    sqlite3_reset(q);
    if (rc == SQLITE_DONE)
        *after = INT64_MAX;
    return failed;
}
