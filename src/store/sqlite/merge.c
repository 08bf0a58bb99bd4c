/* SPDX-License-Identifier: MIT
 * merge: what the backup lacks, from the database that it replaces.
 *
 * Names are compared, not numbers: the backup may be of another database than the one that is replaced. An event keeps its
 * number where that is free. The copy is nobody else's, so that only reading is done in small pieces. */
#include "merge.h"
#include "number.h"

/* One event: *seq is the number it has now. `to` 0: a new one, else the event that was erased since. */
static int bring(struct sqlite_merge *b, int64_t from, int64_t endpoint, int64_t to, int64_t *seq, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(b->copy, SQL_OLD_BRING, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, from);
    sqlite3_bind_int64(q, 2, endpoint);
    if (to)
        sqlite3_bind_int64(q, 3, to);
    else
        sqlite3_bind_null(q, 3);
    if (sqlite_run(q) != SQLITE_OK)
        return sqlite_error(b->copy, "bringing an event over", e);
    return sqlite_made(b->copy, "an event has a number", seq, e);
}

static int run_with(struct db *s, enum store_sql which, const int64_t *values, int n, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    if (!q)
        return -1;
    for (int i = 0; i < n; i++)
        sqlite3_bind_int64(q, i + 1, values[i]);
    return sqlite_run(q) == SQLITE_OK ? 0 : sqlite_error(s, "bringing an event over", e);
}

/* The backup already has this event; it was erased or replaced since the backup. */
static int bring_one(struct sqlite_merge *b, int64_t from, int64_t endpoint, int64_t known, bool erased,
                     struct err *e)
{
    int64_t seq;
    *(known && erased ? &b->erased : &b->missing) += 1;
    if (known && erased) /* nothing is left to hand on */
        return bring(b, from, endpoint, known, &seq, e) != 0 ? -1 : run_with(b->copy, SQL_OLD_ERASED, &known, 1, e);
    if (b->leave)
        return 0;
    if (bring(b, from, endpoint, known, &seq, e) != 0)
        return -1;
    const int64_t row[] = {from, seq, endpoint}, pair[] = {seq, from};
    return run_with(b->copy, SQL_OLD_INBOX, row, 3, e) != 0 || run_with(b->copy, SQL_BROUGHT, pair, 2, e) != 0 ? -1
                                                                                                               : 0;
}

/* At most 500 rows of the old log, *n, the last of them with the number *upto. */
static int next_chunk(struct sqlite_merge *b, int64_t *n, int64_t *upto, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(b->copy, SQL_OLD_CHUNK, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, b->upto);
    *n = 0;
    if (sqlite3_step(q) == SQLITE_ROW) {
        *n = sqlite3_column_int64(q, 1);
        *upto = sqlite3_column_int64(q, 0);
    }
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(b->copy, "reading the replaced database", e);
}

static int bring_chunk(struct sqlite_merge *b, int64_t upto, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(b->copy, SQL_OLD_MISSING, e);
    int failed = !q;
    if (q) {
        sqlite3_bind_int64(q, 1, b->upto);
        sqlite3_bind_int64(q, 2, upto);
    }
    while (!failed && sqlite3_step(q) == SQLITE_ROW)
        failed = bring_one(b, sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), sqlite3_column_int64(q, 2),
                           sqlite3_column_int(q, 3) != 0, e) != 0;
    if (q && sqlite3_reset(q) != SQLITE_OK && !failed)
        failed = sqlite_error(b->copy, "reading the replaced database", e);
    return failed ? -1 : 0;
}

static int bring_names(struct sqlite_merge *b, struct err *e)
{
    return sqlite_do(b->copy, SQL_OLD_ENDPOINTS, "bringing the endpoints over", e) != 0 ||
                   sqlite_do(b->copy, SQL_OLD_SECRETS, "bringing the secrets' names over", e) != 0
               ? -1
               : 0;
}

/* Each piece is a transaction, so that the old one is never read for long at a time. */
int64_t sqlite_merge_events(struct sqlite_merge *b, struct err *e)
{
    int64_t looked = 0, n = 0, upto = 0, last = 0;
    if (sqlite_number(b->copy, SQL_OLD_LAST, &last, e) != 0 || bring_names(b, e) != 0)
        return -1;
    for (;;) {
        if (next_chunk(b, &n, &upto, e) != 0)
            return -1;
        if (n == 0)
            return looked;
        if (sqlite_do(b->copy, SQL_SNAPSHOT, "beginning", e) != 0)
            return -1;
        int failed = bring_chunk(b, upto, e);
        if (sqlite_do(b->copy, SQL_COMMIT, "keeping what was brought over", failed ? NULL : e) != 0 || failed)
            return -1;
        b->upto = upto;
        looked += n;
        const struct store_teller *t = b->teller;
        if (t->tell && !t->tell(t->ctx, "comparing", upto, last))
            return err_set(e, ERR_SYSTEM, "told to stop; nothing was changed");
    }
}

int sqlite_merge_last(struct sqlite_merge *b, struct err *e)
{
    static const enum store_sql events[] = {SQL_BROUGHT_FORGET, SQL_BROUGHT_AGAIN};
    static const enum store_sql others[] = {SQL_OLD_QUARANTINE_GONE, SQL_OLD_QUARANTINE, SQL_OLD_COUNTER};
    if (sqlite_merge_events(b, e) < 0)
        return -1;
    if (b->leave)
        return 0;
    int failed = sqlite_do(b->copy, SQL_SNAPSHOT, "beginning", e);
    for (size_t i = 0; !failed && i < 2; i++)
        failed = sqlite_do(b->copy, events[i], "bringing the states over", e);
    for (size_t i = 0; !failed && i < 3; i++)
        failed = sqlite_do(b->copy, others[i], "bringing the rest over", e);
    if (!failed && sqlite_prepare(b->copy, SQL_OLD_HISTORY, NULL)) /* it may be older than that table */
        failed = sqlite_do(b->copy, SQL_OLD_HISTORY, "bringing the history over", e);
    if (sqlite_do(b->copy, SQL_COMMIT, "keeping what was brought over", failed ? NULL : e) != 0)
        failed = -1;
    return failed;
}
