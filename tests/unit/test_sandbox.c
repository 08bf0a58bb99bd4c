/* SPDX-License-Identifier: MIT
 * What the sandbox asks of the kernel can be asked, on each architecture that the program is built for. */
#include "sandbox/sandbox_impl.h"
#include "unit.h"

#include <sys/prctl.h>
#include <sys/wait.h>

enum { IN_FORCE, LACKING, TOO_LONG };

/* In a process of its own. The kernel, or what emulates one, may lack seccomp; the table may never be too long. */
static int confine(bool later, bool brief)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const char *why = "";
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        bool failed = sandbox_seccomp(later, brief, &why) != 0;
        _exit(!failed ? IN_FORCE : strstr(why, "table") ? TOO_LONG : LACKING);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void the_table_of_calls_fits_into_a_filter(void **state)
{
    (void)state;
    const char *why;
    int lacking = sandbox_seccomp_probe(&why) == 0 ? IN_FORCE : LACKING;
    for (int i = 0; i < 4; i++)
        assert_int_equal(confine(i & 1, i & 2), lacking);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(the_table_of_calls_fits_into_a_filter),
    };
    return UNIT_RUN(all);
}
