/* SPDX-License-Identifier: MIT
 * altered: what a database's schema may hold of others, and what is told of it. */
#include "store/store_file.h"
#include "unit.h"

#include <sqlite3.h>

static char folder[64], database[100];

static int start(void **state)
{
    (void)state;
    unit_folder(folder);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    unit_remove(folder);
    return 0;
}

static struct store *opened(void)
{
    struct store *s = NULL;
    struct err e = {0};
    const struct store_options o = {
        .url = database, .journal = "wal", .group = (gid_t)-1, .create = true, .wait_ms = 1000};
    if (store_open(&s, &o, &e) != 0)
        fail_msg("%s", e.msg);
    return s;
}

/* A database of its own, which somebody has changed so. */
static void begin(const char *name, const char *sql)
{
    sqlite3 *db;
    snprintf(database, sizeof database, "%s/%s.db", folder, name);
    store_close(opened());
    assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

struct told {
    int n;
    char text[200];
};

static void take(void *ctx, const struct store_alteration *one)
{
    static const char *const whats[] = {"text", "kind", "trigger", "index", "row"};
    struct told *told = ctx;
    size_t len = strlen(told->text);
    snprintf(told->text + len, sizeof told->text - len, "%s%s %s %s%s", told->n++ ? ", " : "", whats[one->what],
             one->kind, one->name, one->stops ? "!" : "");
}

static void is_told(int number, const char *sql, const char *expected)
{
    char name[16];
    struct told told = {.n = 0};
    struct err e = {0};
    snprintf(name, sizeof name, "%d", number);
    begin(name, sql);
    struct store *s = opened();
    int64_t n = store_altered(s, take, &told, &e);
    if (n != told.n)
        fail_msg("%s: %s", sql, n < 0 ? e.msg : "another number");
    if (strcmp(told.text, expected) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\"", sql, told.text, expected);
    store_close(s);
}

/* A text of the schema is replaced in its place, as one may who edits the file. */
#define REWRITE(name, from, to) \
    "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql=replace(sql,'" from "','" to "') WHERE name='" name "'"

/* At the beginning of a word it is a blank to SQLite. */
#define BOM "\xEF\xBB\xBF"

static void what_computes_nothing_is_nobodys_affair(void **state)
{
    (void)state;
    static const char *const harmless[] = {
        "SELECT 1",
        "ANALYZE",
        "VACUUM",
        "CREATE TABLE mine (a, b AS (a * 2), CHECK (a > 0)); CREATE UNIQUE INDEX mine_a ON mine (a, abs(a))",
        "CREATE TABLE [odd \"name\"] (a); CREATE INDEX `an odd one` ON [odd \"name\"] (a + 1)",
        "CREATE TABLE mine (a); CREATE TRIGGER mine_t AFTER INSERT ON mine BEGIN DELETE FROM mine; END",
        "CREATE VIEW mine AS SELECT event_id FROM events",
        "CREATE INDEX by_client ON event_log (client_id)",
        "CREATE INDEX \"by client\" ON \"event_log\" (client_id COLLATE nocase DESC, \"type\", created_ms ASC)",
        "ALTER TABLE event_log ADD COLUMN noted TEXT",
        "ALTER TABLE inbox ADD COLUMN weight INTEGER NOT NULL DEFAULT -1",
        REWRITE("event_resource", " ON ", "\n\tON -- its table\n"),
        REWRITE("inbox", "  ", " "),
        REWRITE("event_log", "-- offset", "--\n-- an offset"),
        REWRITE("event_log", "-- offset", "/**/ /* it''s, ( an * offset */ -- "),
        REWRITE("event_resource", " ON ", " " BOM "ON " BOM),
        "CREATE TABLE own (a); CREATE UNIQUE INDEX u /* ON event_log */ ON own (a)",
    };
    for (int i = 0; i < (int)(sizeof harmless / sizeof *harmless); i++)
        is_told(i, harmless[i], "");
}

static void what_runs_or_forbids_something_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *told;
    } cases[] = {
        {"CREATE TRIGGER t AFTER INSERT ON event_log BEGIN DELETE FROM event_log WHERE seq=NEW.seq; END",
         "trigger trigger t"},
        {"CREATE TRIGGER t INSTEAD OF UPDATE OF state ON events BEGIN SELECT 1; END", "trigger trigger t"},
        {"DROP TRIGGER inbox_state; CREATE TRIGGER inbox_state AFTER UPDATE ON inbox BEGIN SELECT 1; END",
         "text trigger inbox_state"},
        {"DROP VIEW pending; CREATE VIEW pending AS SELECT * FROM events", "text view pending"},
        {"DROP VIEW newer; CREATE TABLE newer (seq, newer_seq, newer_type)", "kind table newer!"},
        {"DROP VIEW newer; CREATE VIEW NEWER AS SELECT 1 seq", "kind view NEWER!"},
        {"CREATE UNIQUE INDEX u ON event_log (type)", "index index u!"},
        {"CREATE INDEX u ON event_log (instr(body, type))", "index index u!"},
        {"CREATE INDEX u ON event_log (body LIKE type)", "index index u!"},
        {"CREATE INDEX u ON event_log (type || type)", "index index u!"},
        {"CREATE INDEX u ON event_log (type) WHERE type > 'a'", "index index u!"},
        {"DROP INDEX inbox_due; CREATE INDEX inbox_due ON inbox (state)", "text index inbox_due!"},
        {"DROP TABLE counter; CREATE VIEW counter AS SELECT 1", "kind view counter!"},
        {"DROP TABLE counter; CREATE VIRTUAL TABLE counter USING fts4 (hour_ms)", "text table counter!"},
        {"ALTER TABLE event_log ADD COLUMN x AS (instr(body, type))", "text table event_log!"},
        {"ALTER TABLE event_log ADD COLUMN x CHECK (instr(body, type))", "text table event_log!"},
        {"ALTER TABLE event_log ADD COLUMN x DEFAULT (1)", "text table event_log!"},
        {REWRITE("event_log", "body           BLOB", "x NOT NULL ON CONFLICT IGNORE, body BLOB"),
         "text table event_log!"},
        {REWRITE("event_log", "body           BLOB", "x NOT NULL, body BLOB"), "text table event_log!"},
        {REWRITE("event_log", "UNIQUE (event_id, type, endpoint)",
                 "UNIQUE (event_id, type, endpoint) ON CONFLICT REPLACE"),
         "text table event_log!"},
        {REWRITE("event_log", "body           BLOB", "x /* '' */ DEFAULT 1 CHECK (x > 0) /* '' */, body BLOB"),
         "text table event_log!"},
        {REWRITE("event_log", "body           BLOB", "x /* -- */ DEFAULT 1 UNIQUE --\n, body BLOB"),
         "text table event_log!"},
        {REWRITE("event_log", "body           BLOB", "x DEFAULT 1 /*/ , */ UNIQUE, body BLOB"),
         "text table event_log!"},
        {REWRITE("event_log", "body           BLOB", "x " BOM "NOT NULL ON " BOM "CONFLICT IGNORE, body BLOB"),
         "text table event_log!"},
        {"CREATE TABLE own (a); CREATE UNIQUE INDEX u /* ON own */ ON event_log (type)", "index index u!"},
        {"CREATE TABLE own (a); CREATE TRIGGER t AFTER INSERT /* ON own */ ON event_log BEGIN SELECT 1; END",
         "trigger trigger t"},
        {"CREATE UNIQUE INDEX u ON " BOM "event_log (type)", "index index u!"},
        {REWRITE("event_log", "INTEGER NOT NULL,", "INTEGERNOT NULL,"), "text table event_log!"},
        {REWRITE("event_log", "DEFAULT ''received''", "DEFAULT ''spool''"), "text table event_log!"},
        {REWRITE("inbox", "state = 3", "state = 4"), "text table inbox!"},
        {REWRITE("history_update", "RAISE(ABORT", "RAISE(FAIL"), "text trigger history_update"},
        {REWRITE("history_update", "appended to", "appended  to"), "text trigger history_update"},
    };
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++)
        is_told(100 + i, cases[i].sql, cases[i].told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_computes_nothing_is_nobodys_affair, start, stop),
        cmocka_unit_test_setup_teardown(what_runs_or_forbids_something_is_told, start, stop),
    };
    return UNIT_RUN(tests);
}
