/* SPDX-License-Identifier: MIT
 * migrate: bring a database up to this program's schema, a step at a time.
 *
 * The schema is made in memory and compared with what is there, object by object and column by column, so that what is
 * added to schema.sql needs no word here. Only adding: nothing that holds data is removed. */
#include "copy.h"
#include "guard.h"
#include "sqltext.h"

#include <stdio.h>
#include <stdlib.h>

struct compare {
    struct db *s, *model;
    bool newer; /* a newer program has changed it: what is there is better than ours */
    store_each_step *each;
    void *ctx;
    int64_t n;
    bool first_only; /* stop at the first step, and keep it */
    struct store_step step;
    char *drop, *make; /* its statements */
};

/* ---- what is missing ---- */

/* A step: its statements are ours from now on. 1: it is enough. */
static int found(struct compare *c, const struct store_step *step, char *drop, char *make, struct err *e)
{
    c->n++;
    if (!make || (step->remade && !drop)) {
        free(drop);
        free(make);
        return err_set(e, ERR_MEMORY, "comparing the schema: out of memory");
    }
    if (c->each)
        c->each(c->ctx, step);
    if (c->first_only) {
        c->step = *step;
        c->drop = drop;
        c->make = make;
        return 1;
    }
    free(drop);
    free(make);
    return 0;
}

static sqlite3_stmt *columns_of(struct db *s, const char *table, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_COLUMNS, e);
    if (q)
        sqlite3_bind_text(q, 1, table, -1, SQLITE_TRANSIENT);
    return q;
}

/* 1 or 0; -1 and *e. */
static int has_column(struct db *s, const char *table, const char *name, struct err *e)
{
    sqlite3_stmt *q = columns_of(s, table, e);
    bool has = false;
    while (q && !has && sqlite3_step(q) == SQLITE_ROW)
        has = strcmp(sqlite_string(q, 0), name) == 0;
    return !q ? -1 : sqlite3_reset(q) == SQLITE_OK ? has : sqlite_error(s, "reading its columns", e);
}

static int compare_columns(struct compare *c, const char *table, struct err *e)
{
    sqlite3_stmt *q = columns_of(c->model, table, e);
    int result = q ? 0 : -1;
    while (result == 0 && sqlite3_step(q) == SQLITE_ROW) {
        const char *name = sqlite_string(q, 0), *standard = (const char *)sqlite3_column_text(q, 3);
        int has = has_column(c->s, table, name, e);
        if (has)
            result = has < 0 ? -1 : 0;
        else {
            struct store_step step = {.kind = "column"};
            snprintf(step.name, sizeof step.name, "%s.%s", table, name);
            char *make = sqlite3_mprintf("ALTER TABLE %s ADD COLUMN %s %s%s%s%s", table, name, sqlite_string(q, 1),
                                         sqlite3_column_int(q, 2) ? " NOT NULL" : "", standard ? " DEFAULT " : "",
                                         standard ? standard : "");
            char *own = make ? strdup(make) : NULL;
            sqlite3_free(make);
            result = found(c, &step, NULL, own, e);
        }
    }
    if (q)
        sqlite3_reset(q);
    return result;
}

/* How many rows an index is to be made of, where that may be many. */
static int64_t rows_of(struct compare *c, const char *kind, const char *table)
{
    bool large = strcmp(kind, "index") == 0 && (strcmp(table, "event_log") == 0 || strcmp(table, "inbox") == 0);
    int64_t last = 0; /* only told to a person */
    return large && sqlite_last(c->s, &last, NULL) == 0 ? last : 0;
}

static char *drop_of(const struct store_step *step)
{
    char *text = NULL;
    return asprintf(&text, "DROP %s main.%s", step->kind, step->name) < 0 ? NULL : text;
}

/* One object of the model, whose row is at hand. */
static int compare_object(struct compare *c, sqlite3_stmt *q, struct err *e)
{
    const char *kind = sqlite_string(q, 0), *name = sqlite_string(q, 1), *table = sqlite_string(q, 2),
               *text = sqlite_string(q, 3);
    sqlite3_stmt *look = sqlite_prepare(c->s, SQL_OBJECT, e);
    if (!look)
        return -1;
    sqlite3_bind_text(look, 1, kind, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(look, 2, name, -1, SQLITE_TRANSIENT);
    bool there = sqlite3_step(look) == SQLITE_ROW;
    bool same = there && sqltext_is_same(span_of(sqlite_string(look, 0)), span_of(text));
    if (sqlite3_reset(look) != SQLITE_OK)
        return sqlite_error(c->s, "reading its schema", e);
    if (there && strcmp(kind, "table") == 0)
        return compare_columns(c, name, e);
    if (same || (there && c->newer))
        return 0;
    struct store_step step = {.remade = there, .rows = rows_of(c, kind, table)};
    snprintf(step.kind, sizeof step.kind, "%s", kind);
    snprintf(step.name, sizeof step.name, "%s", name);
    return found(c, &step, there ? drop_of(&step) : NULL, strdup(text), e);
}

/* Does one of our tables have a column we do not know? 1 or 0; -1 and *e. */
static int is_newer(struct compare *c, const char *table, struct err *e)
{
    sqlite3_stmt *q = columns_of(c->s, table, e);
    int has = q ? 1 : -1;
    while (has == 1 && sqlite3_step(q) == SQLITE_ROW)
        has = has_column(c->model, table, sqlite_string(q, 0), e);
    if (q)
        sqlite3_reset(q);
    return has < 0 ? -1 : has == 0;
}

static int look_for_newer(struct compare *c, struct err *e)
{
    int64_t version = 0;
    sqlite3_stmt *q = sqlite_prepare(c->model, SQL_OBJECTS, e);
    int failed = !q || sqlite_number(c->s, SQL_VERSION, &version, e) != 0;
    c->newer = version > STORE_SCHEMA;
    while (!failed && !c->newer && sqlite3_step(q) == SQLITE_ROW) {
        bool table = strcmp(sqlite_string(q, 0), "table") == 0;
        int newer = table ? is_newer(c, sqlite_string(q, 1), e) : 0;
        failed = newer < 0;
        c->newer = newer > 0;
    }
    if (q)
        sqlite3_reset(q);
    return failed ? -1 : 0;
}

static int compare_all(struct compare *c, struct err *e)
{
    if (sqlite_lone_open(&c->model, ":memory:", e) != 0)
        return -1;
    int result = sqlite_exec(c->model, sqlite_schema) == SQLITE_OK ? look_for_newer(c, e)
                                                                   : sqlite_error(c->model, "making the schema", e);
    sqlite3_stmt *q = result == 0 ? sqlite_prepare(c->model, SQL_OBJECTS, e) : NULL;
    while (q && result == 0 && sqlite3_step(q) == SQLITE_ROW)
        result = compare_object(c, q, e);
    sqlite_lone_close(c->model);
    return result < 0 ? -1 : 0;
}

int sqlite_missing(struct store *store, store_each_step *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    struct compare c = {.s = s, .each = each, .ctx = ctx};
    return compare_all(&c, e) == 0 ? (int)c.n : -1;
}

/* ---- making it ---- */

static int run_step(struct db *s, const char *text, struct err *e)
{
    return !text || sqlite_exec(s, text) == SQLITE_OK ? 0 : sqlite_error(s, "bringing its schema up to date", e);
}

/* One transaction: whoever sees the database sees the old object or the new one. */
static int make_step(struct compare *c, const struct store_actor *by, int64_t now_ms, struct err *e)
{
    struct db *s = c->s;
    char detail[160];
    struct sqlite_note note = {.action = "migrate", .n = 1, .detail = detail, .from = -1, .to = -1};
    snprintf(detail, sizeof detail, "%s %s%s", c->step.kind, c->step.name, c->step.remade ? " made anew" : " made");
    if (sqlite_do(s, SQL_BEGIN, "beginning a transaction", e) != 0)
        return -1;
    int failed = run_step(s, c->drop, e) != 0 || run_step(s, c->make, e) != 0;
    if (!failed && by && sqlite_prepare(s, SQL_HISTORY, NULL))
        failed = sqlite_write_history(s, &note, by, now_ms, e) != 0;
    if (!failed)
        failed = sqlite_do(s, SQL_COMMIT, "committing", e) != 0;
    if (failed)
        sqlite_do(s, SQL_ROLLBACK, "rolling back", NULL);
    return failed ? -1 : 0;
}

int sqlite_migrate(struct store *store, const struct store_actor *by, int64_t now_ms, struct store_step *step,
                   struct err *e)
{
    struct db *s = db_of(store);
    struct compare c = {.s = s, .first_only = true};
    bool shared = s->lock.fd >= 0; /* nobody else knows a copy */
    if (shared && sqlite_lock(s, e) != 0)
        return -1;
    int result = compare_all(&c, e);
    if (result == 0 && c.n)
        result = make_step(&c, by, now_ms, e) == 0 ? 1 : -1;
    if (shared)
        lock_release(&s->lock);
    free(c.drop);
    free(c.make);
    *step = c.step;
    return result;
}
