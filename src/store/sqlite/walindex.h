/* SPDX-License-Identifier: MIT
 *
 * walindex: the index of the log, in the file NAME-shm, which every process that has the database open maps.
 *
 * Its header says how many frames the log has. SQLite believes it: for a number that is too high it writes gigabytes into
 * NAME-shm, appends events after a gap at which the next reader of the log stops, or crashes. An application's user may
 * write the file. What it changes while a statement runs is not found here.
 *
 * source: sqlite.org/walformat.html, "The WAL-Index File Format"
 */
#ifndef WALINDEX_H
#define WALINDEX_H

#include "db.h"

/*
 * Outside of a transaction, before SQLite reads: if the index names frames that the log does not have, have SQLite rebuild
 * it from the log, as after a crash.
 * errors: ERR_BUSY  it must be rebuilt, and another process holds the lock for that
 * cost:   three calls; one where there is no log
 */
int sqlite_index_check(struct db *s, struct err *e);

/* The same for a connection that has read nothing yet. */
int sqlite_index_check_first(struct db *s, struct err *e);

#endif
