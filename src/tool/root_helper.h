/* SPDX-License-Identifier: MIT
 *
 * root_helper: what doctor needs root for, where root runs it as the owner of the database's folder: what another user may
 * do with a path, and which files a process has open. A process that stays root answers; it opens nothing below the folder.
 */
#ifndef ROOT_HELPER_H
#define ROOT_HELPER_H

#include "base/err.h"

#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Start that process; it ends with this one. errors: ERR_SYSTEM */
int root_helper_begin(struct err *e);
bool root_helper_is_there(void);

/* What access() with this mode of a path fails with for that user: 0, an errno, or -1: it could not be tried. */
int root_helper_try(const struct passwd *who, const char *path, int mode);

/* Does this process have one of two files open? */
bool root_helper_has_open(const char *pid, const struct stat *a, const struct stat *b);

/* exe, of PATH_MAX bytes: the program that this process runs, "" if that is not known. */
void root_helper_program(const char *pid, char *exe);

#endif
