/* SPDX-License-Identifier: MIT
 * audit: the rows of the log as they stand, with what no program of ours would have written. */
#include "base/text.h"
#include "number.h"

enum { ROWS_MAX = 500, BYTES_MAX = 4 << 20, DIGEST = 32 /* bytes, as of a signature */ };

/* The columns of SQL_AUDIT after those of an event. */
enum {
    ERASED = 24,
    DIGEST_AT,
    SIGNATURE,
    PAYLOAD_AT,
    PAYLOAD_LEN,
    ENDPOINT_KNOWN,
    SECRET_FITS,
    ID_ALONE,
    INBOX_FITS
};
enum { DUE = 3, DONE, ATTEMPTS, STATE, SOURCE = 16, BODY = 23 };

static bool is_number(sqlite3_stmt *q, int column)
{
    int64_t n;
    return sqlite_number_at(q, column, 0, INT64_MAX, &n);
}

static bool is_time_or_null(sqlite3_stmt *q, int column)
{
    int64_t n;
    return sqlite3_column_type(q, column) == SQLITE_NULL || sqlite_number_at(q, column, 1, INT64_MAX, &n);
}

static bool is_number_or_null(sqlite3_stmt *q, int column)
{
    return sqlite3_column_type(q, column) == SQLITE_NULL || is_number(q, column);
}

static bool is_text(sqlite3_stmt *q, int column) { return sqlite3_column_type(q, column) == SQLITE_TEXT; }

static bool is_text_or_null(sqlite3_stmt *q, int column)
{
    return sqlite3_column_type(q, column) == SQLITE_NULL || is_text(q, column);
}

static bool is_blob_or_null(sqlite3_stmt *q, int column)
{
    return sqlite3_column_type(q, column) == SQLITE_NULL || sqlite3_column_type(q, column) == SQLITE_BLOB;
}

static bool is_digest_or_null(sqlite3_stmt *q, int column)
{
    return is_blob_or_null(q, column) &&
           (sqlite3_column_type(q, column) == SQLITE_NULL || sqlite3_column_bytes(q, column) == DIGEST);
}

static bool is_true(sqlite3_stmt *q, int column) { return sqlite3_column_int(q, column) != 0; }

/* Of which way it came. */
static bool is_source(sqlite3_stmt *q, int column)
{
    static const char *const sources[] = {"received", "spool", "imported", "accepted", "reconciled"};
    bool found = false;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        found |= is_text(q, column) && span_equal(sqlite_text(q, column), span_of(sources[i]));
    return found;
}

static bool is_event_number(sqlite3_stmt *q, int column)
{
    int64_t n;
    return sqlite_number_at(q, column, 1, STORE_NUMBER_MAX, &n);
}

/* NULL, or the first column that holds what no program of ours writes. */
static const char *odd_column(sqlite3_stmt *q)
{
    static const struct {
        int column;
        bool (*fits)(sqlite3_stmt *q, int column);
        const char *name;
    } columns[] = {{0, is_event_number, "seq"},
                   {ENDPOINT_KNOWN, is_true, "endpoint"},
                   {9, is_text, "event_id"},
                   {10, is_text, "type"},
                   {ID_ALONE, is_true, "event_id"},
                   {11, is_text_or_null, "resource_type"},
                   {12, is_text_or_null, "resource_id"},
                   {13, is_text_or_null, "client_id"},
                   {14, is_text_or_null, "status"},
                   {15, is_text_or_null, "outcome"},
                   {1, is_number, "created_ms"},
                   {2, is_number, "received_ms"},
                   {SOURCE, is_source, "source"},
                   {SECRET_FITS, is_true, "secret"},
                   {SIGNATURE, is_digest_or_null, "signature"},
                   {ERASED, is_time_or_null, "erased_ms"},
                   {DIGEST_AT, is_digest_or_null, "payload_sha256"},
                   {PAYLOAD_AT, is_number_or_null, "payload_at"},
                   {PAYLOAD_LEN, is_number_or_null, "payload_len"},
                   {BODY, is_blob_or_null, "body"}};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (!columns[i].fits(q, columns[i].column))
            return columns[i].name;
    return NULL;
}

static bool inbox_is_odd(sqlite3_stmt *q)
{
    if (sqlite3_column_type(q, STATE) == SQLITE_NULL)
        return false; /* there is none */
    return !is_true(q, INBOX_FITS) || sqlite_state_at(q, STATE) < 0 || !is_number(q, DUE) ||
           !is_number(q, ATTEMPTS) || !is_number_or_null(q, DONE);
}

int sqlite_audit(struct store *store, int64_t *from, store_each_row *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    int64_t rows = 0, bytes = 0, last = INT64_MIN;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_AUDIT, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, *from);
    int rc = SQLITE_ROW;
    while (rows < ROWS_MAX && bytes < BYTES_MAX && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_row row = {.odd = odd_column(q), .odd_inbox = inbox_is_odd(q)};
        sqlite_log_row(q, &row.event);
        row.event.erased_ms = sqlite3_column_int64(q, ERASED);
        row.event.payload_sha256 = sqlite_text(q, DIGEST_AT);
        last = row.event.seq;
        rows++;
        bytes += (int64_t)row.event.body.len;
        each(ctx, &row);
    }
    int failed = rc != SQLITE_ROW && rc != SQLITE_DONE ? sqlite_error(s, "reading events", e) : 0;
    sqlite3_reset(q);
    bool more = rc == SQLITE_ROW && last < INT64_MAX;
    *from = more ? last + 1 : *from;
    return failed ? -1 : more;
}

/* A name of an endpoint or a secret, in a row of its number. */
static int count_odd_names(struct db *s, enum store_sql which, int64_t *n, struct err *e)
{
    int64_t id;
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    if (!q)
        return -1;
    while (sqlite3_step(q) == SQLITE_ROW)
        *n += !sqlite_number_at(q, 0, 1, STORE_NUMBER_MAX, &id) || !is_text(q, 1) ||
              !text_is_name(sqlite_text(q, 1)) || !is_true(q, 2);
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading names", e);
}

int sqlite_odd_rows(struct store *store, struct store_odd *odd, struct err *e)
{
    struct db *s = db_of(store);
    int64_t sound = 0;
    *odd = (struct store_odd){0};
    if (sqlite_number(s, SQL_STRAYS, &odd->inbox, e) != 0 || sqlite_number(s, SQL_SOUND_SETTING, &sound, e) != 0)
        return -1;
    odd->setting = !sound;
    return count_odd_names(s, SQL_ENDPOINT_NAMES, &odd->names, e) != 0 ||
                   count_odd_names(s, SQL_SECRET_NAMES, &odd->names, e) != 0
               ? -1
               : 0;
}
