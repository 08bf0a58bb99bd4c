/* SPDX-License-Identifier: MIT
 *
 * vfs: the one place that opens a connection, and what SQLite may open and remove by it.
 *
 * An application's user may write the database's folder. It can put anything in place of the files that SQLite keeps beside
 * the database, and can name any file as the super-journal of a hot rollback journal. SQLite believes both: it reads and
 * removes that file, and as root it gives the file that a link leads to another owner. Of each connection here this holds:
 *
 * - SQLite removes nothing but NAME-journal, NAME-wal and NAME-shm, of a database NAME that this process opened.
 * - It never reads, makes or removes a super-journal. If there is one, the journal that names it is rolled back, as for
 *   everybody else; an application that attached several databases finds it unchanged.
 * - A database and its side files are regular files. A link is not followed, a FIFO holds nobody up. A side file has no
 *   second name. A database may have two, since a restore gives it the second one first.
 *
 * source: sqlite.org/tempfiles.html, section 2.3; sqlite.org/c3ref/vfs.html
 */
#ifndef VFS_H
#define VFS_H

#include "base/err.h"

#include <stdbool.h>

struct db;

/*
 * Open the database at s->path, an absolute path or ":memory:", as s->db. On failure s->db is to be closed as well.
 * A relative path is resolved by SQLite, which follows links. If s->reads, one in WAL mode on a read-only medium can be read.
 * errors: as sqlite_error says them;  ERR_SYSTEM  this SQLite cannot be kept to its own files
 * cost: beside SQLite's own one fstat a file
 */
int sqlite_connect(struct db *s, struct err *e);

/* Is there anything in place of this database or its side files that is refused? Then *e is ERR_DATABASE and names it. */
bool sqlite_refused(const char *path, struct err *e);

#endif
