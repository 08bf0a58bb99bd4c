/* SPDX-License-Identifier: MIT
 * guard: what a connection executes, and for how long. */
#include "guard.h"

#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LENGTH_MAX =
        65 << 20,  /* bytes of a value or a row: of the largest max_body there is, 64M, and what goes with it */
    STEPS = 10000, /* of SQLite's machine between two looks at the time: less than a millisecond */
    HURRY = 4      /* a batch after one that took too long gets a fourth of the time */
};

/* ---- settings ---- */

/*
 * A name that the headers at hand do not know is of an SQLite that has no such thing; one that the library does not know is
 * refused by it, and nothing is lost: then the comparison of the schema is what is left.
 */
static const struct option {
    int option, value, since; /* since: of the library */
} options[] = {
    {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0,
     0}, /* ours speak for plain SQL; those of others must not run in our transactions */
    {SQLITE_DBCONFIG_ENABLE_FKEY, 0, 0}, /* no action of a key: all released programs ran without */
#ifdef SQLITE_DBCONFIG_DEFENSIVE
    {SQLITE_DBCONFIG_DEFENSIVE, 1, 0}, /* no statement damages the file, whatever it is made to write to */
#endif
#ifdef SQLITE_DBCONFIG_TRUSTED_SCHEMA
    {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, 0}, /* no function or virtual table with an effect, out of the schema */
#endif
#ifdef SQLITE_DBCONFIG_ENABLE_VIEW
    {SQLITE_DBCONFIG_ENABLE_VIEW, 0, 3035000}, /* until then it would forbid our own views, too */
#endif
#ifdef SQLITE_DBCONFIG_DQS_DML
    {SQLITE_DBCONFIG_DQS_DML, 0, 0}, /* a name of ours that is missing is an error, and no text */
    {SQLITE_DBCONFIG_DQS_DDL, 0, 0}, /* what stands in the schema already is read as before */
#endif
};

/*
 * Not lowered: the depth of expressions, the length of SQL, the number of columns and of parts of a compound. SQLite holds them
 * when it reads the schema, and one view of an application's beyond them would make the whole database unreadable. No heap
 * limit: SQLite would have to count what it takes (SQLITE_CONFIG_MEMSTATUS, switched off), and the length is what bounds it.
 */
static const struct limit {
    int limit, value;
} limits[] = {
    {SQLITE_LIMIT_LENGTH, LENGTH_MAX},
    {SQLITE_LIMIT_EXPR_DEPTH, 1000},        /* SQLite's own, where it was built without one */
    {SQLITE_LIMIT_VDBE_OP, 25000},          /* our longest statement has 600 */
    {SQLITE_LIMIT_ATTACHED, 1},             /* a restore reads the replaced database */
    {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64}, /* matching takes the product of both lengths; we match nothing */
    {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
    {SQLITE_LIMIT_WORKER_THREADS, 0},
};

/* ---- time ---- */

/* A signal that ends a process is blocked where a descriptor waits for it: it is there, and nobody has taken it yet. */
static bool must_end(void)
{
    sigset_t waiting;
    return sigpending(&waiting) == 0 &&
           (sigismember(&waiting, SIGTERM) || sigismember(&waiting, SIGINT) || sigismember(&waiting, SIGHUP));
}

/*
 * As it reads the schema, SQLite reads the statistics that an application may have made: out of a table whose columns compute
 * what they like, and nobody can have compared that yet. Our statements need no statistics.
 */
static bool reads_statistics(const struct db *s)
{
    sqlite3_stmt *latest = sqlite3_next_stmt(s->db, NULL);
    const char *first = latest ? sqlite3_column_name(latest, 0) : NULL;
    return first && (strcmp(first, "tbl") == 0 || strcmp(first, "idx") == 0);
}

static int tick(void *ctx)
{
    const struct db *s = ctx;
    if (s->watching && reads_statistics(s))
        return 1;
    if (s->tick && s->tick(s->tick_ctx))
        return 1;
    return s->end_ms ? clock_ms() >= s->end_ms : must_end();
}

/* A statement asks before its first row when it is watched. */
static void watch_schema(struct db *s, bool watching)
{
    if (s->watching == watching)
        return;
    s->watching = watching;
    sqlite3_progress_handler(s->db, watching ? 1 : STEPS, tick, s);
}

void sqlite_begin_work(struct db *s)
{
    watch_schema(s, false);
    int ms = s->hurried ? s->limit_ms / HURRY : s->limit_ms;
    s->end_ms = s->deadline_ms ? s->deadline_ms : ms ? clock_ms() + ms : 0;
}

/* ---- compiling ---- */

/*
 * SQLite compiles a statement again by itself when the schema of the file has changed. While events are recorded it may not:
 * what would run then has not been compared. For a SELECT it asks before it reads the schema.
 */
/* Statements that only read. A pragma without a value reads, except the one that loads the schema again. */
static bool only_reads(int action, const char *pragma, const char *value)
{
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE:
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT: return true;
    case SQLITE_PRAGMA: return !value || strcmp(pragma, "table_info") == 0 || strcmp(value, "RESET") == 0;
    default: return false;
    }
}

static int authorize(void *ctx, int action, const char *a, const char *b, const char *database, const char *by)
{
    struct db *s = ctx;
    (void)database, (void)by;
    if (s->read_only && !only_reads(action, a, b))
        return SQLITE_DENY;
    if (s->compiling)
        return SQLITE_OK;
    if (action == SQLITE_SELECT)
        watch_schema(s, true);
    s->unknown = true;
    s->denied |= s->recording;
    return s->recording ? SQLITE_DENY : SQLITE_OK;
}

int sqlite_compile(struct db *s, const char *text, unsigned flags, sqlite3_stmt **q)
{
    s->compiling = true;
    watch_schema(s, true);
    int rc = sqlite3_prepare_v3(s->db, text, -1, flags, q, NULL);
    s->compiling = false;
    watch_schema(s, false);
    s->unknown |= rc != SQLITE_OK; /* a name that is missing is looked for in the file again */
    return rc;
}

int sqlite_exec(struct db *s, const char *text)
{
    s->compiling = true;
    watch_schema(s, true);
    int rc = sqlite3_exec(s->db, text, NULL, NULL, NULL);
    s->compiling = false;
    watch_schema(s, false);
    return rc;
}

static void take_stopping(void *ctx, const struct store_alteration *one)
{
    char *why = ctx;
    if (!one->stops || *why)
        return;
    snprintf(why, 200, "the %.16s %.60s %s", one->kind, one->name, store_altered_words(one->what));
}

static int compare_tables(struct db *s, bool begun, char why[static 200], struct err *e)
{
    *why = '\0';
    if ((begun ? sqlite_altered_here(s, take_stopping, why, e) : sqlite_altered(&s->store, take_stopping, why, e)) <
        0)
        return -1;
    s->unknown = *why != '\0';
    return 0;
}

int sqlite_look_at_tables(struct db *s, struct err *e)
{
    char why[200];
    return compare_tables(s, true, why, e);
}

int sqlite_check_tables(struct db *s, struct err *e)
{
    char why[200];
    if (!s->unknown)
        return 0;
    for (size_t i = 0; i < STORE_SQL_COUNT; i++) {
        sqlite3_finalize(s->prepared[i]);
        s->prepared[i] = NULL;
    }
    if (sqlite_exec(s, "PRAGMA writable_schema=RESET") != SQLITE_OK) /* read it again; before 3.33 it does nothing */
        return sqlite_error(s, "reading its schema", e);
    if (compare_tables(s, false, why, e) != 0)
        return -1;
    if (*why)
        return err_set(e, ERR_DATABASE,
                       "%s: %s: nothing is recorded into it; complycube-inbox doctor says how to put it right",
                       s->path, why);
    return 0;
}

int sqlite_refuse_altered(struct db *s, const char *about, struct err *e)
{
    char why[200];
    if (compare_tables(s, false, why, e) != 0)
        return -1;
    return *why ? err_set(e, ERR_DATABASE, "%s: %s: somebody altered it, and it is not used", about, why) : 0;
}

int sqlite_seal(struct db *s, int deadline_ms, struct err *e)
{
    if (sqlite_exec(s, "PRAGMA query_only=ON") != SQLITE_OK)
        return sqlite_error(s, "setting it up", e);
    s->read_only = true;
    s->deadline_ms = deadline_ms ? clock_ms() + deadline_ms : 0;
    sqlite_begin_work(s);
    return 0;
}

/* ---- all of it ---- */

int sqlite_guard(struct db *s, struct err *e)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (sqlite3_libversion_number() >= options[i].since)
            sqlite3_db_config(s->db, options[i].option, options[i].value, NULL);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(s->db, limits[i].limit, limits[i].value);
    sqlite3_progress_handler(s->db, STEPS, tick, s);
    sqlite3_set_authorizer(s->db, authorize, s);
    s->unknown = true;
    /* A page whose cells overlap is damaged, and is reported so when it is read. */
    return sqlite_exec(s, "PRAGMA cell_size_check=ON") == SQLITE_OK ? 0 : sqlite_error(s, "setting it up", e);
}

int sqlite_make_views(struct db *s, struct err *e)
{
    static const char begins[] = "\nCREATE VIEW ";
    const char *at = sqlite_schema, *end;
    while ((at = strstr(at, begins)) && (end = strstr(at, ";\n"))) {
        at += sizeof begins - 1;
        char *text = sqlite3_mprintf("CREATE TEMP VIEW %.*s", (int)(end - at), at);
        int rc = text ? sqlite_exec(s, text) : SQLITE_NOMEM;
        sqlite3_free(text);
        if (rc != SQLITE_OK)
            return sqlite_error(s, "making its views", e);
    }
    return 0;
}
