/* SPDX-License-Identifier: MIT
 *
 * store_keep: how a store is held, copied, put back, and brought up to date. More of store.h, for those few who do that.
 */
#ifndef STORE_KEEP_H
#define STORE_KEEP_H

#include "store.h"

#include <limits.h>

/*
 * Hold the writers' lock over several calls of store_record, and of nothing else, until store_release: what waits
 * elsewhere and is to be recorded first is looked at under it.
 * in:     wait_ms  how long the locks are waited for now, in place of that of store_options
 * errors: ERR_BUSY  another process held it for so long
 */
int store_hold(struct store *s, int wait_ms, struct err *e);
void store_release(struct store *s);

/*
 * Could an event be recorded now? Waits for both locks as whoever records does, and changes nothing.
 * errors: ERR_BUSY  another process has held one of them for wait_ms;  ERR_READONLY  this user may not write
 */
int store_try(struct store *s, int wait_ms, struct err *e);

/*
 * How far something long has come, told now and then: "copying" or "checking", so many bytes of all (0: not known).
 * false: stop.
 */
typedef bool store_tell(void *ctx, const char *doing, int64_t done, int64_t all);
struct store_teller {
    store_tell *tell; /* NULL: nobody listens */
    void *ctx;
};

/* What a backup holds. */
struct store_backup {
    int64_t bytes, events, last; /* last: the highest number */
    int64_t waiting, dead, quarantined;
    int64_t files; /* of the directory form: names that it lists; -1: it has no list */
    int64_t stray; /* rows of inbox without their event: so they are in the database, too */
};

/* How a database is to be restored. */
struct store_restore {
    bool only_backup; /* bring nothing over of what the replaced database has and the backup lacks */
    struct store_actor by;
    int64_t now_ms;
    struct store_teller teller;
};

/* What became of it; to be released. */
struct store_restored {
    struct store_backup backup;
    char before[PATH_MAX]; /* where the replaced database is now; "": there was none */
    struct err unread;     /* why that one could not be read, or not to its end; ERR_NONE: it could */
    int64_t missing;       /* events that it has and the backup lacks; all of them were brought over unless ... */
    bool left;             /* ... they were to be left there */
    int64_t erased;        /* events of the backup that had been erased since, and are again */
    int64_t floor;         /* the next event has a number above this one */
    int64_t *waiting, n_waiting, *dead, n_dead; /* of the directory form: events that ought to have a file */
};

/* What the database lacks of this program's schema: "table", "column", "index", "trigger" or "view". */
struct store_step {
    char kind[16], name[80]; /* of a column: "TABLE.COLUMN" */
    bool remade;             /* it is there, with another text */
    int64_t rows;            /* of an index: of how many rows it is to be made; events wait meanwhile */
};

/*
 * Copy everything into one new file, while others go on recording: an SQLite database of its own, in the directory form
 * with a table of the names and folders of its files (the bodies are in the log). Checked before it gets its name.
 * in:      path  nothing may be there yet
 * out:     0 and *made; or -1 and *e: then there is no file
 * errors:  ERR_USAGE     something is there
 *          ERR_FULL      no room for it; told before anything is written
 *          ERR_BUSY      without a write-ahead log a copy keeps others from committing: it gives up where one has
 *                        waited for 2.5 s, five times
 *          ERR_DATABASE  the copy is not sound, since the database is not;  ERR_SYSTEM  it was told to stop
 * durable: on 0 it survives a power cut
 */
int store_backup(struct store *s, const char *path, const struct store_teller *t, int64_t now_ms,
                 struct store_backup *made, struct err *e);

/*
 * Put a backup in the place of the database; receivers that run take it up. It is checked first. The replaced database
 * stays beside it, and at any time one of both is in place, whole. What was recorded since the backup is brought over.
 * in:      file  a backup, or any database of ours;  o  as for store_open
 * out:     0 and *r, to be released; or -1 and *e: then nothing has changed
 * errors:  ERR_SCHEMA, ERR_DATABASE  the file is none of ours, newer, or not sound
 *          ERR_BUSY  a consumer holds the database;  ERR_FULL, ERR_READONLY, ERR_SYSTEM
 */
int store_restore(const struct store_options *o, const char *file, const struct store_restore *how,
                  struct store_restored *r, struct err *e);
void store_restored_release(struct store_restored *r);

/*
 * The directory form: which of these events have no file at all? Those are moved to the front. each(): the files that
 * the log does not know.
 * out:    how many, or -1 and *e
 */
int64_t store_compare(struct store *s, int64_t *seqs, int64_t n, store_each_name *each, void *ctx, struct err *e);

/*
 * What does the database lack of this program's schema? How many, or -1 and *e. Each is told, in the order in which they
 * are made; each may be NULL. What a newer program has made is left as it is. cost: about a millisecond
 */
int store_missing(struct store *s, store_each_step *each, void *ctx, struct err *e);

/*
 * Make the first of them, in a transaction of its own: 1 and *step; 0: there is none; or -1 and *e.
 * cost: nothing to speak of, but for an index, which reads its table while others wait
 */
int store_migrate(struct store *s, const struct store_actor *by, int64_t now_ms, struct store_step *step,
                  struct err *e);

#endif
