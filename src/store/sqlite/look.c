/* SPDX-License-Identifier: MIT
 * look: what a person is told of the database beside its events. */
#include "db.h"

int sqlite_ignored(struct store *store, int64_t since_ms, store_each_count *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    sqlite3_stmt *q = sqlite_prepare(s, SQL_IGNORED, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, since_ms);
    sqlite3_bind_int(q, 2, STORE_IGNORED_MAX);
    while (sqlite3_step(q) == SQLITE_ROW) {
        struct span text[2];
        for (int i = 0; i < 2; i++) {
            const char *at = sqlite3_column_blob(q, i);
            text[i] = (struct span){at ? at : "", (size_t)sqlite3_column_bytes(q, i)};
        }
        struct store_count c = {.n = sqlite3_column_int64(q, 2), .endpoint = text[0], .outcome = text[1]};
        each(ctx, &c);
    }
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading what was ignored", e);
}
