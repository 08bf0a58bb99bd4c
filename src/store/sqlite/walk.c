/* SPDX-License-Identifier: MIT
 * walk: reading all there is, by short reads: events by their numbers, and quarantine. */
#include "db.h"

enum { ROWS_MAX = 500, BYTES_MAX = 4 << 20, NUMBERS_MAX = 20000 };

static struct span blob_at(sqlite3_stmt *q, int column)
{
    const char *at = sqlite3_column_blob(q, column);
    bool is_null = sqlite3_column_type(q, column) == SQLITE_NULL;
    return is_null ? (struct span){0} : (struct span){at ? at : "", (size_t)sqlite3_column_bytes(q, column)};
}

static void bind_filter(sqlite3_stmt *q, const struct store_filter *f, int64_t after, int64_t to)
{
    const char *const texts[] = {f->endpoint, f->type, f->resource_id, f->client_id};
    const int64_t numbers[] = {f->since_ms, f->before_ms, after, to};
    sqlite3_bind_int(q, 1, f->state);
    for (int i = 0; i < 4; i++)
        sqlite3_bind_text(q, i + 2, texts[i], -1, SQLITE_STATIC);
    for (int i = 0; i < 4; i++)
        sqlite3_bind_int64(q, i + 6, numbers[i]);
}

int sqlite_walk(struct store *s, const struct store_filter *f, int64_t *after, int64_t to, store_each *each,
                void *ctx, struct err *e)
{
    struct sqlite_held *held = NULL;
    int64_t end = to - *after > NUMBERS_MAX ? *after + NUMBERS_MAX : to, rows = 0, bytes = 0;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_WALK, e);
    if (!q || (s->directory && sqlite_files_held(s, INT64_MAX, &held, e) != 0))
        return -1;
    bind_filter(q, f, *after, end);
    int rc = SQLITE_ROW;
    while (rows < ROWS_MAX && bytes < BYTES_MAX && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_event v;
        sqlite_event(q, &v);
        v.erased_ms = sqlite3_column_int64(q, 24);
        v.payload_sha256 = blob_at(q, 25);
        if (held)
            sqlite_files_tell(s, held, &v);
        *after = v.seq;
        rows++;
        bytes += (int64_t)v.body.len;
        if (f->state < 0 || v.state == f->state)
            each(ctx, &v);
    }
    int failed = rc != SQLITE_ROW && rc != SQLITE_DONE ? sqlite_error(s, "reading events", e) : 0;
    sqlite3_reset(q);
    sqlite_files_held_free(held);
    if (rc == SQLITE_DONE)
        *after = end;
    return failed;
}

int sqlite_quarantined(struct store *s, int64_t *after, int64_t erased_ms, store_each_quarantined *each, void *ctx,
                       struct err *e)
{
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
                                        .endpoint = blob_at(q, 4),
                                        .secret = blob_at(q, 5),
                                        .signature = blob_at(q, 6),
                                        .reason = blob_at(q, 7),
                                        .event_id = blob_at(q, 8),
                                        .body = blob_at(q, 9),
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
