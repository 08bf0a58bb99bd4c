/* SPDX-License-Identifier: MIT
 * history: reading what was changed by hand. */
#include "number.h"

int sqlite_history(struct store *store, int64_t seq, int64_t since_ms, int64_t before_ms, int64_t limit,
                   store_each_past *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    sqlite3_stmt *q = sqlite_has_history(s, e) == 0 ? sqlite_prepare(s, SQL_READ_HISTORY, e) : NULL;
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    sqlite3_bind_int64(q, 2, since_ms);
    sqlite3_bind_int64(q, 3, before_ms);
    sqlite3_bind_int64(q, 4, limit);
    while (sqlite3_step(q) == SQLITE_ROW) {
        struct store_past p;
        int64_t *const numbers[] = {&p.id, &p.at_ms, &p.seq, &p.n};
        struct span *const texts[] = {&p.action, &p.user,     &p.sudo_user, &p.host, &p.reason,
                                      &p.detail, &p.endpoint, &p.event_id,  &p.type};
        for (int i = 0; i < 4; i++)
            *numbers[i] = sqlite3_column_int64(q, i);
        p.from = sqlite_state_at(q, 4);
        p.to = sqlite_state_at(q, 5);
        for (int i = 0; i < 9; i++)
            *texts[i] = sqlite_text(q, 6 + i);
        each(ctx, &p);
    }
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading the history", e);
}
