/* SPDX-License-Identifier: MIT
 *
 * store_file: what only a store in a file of this machine has: a place, copies, a log to fold back, room to wipe. A server
 * keeps its data by its own means; there these functions do what their comments say, or are not to be called.
 */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include "base/seqs.h"
#include "store.h"

#include <limits.h>

/* Is this store in a file? Else store_backup, store_compare and store_restore fail with ERR_USAGE. */
bool store_is_file(const struct store *s);

/* The suffixes of a database's files: "" of the database itself, and those that SQLite keeps beside it; NULL ends the list. */
extern const char *const store_files[];

/* ---- its place; a server's is always in its place ---- */

/* Is what is open still what stands at the URL, or was it moved, removed or replaced? Two stats. */
bool store_in_place(struct store *s);

/*
 * Leave a store that is not in its place any more, before it is closed: what is recorded goes with it, wherever it is
 * now, and nothing of it stays at the URL. Where it was deleted it is saved under another name.
 * out:    0; 1 and *e, which says where it was saved; or -1 and *e
 * errors: ERR_BUSY  a reader holds it; it must stay open, and this be tried again
 */
int store_leave(struct store *s, struct err *e);

/* As store_ready, for a store that is not open, and may not exist yet, by its file alone; with limit_ms by its tables, too. */
int store_probe(const struct store_options *o, struct err *e);

/* ---- what is left of older content; a server's files are not ours, 0 ---- */

/*
 * Write the log of the database back and empty it, so that no file holds what was erased.
 * errors: ERR_BUSY  a program reads; try again
 */
int store_flush(struct store *s, struct err *e);

/*
 * Overwrite what is left of older content in the unused parts of the database's file, a stretch at a time: the copies
 * that it makes when it moves rows about, and what programs have deleted without overwriting it. Includes store_flush().
 * in, out: *at  0 for the first call, then as it was left
 * out:     1 while there is more, 0 at the end; or -1 and *e
 * errors:  ERR_BUSY  a program reads; try again
 * cost:    reads 2000 pages under the writers' lock
 */
int store_scrub(struct store *s, int64_t *at, struct err *e);

/* Remove the files of events done before this from the directory form: how many, or -1 and *e. */
int64_t store_prune_files(struct store *s, int64_t before_ms, struct err *e);

/* ---- copies ---- */

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
    char before[PATH_MAX];     /* where the replaced database is now; "": there was none */
    struct err unread;         /* why that one could not be read, or not to its end; ERR_NONE: it could */
    int64_t missing;           /* events that it has and the backup lacks; all of them were brought over unless ... */
    bool left;                 /* ... they were to be left there */
    int64_t erased;            /* events of the backup that had been erased since, and are again */
    int64_t floor;             /* the next event has a number above this one */
    struct seqs waiting, dead; /* of the directory form: events that ought to have a file */
};

/* ---- what SQLite would execute; a server's schema is its own affair, 0 ---- */

/* How an object of the database's schema differs from what the releases made. */
enum store_altered {
    STORE_ALTERED_TEXT, /* it is one of ours, with another text: a constraint, a standard value, a view's query, ... */
    STORE_ALTERED_KIND,    /* it has the name of one of ours and is something else: a view in a table's place */
    STORE_ALTERED_TRIGGER, /* a trigger that no release made acts on one of ours */
    STORE_ALTERED_INDEX,   /* an index that no release made forbids or computes something on one of ours */
    STORE_ALTERED_ROW,     /* its text makes another object than the schema says, or none */
    STORE_ALTERATIONS
};
struct store_alteration {
    enum store_altered what;
    const char *kind,
        *name;  /* "table", "index", "trigger", "view"; both may be any bytes: to be escaped for a terminal */
    bool stops; /* store_record fails while it is there: what it computes would run as events are written */
};
typedef void store_each_alteration(void *ctx, const struct store_alteration *one);

/* The end of a sentence that begins with the object: "is not as a release made it". */
const char *store_altered_words(enum store_altered what);

/*
 * What in the schema of the file is not as a release made it? How many, or -1 and *e; each is called for it, and may be
 * NULL. A name is raw bytes of the file. No program of ours runs a trigger or a view of the file. Applications' own tables,
 * views and indexes over plain columns, and columns that a later version or an application added, do no harm and are not
 * reported; what is missing is store_missing's.
 * cost: about 0.1 ms
 */
int64_t store_altered(struct store *s, store_each_alteration *each, void *ctx, struct err *e);

typedef void store_each_name(void *ctx, const char *endpoint, const char *name);

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
 * stays beside it, and at any time one of the two is in place, complete. What was recorded since the backup is brought over.
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

/* A file that waits or is dead and is not as the log has it; seq 0: the log has no event of it, or nothing of that is left. */
struct store_file_odd {
    const char *endpoint, *name; /* "new/NAME" */
    int64_t seq;
    struct span id;
};
typedef void store_each_file(void *ctx, const struct store_file_odd *odd);

/* The directory form: files whose bytes are not those of the log. 0, or -1 and *e. cost: all of them are read */
int store_check_files(struct store *s, store_each_file *each, void *ctx, struct err *e);

#endif
