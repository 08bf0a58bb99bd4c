/* SPDX-License-Identifier: MIT
 * guard: what stands in the database's file is not executed, and nothing runs for ever. */
#include "store/sqlite/guard.h"
#include "store/store_file.h"
#include "unit.h"

#include <signal.h>
#include <unistd.h>

enum { LIMIT_MS = 1000, HANGS_S = 60 };

static char folder[64], database[100];

/* A file of its own for each test, which somebody has changed so. */
static struct db *begin(int limit_ms, const char *sql)
{
    static int n;
    sqlite3 *db;
    struct store *s = NULL;
    struct err e = {0};
    struct store_options o = {.url = database, .journal = "wal", .group = (gid_t)-1, .create = true, .wait_ms = 1000};
    snprintf(database, sizeof database, "%s/%d.db", folder, n++);
    assert_int_equal(store_open(&s, &o, &e), 0);
    store_close(s);
    assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    o.limit_ms = limit_ms;
    assert_int_equal(store_open(&s, &o, &e), 0);
    return db_of(s);
}

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

static const char endless[] = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c";

/* How it ends. One that hangs is ended by the alarm, and the test with it. */
static int run(struct db *s, const char *sql)
{
    alarm(HANGS_S);
    int rc = sqlite_exec(s, sql) & 0xff;
    alarm(0);
    return rc;
}

static void a_statement_ends_at_its_deadline_and_the_next_has_its_own(void **state)
{
    (void)state;
    struct err e = {0};
    struct db *s = begin(LIMIT_MS, "SELECT 1");
    for (int i = 0; i < 2; i++) {
        sqlite_begin_work(s);
        assert_int_equal(run(s, "SELECT 1"), SQLITE_OK);
        assert_int_equal(run(s, endless), SQLITE_INTERRUPT);
        sqlite_error(s, "counting", &e);
        assert_int_equal(e.code, ERR_BUSY);
    }
    store_close(&s->store);
}

static void without_a_deadline_it_ends_when_the_process_is_told_to_end(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct db *s = begin(0, "SELECT 1");
    for (int i = 0; i < 3; i++) {
        sigset_t one, before;
        int taken;
        sigemptyset(&one);
        sigaddset(&one, signals[i]);
        sigprocmask(SIG_BLOCK, &one, &before);
        raise(signals[i]);
        assert_int_equal(run(s, endless), SQLITE_INTERRUPT);
        assert_int_equal(sigwait(&one, &taken), 0);
        sigprocmask(SIG_SETMASK, &before, NULL);
        assert_int_equal(run(s, "SELECT count(*) FROM event_log"), SQLITE_OK);
    }
    store_close(&s->store);
}

static void no_trigger_and_no_view_of_the_file_runs(void **state)
{
    (void)state;
    struct db *s =
        begin(0, "CREATE TRIGGER t AFTER INSERT ON endpoint BEGIN DELETE FROM endpoint; END;"
                 "DROP VIEW events; CREATE VIEW events AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT "
                 "x+1 FROM c) SELECT x FROM c");
    assert_int_equal(run(s, "INSERT INTO endpoint(name) VALUES('e')"), SQLITE_OK);
    assert_int_equal(sqlite3_total_changes(s->db), 1);
    assert_int_equal(run(s, "SELECT * FROM main.events"), SQLITE_ERROR);
    assert_int_equal(run(s, "SELECT payload FROM temp.events"), SQLITE_OK);
    store_close(&s->store);
}

/* SQLite reads them as it reads the schema, before anybody could have compared that. */
static void nothing_runs_as_the_schema_is_read(void **state)
{
    (void)state;
    static const char statistics[] =
        "ANALYZE; INSERT INTO sqlite_stat1 VALUES('event_log',NULL,'1'); PRAGMA writable_schema=ON;"
        "UPDATE sqlite_master SET sql='CREATE TABLE sqlite_stat1(tbl,idx,x,stat AS (instr(zeroblob(4000000),"
        "zeroblob(2000000)||x)))' WHERE name='sqlite_stat1'; PRAGMA schema_version=1000";
    alarm(HANGS_S);
    struct db *s = begin(LIMIT_MS, statistics);
    sqlite_begin_work(s);
    assert_int_equal(run(s, "SELECT count(*) FROM event_log"), SQLITE_OK);
    store_close(&s->store);
}

/* Somebody makes statistics anew: the schema is read again in the midst of our work. */
static void statistics_are_nobodys_affair(void **state)
{
    (void)state;
    struct db *s = begin(0, "INSERT INTO endpoint(name) VALUES('e'); ANALYZE");
    struct err e = {0};
    int64_t n;
    sqlite3 *other;
    assert_int_equal(sqlite3_open(database, &other), SQLITE_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sqlite_number(s, SQL_TALLY_STATE, &n, &e), 0);
        assert_int_equal(run(s, "SELECT count(*) FROM event_log; SELECT count(*) FROM inbox"), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, "DROP TABLE sqlite_stat1; ANALYZE", NULL, NULL, NULL), SQLITE_OK);
    }
    sqlite3_close(other);
    store_close(&s->store);
}

static void no_statement_reaches_beyond_the_database(void **state)
{
    (void)state;
    struct db *s = begin(0, "SELECT 1");
    assert_int_equal(run(s, "UPDATE sqlite_master SET sql=sql"), SQLITE_ERROR);
    assert_int_equal(run(s, "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql=sql"), SQLITE_ERROR);
    assert_int_equal(run(s, "SELECT \"no such name\""), SQLITE_ERROR);
    assert_int_equal(run(s, "SELECT zeroblob(70000000)"), SQLITE_TOOBIG);
    store_close(&s->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_statement_ends_at_its_deadline_and_the_next_has_its_own, start, stop),
        cmocka_unit_test_setup_teardown(without_a_deadline_it_ends_when_the_process_is_told_to_end, start, stop),
        cmocka_unit_test_setup_teardown(no_trigger_and_no_view_of_the_file_runs, start, stop),
        cmocka_unit_test_setup_teardown(nothing_runs_as_the_schema_is_read, start, stop),
        cmocka_unit_test_setup_teardown(statistics_are_nobodys_affair, start, stop),
        cmocka_unit_test_setup_teardown(no_statement_reaches_beyond_the_database, start, stop),
    };
    return UNIT_RUN(tests);
}
