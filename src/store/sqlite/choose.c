/* SPDX-License-Identifier: MIT
 * choose: the numbers of events that are old enough to be pruned, and of those of one person. */
#include "inbox.h"
#include "number.h"

/* Does an older event of its resource stay? Of the directory form, where the files tell. */
static int is_behind(struct db *s, const struct sqlite_look *held, int64_t seq, struct err *e)
{
    bool found = false;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_OLDER, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, seq);
    while (!found && sqlite3_step(q) == SQLITE_ROW)
        found = sqlite_inbox_has_file(held, sqlite3_column_int64(q, 0));
    return found ? (sqlite3_reset(q), 1) : (sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading events", e));
}

static int choose(struct db *s, enum store_sql which, int64_t before_ms, const struct sqlite_look *held,
                  struct seqs *all, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    int failed = q ? 0 : -1;
    if (failed)
        return -1;
    sqlite3_bind_int64(q, 1, before_ms);
    while (!failed && sqlite3_step(q) == SQLITE_ROW) {
        int64_t seq;
        failed = sqlite_id(s, q, 0, "an event has a number", &seq, e);
        if (failed)
            break;
        int stays = !held ? 0 : sqlite_inbox_has_file(held, seq) ? 1 : is_behind(s, held, seq, e);
        failed = stays < 0 ? -1 : stays ? 0 : seqs_add(all, seq, e);
    }
    if (sqlite3_reset(q) != SQLITE_OK && !failed)
        failed = sqlite_error(s, "reading events", e);
    return failed;
}

int64_t sqlite_prunable(struct db *s, int64_t before_ms, int64_t **seqs, struct err *e)
{
    struct seqs all = {0};
    struct sqlite_look *held = NULL;
    int failed = choose(s, SQL_PRUNABLE, before_ms, NULL, &all, e);
    if (!failed && sqlite_inbox_is_files(s))
        failed = sqlite_inbox_look(s, before_ms, &held, e) != 0 ||
                 choose(s, SQL_PRUNABLE_FILES, before_ms, held, &all, e) != 0;
    sqlite_inbox_look_end(held);
    if (failed) {
        seqs_release(&all);
        return -1;
    }
    seqs_sort(&all); /* as they stand in the file */
    *seqs = all.at;
    return (int64_t)all.n;
}

int64_t sqlite_of_client(struct db *s, const struct store_query *f, int64_t **seqs, struct err *e)
{
    struct seqs all = {0};
    sqlite3_stmt *q = sqlite_prepare(s, SQL_PERSON, e);
    if (!q)
        return -1;
    sqlite3_bind_text(q, 1, f->client_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, f->endpoint, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, f->resource_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 4, f->since_ms);
    sqlite3_bind_int64(q, 5, f->before_ms);
    if (sqlite_read_seqs(s, q, &all, e) != 0) {
        seqs_release(&all);
        return -1;
    }
    *seqs = all.at;
    return (int64_t)all.n;
}
