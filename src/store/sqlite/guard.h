/* SPDX-License-Identifier: MIT
 *
 * guard: what a connection executes, and for how long.
 *
 * An application's user may write anything into the database's file, and SQLite executes what stands there. In a connection of
 * ours no trigger and no view of the file runs; the views that our statements read are made by us, in memory. Events are
 * recorded only into tables whose texts a release made (see altered.c), and by statements that were compiled from these. Each
 * statement ends: at a deadline where there is one, else when this process is told to end.
 *
 * source: sqlite.org/security.html; sqlite.org/c3ref/c_dbconfig_defensive.html
 */
#ifndef GUARD_H
#define GUARD_H

#include "db.h"

/* Set up a connection that has just been opened; it has read nothing of its file yet. */
int sqlite_guard(struct db *s, struct err *e);

/* Make our own views, temp.NAME, in this connection: for whoever reads events. */
int sqlite_make_views(struct db *s, struct err *e);

/* From now on statements may take as long together as the store's options say; less where the latest batch waited in vain. */
void sqlite_begin_work(struct db *s);

/* From now on nothing is written by this connection, no statement that writes is compiled, and all reads end in time. */
int sqlite_seal(struct db *s, int deadline_ms /* 0: never */, struct err *e);

/* Compile a text of ours, or run it; as sqlite3_prepare_v3 and sqlite3_exec. */
int sqlite_compile(struct db *s, const char *text, unsigned flags, sqlite3_stmt **q);
int sqlite_exec(struct db *s, const char *text);

/* Compare the schema for the first time, before SQLite has read it, in the snapshot of a transaction that has begun. */
int sqlite_look_at_tables(struct db *s, struct err *e);

/*
 * In a transaction that events are recorded in: may they be? The schema is compared if SQLite has read it anew since it was
 * compared last; then no statement is left that was compiled before.
 * errors: ERR_DATABASE  a table or an index is not as a release made it
 */
int sqlite_check_tables(struct db *s, struct err *e);

/* The same of a file that nothing is recorded into yet: called `about` in messages. */
int sqlite_refuse_altered(struct db *s, const char *about, struct err *e);

#endif
