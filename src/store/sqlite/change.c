/* SPDX-License-Identifier: MIT
 * change: changes by hand, and the history of them. */
#include "change.h"
#include "number.h"

#include <stdlib.h>

enum { ROWS_MAX = 500, STATES = STORE_STATE_IGNORED + 1 };

/* What a change makes of each state of an event: the state after it, or -1 where it does not apply. */
static const struct rule {
    const char *action;
    int to[STATES];
    enum store_sql sql;
} rules[] = {
    [STORE_REQUEUE] = {"requeue", {-1, 0, 0, 0}, SQL_REQUEUE},
    [STORE_CHANGE_ACK] = {"ack", {1, -1, 1, 1}, SQL_CHANGE_ACK},
    [STORE_CHANGE_DEAD] = {"dead", {2, -1, -1, 2}, SQL_CHANGE_DEAD},
};

/* ---- the transaction, and its history ---- */

int sqlite_has_history(struct db *s, struct err *e)
{
    if (sqlite_prepare(s, s->read_only ? SQL_READ_HISTORY : SQL_HISTORY, NULL))
        return 0;
    return err_set(e, ERR_SCHEMA, "%s has no table history; run complycube-inbox migrate", s->path);
}

int sqlite_change_begin(struct db *s, struct err *e)
{
    sqlite3_stmt *begin = sqlite_prepare(s, SQL_BEGIN, e);
    if (!begin || sqlite_has_history(s, e) != 0 || sqlite_lock(s, e) != 0)
        return -1;
    if (sqlite_run(begin) == SQLITE_OK)
        return 0;
    sqlite_error(s, "beginning a transaction", e);
    lock_release(&s->lock);
    return -1;
}

int sqlite_change_commit(struct db *s, bool failed, struct err *e)
{
    sqlite3_stmt *commit = failed ? NULL : sqlite_prepare(s, SQL_COMMIT, e);
    if (!failed && (!commit || sqlite_run(commit) != SQLITE_OK)) {
        if (commit)
            sqlite_error(s, "committing", e);
        failed = true;
    }
    sqlite3_stmt *rollback = failed ? sqlite_prepare(s, SQL_ROLLBACK, NULL) : NULL;
    if (rollback)
        sqlite_run(rollback);
    return failed ? -1 : 0;
}

int sqlite_change_end(struct db *s, bool failed, struct err *e)
{
    failed = sqlite_change_commit(s, failed, e) != 0;
    lock_release(&s->lock);
    return failed ? -1 : 0;
}

int sqlite_write_history(struct db *s, const struct sqlite_note *note, const struct store_actor *by, int64_t now_ms,
                         struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_HISTORY, e);
    if (!q)
        return -1;
    const char *const texts[] = {by->user, by->sudo_user, by->host, by->reason, note->detail};
    sqlite3_clear_bindings(q);
    sqlite3_bind_int64(q, 1, now_ms);
    sqlite3_bind_text(q, 2, note->action, -1, SQLITE_STATIC);
    if (note->seq)
        sqlite3_bind_int64(q, 3, note->seq);
    if (note->from >= 0)
        sqlite3_bind_int(q, 4, note->from);
    if (note->to >= 0)
        sqlite3_bind_int(q, 5, note->to);
    sqlite3_bind_int64(q, 6, note->n);
    for (int i = 0; i < 5; i++)
        sqlite3_bind_text(q, 7 + i, texts[i], -1, SQLITE_STATIC);
    return sqlite_run(q) == SQLITE_OK ? 0 : sqlite_error(s, "writing the history", e);
}

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

/* ---- one event ---- */

int sqlite_change_run(struct db *s, enum store_sql which, int64_t seq, int64_t now_ms, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    if (sqlite3_bind_parameter_count(q) > 1)
        sqlite3_bind_int64(q, 2, now_ms);
    return sqlite_run(q) == SQLITE_OK ? 0 : sqlite_error(s, "changing an event", e);
}

int sqlite_change_make_row(struct db *s, int64_t endpoint, int64_t seq, int64_t now_ms, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_INBOX, e);
    if (!q)
        return -1;
    const int64_t values[] = {seq, endpoint, 0, now_ms};
    for (int i = 0; i < 4; i++)
        sqlite3_bind_int64(q, i + 1, values[i]);
    return sqlite_run(q) == SQLITE_OK ? 0 : sqlite_error(s, "writing the inbox", e);
}

/* Is it delayed, to its next try or by a wrong clock, and not claimed by a worker? */
static bool is_later(const struct sqlite_change *c, sqlite3_stmt *q, const struct sqlite_standing *v)
{
    if (v->state != STORE_STATE_WAITING)
        return false;
    if (!v->has_row)
        return sqlite_files_later(c, v);
    int64_t left_ms = sqlite3_column_int64(q, 6) - c->now_ms;
    bool claimed = sqlite3_column_int(q, 7);
    return left_ms > STORE_AHEAD_MAX_MS || (left_ms > 0 && !claimed);
}

/* Change the event whose row is at hand: its result, or -1 and *e. */
static int change_one(struct sqlite_change *c, sqlite3_stmt *q, int64_t seq, struct err *e)
{
    const struct rule *rule = &rules[c->what];
    struct sqlite_standing v = {
        .seq = seq,
        .has_row = sqlite3_column_type(q, 0) != SQLITE_NULL,
        .state = sqlite3_column_int(q, 0),
        .endpoint = sqlite_string(q, 2),
        .created_ms = sqlite3_column_int64(q, 3),
        .body = {sqlite3_column_blob(q, 5), (size_t)sqlite3_column_bytes(q, 5)},
    };
    if (!v.has_row) /* its file tells, now or when the inbox was files */
        v.state = sqlite_files_stands(c, &v);
    v.to = v.state >= 0 && v.state < STATES ? rule->to[v.state] : -1;
    if (c->what == STORE_REQUEUE && is_later(c, q, &v))
        v.to = 0;
    if (v.to < 0)
        return STORE_UNCHANGED;
    if (c->what == STORE_REQUEUE && sqlite3_column_int(q, 4))
        return STORE_ERASED;
    int result = STORE_CHANGED;
    if (sqlite_inbox_is_files(c->s) && (!v.has_row || (v.state == STORE_STATE_IGNORED && v.to == 0)))
        result = sqlite_files_change(c, &v, e);
    else if ((!v.has_row && sqlite_change_make_row(c->s, sqlite3_column_int64(q, 1), seq, c->now_ms, e) != 0) ||
             sqlite_change_run(c->s, rule->sql, seq, c->now_ms, e) != 0)
        result = -1;
    struct sqlite_note note = {.action = rule->action, .seq = seq, .n = 1, .from = v.state, .to = v.to};
    return result == STORE_CHANGED && sqlite_write_history(c->s, &note, c->by, c->now_ms, e) != 0 ? -1 : result;
}

static int find_and_change(struct sqlite_change *c, int64_t seq, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(c->s, SQL_STANDING, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    int rc = sqlite3_step(q), result = STORE_MISSING;
    if (rc == SQLITE_ROW)
        result = change_one(c, q, seq, e);
    else if (rc != SQLITE_DONE)
        result = sqlite_error(c->s, "looking for an event", e);
    sqlite3_reset(q);
    return result;
}

/* ---- many ---- */

static int64_t change_all(struct sqlite_change *c, const int64_t *seqs, int64_t n, signed char *results,
                          struct err *e)
{
    int64_t done = 0;
    for (; done < n && done < ROWS_MAX && !sqlite_files_full(c); done++) {
        int result = find_and_change(c, seqs[done], e);
        if (result < 0)
            return -1;
        results[done] = (signed char)result;
    }
    return done;
}

int64_t sqlite_change(struct store *store, enum store_change what, const int64_t *seqs, int64_t n,
                      const struct store_actor *by, int64_t now_ms, store_each_changed *each, void *ctx,
                      struct err *e)
{
    struct db *s = db_of(store);
    signed char results[ROWS_MAX];
    struct sqlite_change c = {.s = s, .what = what, .by = by, .now_ms = now_ms};
    if (sqlite_change_begin(s, e) != 0)
        return -1;
    int64_t done = sqlite_files_begin(&c, e) != 0 ? -1 : change_all(&c, seqs, n, results, e);
    bool failed = done < 0 || sqlite_inbox_sync(s, e) != 0;
    failed = sqlite_change_commit(s, failed, e) != 0;
    sqlite_files_end(&c, failed);
    lock_release(&s->lock);
    for (int64_t i = 0; i < done && !failed; i++)
        each(ctx, seqs[i], (enum store_changed)results[i]);
    return failed ? -1 : done;
}

int sqlite_add_history(struct store *store, const char *action, int64_t n, const char *detail,
                       const struct store_actor *by, int64_t now_ms, struct err *e)
{
    struct db *s = db_of(store);
    struct sqlite_note note = {.action = action, .n = n, .from = -1, .to = -1, .detail = detail};
    if (sqlite_change_begin(s, e) != 0)
        return -1;
    return sqlite_change_end(s, sqlite_write_history(s, &note, by, now_ms, e) != 0, e);
}
