/* SPDX-License-Identifier: MIT
 * store_sqlite_look: what a person is told of the database beside its events. */
#include "store_sqlite_impl.h"

#include <stdio.h>

int store_sqlite_ignored(struct store *s, int64_t since_ms, store_each_count *each, void *ctx, struct err *e)
{
    sqlite3_stmt *q = store_sqlite_prepare(s, SQL_IGNORED, e);
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
    return sqlite3_reset(q) == SQLITE_OK ? 0 : store_sqlite_error(s, "reading what was ignored", e);
}

/* The name in a line "CREATE TABLE name (..."; it ends at a blank. */
static struct span name_in(const char *line)
{
    struct span name = {line, 0};
    for (int words = 0; words < 2; words++) {
        name.at += strcspn(name.at, " ");
        name.at += strspn(name.at, " ");
    }
    name.len = strcspn(name.at, " \n");
    return name;
}

static int has_object(struct store *s, struct span name, struct err *e)
{
    sqlite3_stmt *q = store_sqlite_prepare(s, SQL_OBJECT, e);
    if (!q)
        return -1;
    sqlite3_bind_text(q, 1, name.at, (int)name.len, SQLITE_STATIC);
    int found = sqlite3_step(q) == SQLITE_ROW;
    return sqlite3_reset(q) == SQLITE_OK ? found : store_sqlite_error(s, "reading its schema", e);
}

int store_sqlite_missing(struct store *s, char *names, size_t size, struct err *e)
{
    size_t len = 0;
    *names = '\0';
    for (const char *line = store_sqlite_schema; line; line = strstr(line, "\nCREATE ")) {
        line += *line == '\n';
        struct span name = name_in(line);
        int found = strncmp(line, "CREATE ", 7) != 0 ? 1 : has_object(s, name, e);
        if (found < 0)
            return -1;
        if (!found && len + name.len + 2 < size)
            len += (size_t)snprintf(names + len, size - len, "%s%.*s", len ? " " : "", (int)name.len, name.at);
    }
    return 0;
}
