/* SPDX-License-Identifier: MIT
 * refusals: what is counted is there again, however old, cut or damaged the file, and however many count. */
#include "receiver/refusals.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MINUTE INT64_C(60000)
#define HOUR INT64_C(3600000)
#define NOW (INT64_C(500000) * HOUR) /* any hour will do */

enum { PROCESSES = 8, COUNTS = 300, TRIES = 1000 };

static char folder[64], database[100], file[120];

static int start(void **state)
{
    (void)state;
    unit_folder(folder);
    snprintf(database, sizeof database, "%s/inbox.db", folder);
    snprintf(file, sizeof file, "%s.refused", database);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    unit_remove(folder);
    return 0;
}

/* Each test begins without a file. */
static void begin(struct refusals *r)
{
    struct err e;
    unlink(file);
    *r = (struct refusals){.fd = -1};
    assert_int_equal(refusals_open(r, database, (gid_t)-1, &e), 0);
}

static void count(struct refusals *r, enum err_code code, int n, int64_t ms)
{
    struct err e;
    for (int i = 0; i < n; i++)
        refusals_add(r, code);
    assert_int_equal(refusals_write(r, ms, 1, &e), 0);
}

static int64_t sum(enum refusals_kind kind, int64_t since_ms, int64_t before_ms)
{
    static struct refusals_log log;
    struct err e;
    assert_int_equal(refusals_read(database, &log, &e), 0);
    return refusals_sum(&log, kind, since_ms, before_ms);
}

static int64_t signatures(int64_t since_ms, int64_t before_ms)
{
    return sum(REFUSALS_SIGNATURE, since_ms, before_ms);
}

static void each_code_is_counted_as_its_kind(void **state)
{
    (void)state;
    struct refusals r;
    begin(&r);
    for (enum err_code code = 0; code < ERR_CODES; code++)
        refusals_add(&r, code);
    count(&r, ERR_NONE, 3, NOW);
    int failed = 0;
    for (enum err_code code = 0; code < ERR_CODES; code++)
        failed += err_http(code) >= 500;
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS; k++)
        assert_int_equal(sum(k, 0, INT64_MAX), k == REFUSALS_FAILED ? failed : 1);
    refusals_close(&r);
}

static void the_last_day_is_told_by_the_minute_and_what_is_older_by_the_hour(void **state)
{
    (void)state;
    struct refusals r;
    begin(&r);
    for (int64_t m = 0; m < 3 * 24 * 60; m += 10) /* three days, one each ten minutes */
        count(&r, ERR_SIGNATURE, 1, NOW + m * MINUTE);
    int64_t end = NOW + 3 * 24 * HOUR;
    assert_int_equal(signatures(0, INT64_MAX), 3 * 24 * 6);
    assert_int_equal(signatures(end - 30 * MINUTE, end), 3);
    assert_int_equal(signatures(end - 90 * MINUTE, end), 9);
    assert_int_equal(signatures(end - 90 * MINUTE, end - 60 * MINUTE), 3);
    assert_int_equal(signatures(end - 23 * HOUR - 20 * MINUTE, end), 23 * 6 + 2);
    assert_int_equal(signatures(end - 48 * HOUR, end), 48 * 6);
    assert_int_equal(signatures(end - 48 * HOUR - 20 * MINUTE, end), 49 * 6); /* the minutes of that hour are gone */
    assert_int_equal(signatures(NOW - HOUR, NOW), 0);
    assert_int_equal(signatures(end, INT64_MAX), 0);
    refusals_close(&r);
}

static void the_ring_of_hours_forgets_the_oldest_and_the_file_does_not_grow(void **state)
{
    (void)state;
    struct refusals r;
    struct stat before, after;
    begin(&r);
    count(&r, ERR_SIGNATURE, 1, NOW);
    assert_int_equal(stat(file, &before), 0);
    for (int64_t h = 1; h < REFUSALS_HOURS + 10; h++)
        count(&r, ERR_SIGNATURE, 1, NOW + h * HOUR);
    assert_int_equal(stat(file, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_true(after.st_size <= 65536);
    assert_int_equal(signatures(0, INT64_MAX), REFUSALS_HOURS);
    assert_int_equal(signatures(0, NOW + 10 * HOUR), 0);
    refusals_close(&r);
}

static void a_clock_that_was_wrong_spoils_nothing(void **state)
{
    (void)state;
    struct refusals r;
    begin(&r);
    count(&r, ERR_SIGNATURE, 5, NOW + INT64_C(1000000) * HOUR);
    count(&r, ERR_SIGNATURE, 2, NOW);
    count(&r, ERR_SIGNATURE, 3, 0);
    assert_int_equal(signatures(NOW - HOUR, NOW + HOUR), 2);
    refusals_close(&r);
}

static void a_count_that_is_full_stays_so(void **state)
{
    (void)state;
    struct refusals r;
    begin(&r);
    r.pending[REFUSALS_SIGNATURE] = UINT32_MAX;
    count(&r, ERR_SIGNATURE, 2, NOW);
    count(&r, ERR_SIGNATURE, 2, NOW);
    assert_int_equal(signatures(0, INT64_MAX), UINT32_MAX);
    refusals_close(&r);
}

static void overwrite(off_t at, size_t n)
{
    int fd = open(file, O_WRONLY);
    assert_true(fd >= 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pwrite(fd, "\xa5", 1, at + (off_t)i), 1);
    close(fd);
}

static void a_file_that_is_cut_or_no_such_file_is_begun_anew(void **state)
{
    (void)state;
    struct refusals r;
    struct stat st;
    for (int how = 0; how < 6; how++) {
        begin(&r);
        count(&r, ERR_SIGNATURE, 7, NOW);
        switch (how) {
        case 0: assert_int_equal(truncate(file, 0), 0); break;
        case 1: assert_int_equal(truncate(file, 40), 0); break;
        case 2: assert_int_equal(truncate(file, 100000), 0); break;
        case 3: overwrite(0, 1); break;
        case 4: overwrite(12, 4); break;
        default: overwrite(0, 64544); break;
        }
        assert_int_equal(signatures(0, INT64_MAX), 0);
        count(&r, ERR_SIGNATURE, 2, NOW);
        assert_int_equal(signatures(0, INT64_MAX), 2);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_size, 64544);
        refusals_close(&r);
    }
}

static void damage_to_a_slot_costs_this_slot_only(void **state)
{
    (void)state;
    struct refusals r;
    begin(&r);
    count(&r, ERR_SIGNATURE, 1, NOW);
    count(&r, ERR_SIGNATURE, 2, NOW + HOUR);
    overwrite(32 + REFUSALS_MINUTES * 32 + (NOW / HOUR) % REFUSALS_HOURS * 32 + 8, 4);
    assert_int_equal(signatures(0, INT64_MAX), 2);
    count(&r, ERR_SIGNATURE, 4, NOW);
    assert_int_equal(signatures(0, INT64_MAX), 6);
    refusals_close(&r);
}

static void many_processes_count_and_all_adds_up(void **state)
{
    (void)state;
    struct refusals r;
    begin(&r);
    refusals_close(&r);
    unlink(file); /* they make it, too */
    pid_t pid[PROCESSES];
    for (int p = 0; p < PROCESSES; p++) {
        pid[p] = fork();
        assert_true(pid[p] >= 0);
        if (pid[p] > 0)
            continue;
        struct err e;
        int failed = refusals_open(&r, database, (gid_t)-1, &e);
        for (int i = 0; i < COUNTS && !failed; i++) {
            refusals_add(&r, p % 2 ? ERR_METHOD : ERR_SIGNATURE);
            failed = refusals_write(&r, NOW + i * MINUTE, TRIES, &e);
        }
        _exit(failed ? 1 : 0);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        assert_int_equal(waitpid(pid[p], &status, 0), pid[p]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(signatures(0, INT64_MAX), PROCESSES / 2 * COUNTS);
    assert_int_equal(sum(REFUSALS_METHOD, 0, INT64_MAX), PROCESSES / 2 * COUNTS);
    assert_int_equal(signatures(NOW + 10 * MINUTE, NOW + 20 * MINUTE), PROCESSES / 2 * 10);
}

static void what_cannot_be_written_is_kept_for_the_next_time(void **state)
{
    (void)state;
    struct refusals r;
    struct err e;
    begin(&r);
    int fd = open(file, O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    refusals_add(&r, ERR_SIGNATURE);
    assert_int_equal(refusals_write(&r, NOW, 3, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    close(fd);
    count(&r, ERR_SIGNATURE, 1, NOW);
    assert_int_equal(signatures(0, INT64_MAX), 2);
    refusals_close(&r);
    refusals_add(&r, ERR_SIGNATURE);
    assert_int_equal(refusals_write(&r, NOW, 1, &e), -1);
    assert_int_equal(refusals_open(&r, database, (gid_t)-1, &e), 0);
    count(&r, ERR_NONE, 0, NOW);
    assert_int_equal(signatures(0, INT64_MAX), 3);
    refusals_close(&r);
}

static void a_file_that_was_moved_away_is_noticed(void **state)
{
    (void)state;
    struct refusals r;
    char aside[140];
    begin(&r);
    snprintf(aside, sizeof aside, "%s.aside", file);
    assert_true(refusals_in_place(&r, database));
    assert_int_equal(rename(file, aside), 0);
    assert_false(refusals_in_place(&r, database));
    unit_write(file, "");
    assert_false(refusals_in_place(&r, database));
    refusals_close(&r);
}

static void what_is_not_there_counts_as_nothing(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(refusals_since("/nowhere/at-all.db", REFUSALS_SIGNATURE, 0, &e), 0);
    unlink(file);
    assert_int_equal(mkdir(file, 0700), 0);
    struct refusals r = {.fd = -1};
    assert_int_equal(refusals_open(&r, database, (gid_t)-1, &e), -1);
    assert_int_equal(refusals_since(database, REFUSALS_SIGNATURE, 0, &e), 0);
    assert_int_equal(rmdir(file), 0);
    unit_write(file, "by another program");
    assert_int_equal(chmod(file, 0), 0);
    if (geteuid() != 0)
        assert_int_equal(refusals_since(database, REFUSALS_SIGNATURE, 0, &e), -1);
    assert_int_equal(refusals_open(&r, "/nowhere/at-all.db", (gid_t)-1, &e), -1);
    assert_int_equal(e.code, ERR_DATABASE);
}

static void its_mode_is_that_of_the_other_side_files(void **state)
{
    (void)state;
    struct refusals r;
    struct stat st;
    struct err e;
    begin(&r);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    unlink(file);
    assert_int_equal(refusals_open(&r, database, getegid(), &e), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(st.st_gid, getegid());
    refusals_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_is_counted_as_its_kind),
        cmocka_unit_test(the_last_day_is_told_by_the_minute_and_what_is_older_by_the_hour),
        cmocka_unit_test(the_ring_of_hours_forgets_the_oldest_and_the_file_does_not_grow),
        cmocka_unit_test(a_clock_that_was_wrong_spoils_nothing),
        cmocka_unit_test(a_count_that_is_full_stays_so),
        cmocka_unit_test(a_file_that_is_cut_or_no_such_file_is_begun_anew),
        cmocka_unit_test(damage_to_a_slot_costs_this_slot_only),
        cmocka_unit_test(many_processes_count_and_all_adds_up),
        cmocka_unit_test(what_cannot_be_written_is_kept_for_the_next_time),
        cmocka_unit_test(a_file_that_was_moved_away_is_noticed),
        cmocka_unit_test(what_is_not_there_counts_as_nothing),
        cmocka_unit_test(its_mode_is_that_of_the_other_side_files),
    };
    umask(0);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
