/* SPDX-License-Identifier: MIT
 * err: a failure is never a success. */
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>

static void a_failure_has_its_code(void **state)
{
    struct err e;
    (void)state;
    assert_int_equal(err_set(&e, ERR_BUSY, "locked"), -1);
    assert_int_equal(err_failure(&e), ERR_BUSY);
    assert_string_equal(e.msg, "locked");
}

static void a_failure_that_names_no_code_is_one_of_the_system(void **state)
{
    struct err e = {0};
    (void)state;
    err_strict = false;
    assert_int_equal(err_failure(&e), ERR_SYSTEM);
    err_strict = true;
    assert_int_equal(e.code, ERR_SYSTEM);
    assert_int_equal(err_http(e.code), 503);
    assert_int_not_equal(err_exit(e.code), 0);
    assert_true(*e.msg);
}

static void a_failure_that_names_no_code_ends_a_program_built_for_tests(void **state)
{
    struct err e = {0};
    int status;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        err_failure(&e);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void a_detail_goes_with_its_failure_only(void **state)
{
    struct err e;
    (void)state;
    err_set(&e, ERR_SCHEMA, "another program's");
    assert_int_equal(err_detail(&e, ERR_FOREIGN), -1);
    err_prefix(&e, "opening it");
    assert_int_equal(e.code, ERR_SCHEMA);
    assert_int_equal(e.detail, ERR_FOREIGN);
    err_set(&e, ERR_SCHEMA, "newer");
    assert_int_equal(e.detail, ERR_PLAIN);
    assert_int_equal(err_detail(NULL, ERR_FOREIGN), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_has_its_code),
        cmocka_unit_test(a_detail_goes_with_its_failure_only),
        cmocka_unit_test(a_failure_that_names_no_code_is_one_of_the_system),
        cmocka_unit_test(a_failure_that_names_no_code_ends_a_program_built_for_tests),
    };
    return UNIT_RUN(tests);
}
