/* SPDX-License-Identifier: MIT
 *
 * shared: opening what lies in a folder that others may write.
 *
 * A user who may write a folder may put a link, a FIFO, a socket or another user's file in place of any name in it, at any
 * moment. So a name is opened below an open folder, not through a link and without waiting for anybody; what was opened is
 * judged by its descriptor; and a folder is followed through a link only if trust_link() says so. tests/lint/names.t finds
 * calls that go by a name elsewhere.
 */
#ifndef SHARED_H
#define SHARED_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * Open a file that should be there.
 *
 * in:  at   an open folder, or AT_FDCWD with a path
 *      how  O_RDONLY, O_WRONLY or O_RDWR
 * out: a descriptor of a regular file and *st, or -1 with errno: ENOENT; ELOOP, where something else stands there
 */
int shared_open(int at, const char *name, int how, struct stat *st);

/* Make a file of mode 0600, for writing, that was not there. out: a descriptor, or -1 with errno */
int shared_make(int at, const char *name);

/*
 * Open a folder for reading its names, and for what is done below it.
 *
 * out: a descriptor, or -1 with errno: ELOOP, where another user's link stands there
 */
int shared_folder(int at, const char *name);

/* What a link says, for a caller who looks at each step. out: 0, or -1: it is none, or another user's */
int shared_link(int at, const char *name, char text[PATH_MAX]);

/* The names in an open folder; closedir() leaves the folder open. NULL: errno says why. */
DIR *shared_names(int folder);

/* "a symbolic link", "a FIFO" ... of what is neither file nor folder; NULL of these two. */
const char *shared_planted(mode_t mode);

#endif
