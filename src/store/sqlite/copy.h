/* SPDX-License-Identifier: MIT
 *
 * copy: copies of a database that nobody else knows yet: written without a flush, checked, flushed, and then
 * given their names. Callers are the parts of the SQLite backend only.
 */
#ifndef COPY_H
#define COPY_H

#include "db.h"
#include "store/backend.h"

/* A file of a copy: the zero value with fd -1 is empty. */
struct sqlite_copy {
    char path[PATH_MAX];
    int fd;
    const char *about; /* what messages call it: of which it is a copy */
    struct db *db;     /* open on it, without flushes and without a writers' lock; or NULL */
};

/* How long a copy may keep another process from committing, in ms: that gives up after STORE_WAIT_MS. */
enum { SQLITE_HOLD_MS = 2500 };

/* Open a database by itself, with no lock beside it: to be closed by sqlite_lone_close; NULL is legal there. */
int sqlite_lone_open(struct db **s, const char *path, struct err *e);
void sqlite_lone_close(struct db *s);

/*
 * Make the file, empty, with this mode and group. What is there already is another's: ERR_USAGE.
 * need: bytes that must be left for it: else ERR_FULL
 */
int sqlite_copy_make(struct sqlite_copy *c, const char *about, const char *path, mode_t mode, gid_t group,
                     int64_t need, struct err *e);

/* Before a copy that keeps others waiting: its space is taken, and the database in memory. */
void sqlite_copy_ready(struct sqlite_copy *c, struct db *from);

/*
 * Copy a database into it, whose snapshot is the read transaction that is open, and open the copy.
 * out: 0; 1: another process waits to commit for too long: end the transaction and try again; or -1 and *e
 */
int sqlite_copy_fill(struct sqlite_copy *c, struct db *from, const struct store_teller *t, struct err *e);

/* Is it sound, and what does it hold? */
int sqlite_copy_check(struct sqlite_copy *c, const struct store_teller *t, struct store_backup *holds, struct err *e);

/* What was written is on the disk, a little at a time so that nobody else's flush waits for all of it. */
int sqlite_copy_flush(struct sqlite_copy *c, struct err *e);

/* Close it; unless it has its name by now (`kept`) it is removed. */
void sqlite_copy_end(struct sqlite_copy *c, bool kept);

#endif
