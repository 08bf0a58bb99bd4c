/* SPDX-License-Identifier: MIT
 * read_only: a store that was opened to be read changes nothing, and reads no longer than it may. */
#include "store/store_file.h"
#include "unit.h"

#include <sqlite3.h>
#include <sys/stat.h>

static char folder[64], path[80];

static struct store_options options(void)
{
    static const char *const endpoints[] = {"live"};
    return (struct store_options){.url = path,
                                  .endpoints = endpoints,
                                  .n_endpoints = 1,
                                  .journal = "wal",
                                  .group = (gid_t)-1,
                                  .create = true,
                                  .wait_ms = 1000};
}

static struct store *opened(struct store_options o)
{
    struct store *s = NULL;
    struct err e = {0};
    store_open(&s, &o, &e);
    assert_string_equal(e.msg, "");
    return s;
}

static struct store *opened_to_read(void)
{
    struct store_options o = options();
    o.create = false;
    o.read_only = true;
    return opened(o);
}

static int begin(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/inbox.db", unit_folder(folder));
    store_close(opened(options()));
    return 0;
}

static int end(void **state)
{
    (void)state;
    unit_remove(folder);
    return 0;
}

static void no_operation_writes(void **state)
{
    (void)state;
    struct store *s = opened_to_read();
    const struct store_actor by = {.user = "unit"};
    const int64_t seq = 1;
    struct err e = {0};
    struct store_step step;
    assert_int_equal(store_add_history(s, "requeue", 1, NULL, &by, 1, &e), -1);
    assert_int_equal(store_change(s, STORE_REQUEUE, &seq, 1, &by, 1, NULL, NULL, &e), -1);
    assert_int_equal(store_drop(s, 1, &by, 1, &e), -1);
    assert_int_equal(store_forget(s, "live", "x", &by, 1, &e), -1);
    assert_true(store_migrate(s, &by, 1, &step, &e) <= 0);
    assert_int_equal(store_try(s, 10, &e), -1);
    assert_int_equal(e.code, ERR_READONLY);
    store_close(s);
}

static void what_reads_goes_on(void **state)
{
    (void)state;
    struct store *s = opened_to_read();
    struct store_facts facts;
    struct err e = {0};
    assert_int_equal(store_read_facts(s, 1, &facts, &e), 0);
    assert_int_equal(store_ready(s, &e), 0);
    assert_int_equal(store_history(s, 0, 0, 0, 1, NULL, NULL, &e), 0);
    assert_string_equal(e.msg, "");
    store_close(s);
}

static void the_journal_stays_as_it_is_and_no_lock_is_made(void **state)
{
    (void)state;
    char lock[96];
    snprintf(lock, sizeof lock, "%s.lock", path);
    assert_int_equal(unlink(lock), 0);
    struct store_options o = options();
    o.create = false;
    o.read_only = true;
    o.journal = "delete";
    struct store_facts facts;
    struct err e = {0};
    struct store *s = opened(o);
    assert_int_equal(store_read_facts(s, 1, &facts, &e), 0);
    assert_string_equal(facts.journal, "wal");
    store_close(s);
    assert_int_equal(access(lock, F_OK), -1);
}

static void the_log_is_not_written_back(void **state)
{
    (void)state;
    struct stat before, after;
    char log[96];
    snprintf(log, sizeof log, "%s-wal", path);
    sqlite3 *writer;
    assert_int_equal(sqlite3_open(path, &writer), SQLITE_OK);
    assert_int_equal(sqlite3_db_config(writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(writer, "UPDATE setting SET lease_ms=1000", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(writer);
    assert_int_equal(stat(log, &before), 0);
    assert_true(before.st_size > 0);
    store_close(opened_to_read());
    assert_int_equal(stat(log, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
}

static void pass_over(void *ctx, const struct store_count *count) { (void)ctx, (void)count; }

static void after_the_deadline_a_read_fails_as_late(void **state)
{
    (void)state;
    sqlite3 *writer;
    assert_int_equal(sqlite3_open(path, &writer), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(writer,
                     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000) INSERT INTO "
                     "counter(hour_ms,endpoint,secret,outcome,n,last_ms) SELECT i,1,1,'stored',1,1 FROM n",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(writer);
    struct store_options o = options();
    o.create = false;
    o.read_only = true;
    o.deadline_ms = 1;
    struct store *s = opened(o);
    struct err e = {0};
    usleep(2000); /* until the deadline is over */
    assert_int_equal(store_counts(s, 0, pass_over, NULL, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(e.detail, ERR_LATE);
    store_close(s);
}

static void an_empty_file_is_not_made_a_database(void **state)
{
    (void)state;
    char other[96];
    struct stat st;
    snprintf(other, sizeof other, "%s.empty", path);
    unit_write(other, "");
    struct store_options o = options();
    struct store *s;
    struct err e = {0};
    o.url = other;
    o.create = false;
    o.read_only = true;
    assert_int_equal(store_open(&s, &o, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(stat(other, &st), 0);
    assert_int_equal(st.st_size, 0);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup_teardown(no_operation_writes, begin, end),
        cmocka_unit_test_setup_teardown(what_reads_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(the_journal_stays_as_it_is_and_no_lock_is_made, begin, end),
        cmocka_unit_test_setup_teardown(the_log_is_not_written_back, begin, end),
        cmocka_unit_test_setup_teardown(after_the_deadline_a_read_fails_as_late, begin, end),
        cmocka_unit_test_setup_teardown(an_empty_file_is_not_made_a_database, begin, end),
    };
    return UNIT_RUN(all);
}
