/* SPDX-License-Identifier: MIT
 *
 * beside: where the receiver keeps its own files of a database: the writers' lock, the count of refusals, marks, and copies
 * that restore and rescue leave.
 *
 * Where a group shares the database's folder, they lie in a folder of their own, DATABASE.own, that only the receiver's user
 * may write: what a consumer could replace there would be followed. Elsewhere, and in layouts of the first release until
 * init converts them, they lie beside the database. The names are the same in both places: BASE.lock, BASE.refused, ...
 */
#ifndef BESIDE_H
#define BESIDE_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define BESIDE_OWN ".own"

/*
 * What the names of these files begin with: "FOLDER/inbox.db.own/inbox.db" if the folder is there, else the database's path.
 *
 * out:    0 and base, of PATH_MAX bytes; or -1, *e, and base as if there were no such folder
 * errors: ERR_READONLY  something else stands in its place: a link, a file, or a folder that another user owns or may write
 *         ERR_CONFIG    the path is too long
 * cost:   one lstat, two where the folder is there
 */
int beside_base(const char *database, char *base, struct err *e);

/*
 * Make the folder for a group, and move into it what the first release left beside the database. The lock keeps its old
 * name as well, as a second name of the same file, so that a receiver of that release which still runs waits in the same queue.
 *
 * in:     group  who may read there; (gid_t)-1: none shares the database's folder, and nothing is done; nor where the
 *                folder belongs to another user, who could put another folder in the place of this one
 * out:    0 and *changed: something was made or moved (may be NULL)
 * errors: as beside_base, and those of files_make_dir
 */
int beside_make(const char *database, gid_t group, bool *changed, struct err *e);

#endif
