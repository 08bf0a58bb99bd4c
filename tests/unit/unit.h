/* SPDX-License-Identifier: MIT
 * unit: what every unit test includes: cmocka with TAP output, and a folder of its own. */
#ifndef UNIT_H
#define UNIT_H

/* cmocka.h wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNIT_RUN(tests) (cmocka_set_message_output(CM_OUTPUT_TAP), cmocka_run_group_tests(tests, NULL, NULL))

/* A text literal with its length, NULs included. */
#define TEXT(literal) ((struct span){literal, sizeof literal - 1})

/* A failure that names no code ends a unit test. */
__attribute__((constructor)) static inline void unit_be_strict(void) { err_strict = true; }

/* A new folder under TMPDIR; left behind when KEEP is set. */
static inline const char *unit_folder(char folder[static 64])
{
    snprintf(folder, 64, "/tmp/complycube-unit-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static inline void unit_remove(const char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (!getenv("KEEP"))
        assert_int_equal(system(command), 0);
}

static inline void unit_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

#endif
