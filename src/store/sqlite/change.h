/* SPDX-License-Identifier: MIT
 *
 * change: changes by hand, what their parts share. Callers are the parts of the SQLite backend only.
 */
#ifndef CHANGE_H
#define CHANGE_H

#include "inbox_files.h"

/* One call of store_change. */
struct sqlite_change {
    struct db *s;
    enum store_change what;
    const struct store_actor *by;
    int64_t now_ms;
    struct sqlite_names names; /* of the directory form: of all files that are not done, by number */
    size_t n_again;            /* files that are written again, and whose older ones go */
    struct sqlite_named again[MAILDIR_BATCH_MAX];
    int64_t bytes; /* in them */
};

/* An event that is to be changed, how it stands and how it is to stand; borrowed from its row. */
struct sqlite_standing {
    int64_t seq, created_ms;
    bool has_row; /* in the table inbox */
    int state, to;
    const char *endpoint;
    struct span body;
};

/* Run one statement of an event's number and, where it wants it, the time. */
int sqlite_change_run(struct db *s, enum store_sql which, int64_t seq, int64_t now_ms, struct err *e);

/* Make a row of inbox for an event that has none, since it was recorded when the inbox was files. */
int sqlite_change_make_row(struct db *s, int64_t endpoint, int64_t seq, int64_t now_ms, struct err *e);

/* ---- the directory form: inbox_files_change.c ---- */

/* Under the lock: show what a crash has left, and read the names. */
int sqlite_files_begin(struct sqlite_change *c, struct err *e);

/* The state of an event without a row, by its file. */
int sqlite_files_stands(const struct sqlite_change *c, const struct sqlite_standing *v);

/* Does it wait for its next try, by its file? */
bool sqlite_files_later(const struct sqlite_change *c, const struct sqlite_standing *v);

/* Bring its file to where it is to stand: STORE_CHANGED, STORE_UNCHANGED when another was first, or -1 and *e. */
int sqlite_files_change(struct sqlite_change *c, const struct sqlite_standing *v, struct err *e);

/* The same for an event whose body is another one now, and which waits then, wherever its file stood. */
int sqlite_files_replace(struct sqlite_change *c, const struct sqlite_standing *v, struct err *e);

/* No more files may be written in this transaction. */
bool sqlite_files_full(const struct sqlite_change *c);

/* After the commit, or its failure: show what was written again, or forget it. */
void sqlite_files_end(struct sqlite_change *c, bool failed);

#endif
