/* SPDX-License-Identifier: MIT
 * number: numbers, floors and settings that applications may have written. */
#include "number.h"

bool sqlite_number_at(sqlite3_stmt *q, int column, int64_t least, int64_t most, int64_t *n)
{
    *n = sqlite3_column_int64(q, column);
    return sqlite3_column_type(q, column) == SQLITE_INTEGER && *n >= least && *n <= most;
}

int sqlite_state_at(sqlite3_stmt *q, int column)
{
    int64_t state;
    return sqlite_number_at(q, column, 0, 3, &state) ? (int)state : -1;
}

static int refuse_number(struct db *s, const char *what, struct err *e)
{
    return err_set(
        e, ERR_DATABASE,
        "%s: %s that this program does not write; see complycube-inbox doctor, and restore a backup if it was "
        "changed by hand",
        s->path, what);
}

int sqlite_id(struct db *s, sqlite3_stmt *q, int column, const char *what, int64_t *id, struct err *e)
{
    return sqlite_number_at(q, column, 1, STORE_NUMBER_MAX, id) ? 0 : refuse_number(s, what, e);
}

int sqlite_made(struct db *s, const char *what, int64_t *id, struct err *e)
{
    *id = sqlite3_last_insert_rowid(s->db);
    return sqlite3_changes(s->db) == 1 && *id >= 1 && *id <= STORE_NUMBER_MAX ? 0 : refuse_number(s, what, e);
}

int sqlite_last(struct db *s, int64_t *last, struct err *e)
{
    int64_t first = 0;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_LAST, e);
    if (!q)
        return -1;
    bool found = sqlite3_step(q) == SQLITE_ROW;
    bool good = found && sqlite_number_at(q, 0, 0, STORE_NUMBER_MAX, last) &&
                sqlite_number_at(q, 1, 1, STORE_NUMBER_MAX, &first);
    if (sqlite3_reset(q) != SQLITE_OK)
        return sqlite_error(s, "reading the log", e);
    return good ? 0 : refuse_number(s, "an event has a number", e);
}

/* The column is younger than the first databases. */
int sqlite_floor(struct db *s, int64_t *floor, struct err *e)
{
    int64_t last = 0;
    *floor = 0;
    sqlite3_stmt *q = sqlite_prepare(s, SQL_FLOOR, NULL);
    if (!q)
        return 0;
    bool set = sqlite3_step(q) == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL;
    bool good = !set || sqlite_number_at(q, 0, 0, STORE_NUMBER_MAX, floor);
    if (sqlite3_reset(q) != SQLITE_OK)
        return sqlite_error(s, "reading the settings", e);
    if (!good)
        return refuse_number(s, "seq_floor is a number", e);
    if (*floor && sqlite_last(s, &last, e) != 0)
        return -1;
    *floor = last < *floor ? *floor : 0;
    return 0;
}

int sqlite_setting(struct db *s, struct maildir_setting *setting, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_SETTING, e);
    if (!q)
        return -1;
    bool good = sqlite3_step(q) == SQLITE_ROW &&
                sqlite_number_at(q, 0, 1, MAILDIR_NUMBER_MAX, &setting->max_attempts) &&
                sqlite_number_at(q, 1, 1, MAILDIR_NUMBER_MAX, &setting->lease_ms) &&
                sqlite_number_at(q, 2, 0, MAILDIR_NUMBER_MAX, &setting->backoff_ms);
    if (sqlite3_reset(q) != SQLITE_OK)
        return sqlite_error(s, "reading the settings", e);
    return good
               ? 0
               : err_set(
                     e, ERR_DATABASE,
                     "%s: max_attempts, lease_ms or backoff_ms in the table setting is missing or no sound number; put "
                     "it right: complycube-inbox(5), \"Table setting\"",
                     s->path);
}
