/* SPDX-License-Identifier: MIT
 * claim: what a claim holds the writers' lock for does not grow with what is done. */
#include "store/sqlite/db.h"
#include "store/store_file.h"
#include "unit.h"

static char folder[64];

/* A store with events of one resource: the first so many are done; or, if `late`, the last. */
static struct db *begin(int done, int waiting, bool late)
{
    static int n;
    char path[100], sql[1000];
    sqlite3 *db;
    struct store *s = NULL;
    struct err e = {0};
    struct store_options o = {.url = path, .journal = "wal", .group = (gid_t)-1, .create = true, .wait_ms = 1000};
    snprintf(path, sizeof path, "%s/%d.db", folder, n++);
    assert_int_equal(store_open(&s, &o, &e), 0);
    snprintf(
        sql, sizeof sql,
        "INSERT INTO endpoint VALUES(1,'live');"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d) "
        "INSERT INTO event_log(seq,endpoint,event_id,type,resource_type,resource_id,created_ms,received_ms,"
        "payload_at,payload_len,body) SELECT i,1,'h'||i,'client.updated','client','hot',i*1000,i,0,2,'{}' FROM n;"
        "INSERT INTO inbox(seq,endpoint,state,due_ms) SELECT seq,1,seq%s%d,1 FROM event_log",
        done + waiting, late ? ">" : "<=", late ? waiting : done);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    return db_of(s);
}

static void keep_number(void *ctx, const struct store_lease *lease, const struct store_event *v)
{
    (void)v;
    *(int64_t *)ctx = lease->seq;
}

/* The steps of SQLite's machine that an ordered claim takes, and whom it gives out. */
static int steps_of(int done, int waiting, bool late, int64_t *seq)
{
    struct db *s = begin(done, waiting, late);
    struct store_want w = {.endpoint = "live", .owner = "test", .ordered = true, .skip_superseded = late};
    struct err e = {0};
    assert_int_equal(store_claim(&s->store, &w, 20, 1000000, keep_number, seq, &e), 1);
    int steps = sqlite3_stmt_status(s->prepared[SQL_CLAIM], SQLITE_STMTSTATUS_VM_STEP, 0);
    store_close(&s->store);
    return steps;
}

static void of_a_resource_with_a_long_history_it_takes_the_steps_of_one_with_none(void **state)
{
    (void)state;
    for (int waiting = 10; waiting <= 100; waiting *= 10) {
        int64_t first = 0;
        int none = steps_of(0, waiting, false, &first), many = steps_of(10000, waiting, false, &first);
        assert_int_equal(first, 10001);
        assert_in_range(many, 1, none * 3 / 2);
    }
}

static void it_grows_with_what_waits_and_not_with_its_square(void **state)
{
    (void)state;
    int64_t first = 0;
    int hundred = steps_of(1000, 100, false, &first), thousand = steps_of(1000, 1000, false, &first);
    assert_in_range(thousand, 1, 11 * hundred);
}

static void whether_an_old_event_is_superseded_is_not_asked_under_the_lock(void **state)
{
    (void)state;
    int64_t first = 0;
    int none = steps_of(0, 10, true, &first), many = steps_of(10000, 10, true, &first);
    assert_int_equal(first, 1);
    assert_in_range(many, 1, none * 3 / 2);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_resource_with_a_long_history_it_takes_the_steps_of_one_with_none),
        cmocka_unit_test(it_grows_with_what_waits_and_not_with_its_square),
        cmocka_unit_test(whether_an_old_event_is_superseded_is_not_asked_under_the_lock),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
