/* SPDX-License-Identifier: MIT
 *
 * db: what the parts of the SQLite backend share.
 */
#ifndef DB_H
#define DB_H

#include "base/lock.h"
#include "statements.h"
#include "store/backend.h"
#include "store/maildir/maildir.h"

#include <limits.h>
#include <sqlite3.h>

enum { STORE_SCHEMA = 1, STORE_APPLICATION = 0x43434958 /* "CCIX" */ };
enum { STORE_NAMES_MAX = 2 * STORE_BATCH_MAX, STORE_NAME_SIZE = 64 /* bytes, with the NUL */ };

struct db {
    struct store store; /* first: what the interface knows of it */
    sqlite3 *db;
    sqlite3_stmt *prepared[STORE_SQL_COUNT]; /* made when first used */
    struct lock lock;
    struct maildir *files; /* NULL: the inbox is a table. For inbox*.c only */
    int64_t floor;  /* numbers begin above it: those of files of an older database, or given before a restore */
    bool floor_met; /* ... which they do from the open transaction on */
    char maildir_path[PATH_MAX];
    int wait_ms, busy_ms;  /* the latter now: what is left of the former */
    int64_t busy_begun_ms; /* of a monotonic clock, while it is waited for */
    char path[PATH_MAX];
    char base[PATH_MAX]; /* of the receiver's own files: see beside.h */
    dev_t dev;
    ino_t ino, log_ino; /* of the file, and of the log beside it; 0: it has none */
    bool reads;         /* its user only reads, so it may be frozen */
    bool locks;         /* it takes the writers' lock: not if it was opened read_only */
    bool frozen;        /* opened on a read-only medium, where SQLite can make no shared memory for its log */
    struct sqlite_forgotten *forgotten; /* read when known.c needs it; else NULL */
    bool hurried;                       /* the latest batch waited in vain for a lock */
    int limit_ms;                       /* as in store_options */
    int64_t end_ms;         /* of a monotonic clock: statements end then; 0: when the process is told to end */
    int64_t deadline_ms;    /* of the same: reads end then, however many; 0: never */
    int (*tick)(void *ctx); /* may be NULL: asked now and then by a long statement, not 0 ends it */
    void *tick_ctx;
    bool unknown;           /* the schema was read anew, and has not been compared */
    bool compiling;         /* a text of ours */
    bool watching;          /* a statement is compiled: SQLite may read the schema for it */
    bool read_only;         /* as in store_options, from the end of opening on */
    bool recording, denied; /* denied: a statement would have run that was compiled from what was not compared */
    bool held;              /* the writers' lock, over several batches, ... */
    int held_ms;            /* ... each of which waits so long for SQLite's */
    int64_t last;           /* before a batch that was spooled */
    size_t names;           /* of name[] in use: known in committed rows ... */
    unsigned version;       /* ... of this state of the file: another process may change them */
    struct name {
        char endpoint[STORE_NAME_SIZE], secret[STORE_NAME_SIZE];
        int64_t endpoint_id, secret_id;
    } name[STORE_NAMES_MAX]; /* last: not cleared at first */
};

static inline struct db *db_of(struct store *s) { return (struct db *)s; }

extern const char sqlite_schema[]; /* schema.sql, and a NUL */

/* As store_open and store_close, for parts of the backend; NULL is legal to close. */
int sqlite_open_db(struct db **out, const char *path, const struct store_options *o, struct err *e);
void sqlite_close_db(struct db *s);

/* Say what SQLite says, in our codes; always -1. */
int sqlite_error(struct db *s, const char *doing, struct err *e);

/* From now on wait so long for SQLite's lock. */
void sqlite_set_wait(struct db *s, int ms);

/* A statement ready to be bound and run, or NULL and *e. */
sqlite3_stmt *sqlite_prepare(struct db *s, enum store_sql which, struct err *e);

/* Is the open file, with its log, what stands at the path? */
bool sqlite_in_place(struct db *s);

/* As store_leave, with the writers' lock held: move after the relocated file what it left at its old path. */
int sqlite_leave_under_lock(struct db *s, struct err *e);

/*
 * If the open file was deleted, with its log written back: save what it holds beside it. 1 and *e, which says where;
 * 0: it was not deleted; -1 and *e.
 */
int sqlite_rescue(struct db *s, struct err *e);

/* A log whose database is gone holds events that no new database must cover up: ERR_DATABASE. */
int sqlite_check_orphan(const char *path, struct err *e);

/* Does a file with these numbers have our schema? One version more than ours is fine: it only adds. */
int sqlite_check_version(const char *path, uint32_t application, uint32_t version, struct err *e);

/* As store_altered, in a transaction that has read already: its snapshot is what is compared. */
int64_t sqlite_altered_here(struct db *s, store_each_alteration *each, void *ctx, struct err *e);

/*
 * How many tables and indexes, whoever's, may SQLite compute something of as it reads rows, by their texts? -1 and *e. What a
 * CHECK says is not counted.
 */
int64_t sqlite_computing(struct db *s, struct err *e);

/* Run a statement that is bound already and gives no rows: its result code. */
int sqlite_run(sqlite3_stmt *q);

/* One number of a statement without values; run one that gives none. */
int sqlite_number(struct db *s, enum store_sql which, int64_t *value, struct err *e);
int sqlite_do(struct db *s, enum store_sql which, const char *doing, struct err *e);

/* Take the writers' lock, if the file is still in place: 0, or -1 with ERR_BUSY. */
int sqlite_lock(struct db *s, struct err *e);

/* Is the store open without the writers' lock, for an application's user? Then *e says who may do what is to be done. */
bool sqlite_is_consumer(const struct db *s, struct err *e);

/* The highest number in the log, 0 when it is empty. ERR_DATABASE: a number in it cannot be. */
int sqlite_last(struct db *s, int64_t *last, struct err *e);

/* The row at hand, in the order of STORE_SQL_EVENT; its spans live until the statement moves on. */
void sqlite_event(sqlite3_stmt *q, struct store_event *v);

/* The same of SQL_LOG and SQL_AUDIT, which have other columns after these, and no `claimed`. */
void sqlite_log_row(sqlite3_stmt *q, struct store_event *v);

/* A column as text, until the statement moves on; "" for NULL, which applications can write wherever they like. */
const char *sqlite_string(sqlite3_stmt *q, int column);

/* A column's bytes, until the statement moves on, and text in UTF-8, however the file has it; the absent span for NULL. */
struct span sqlite_text(sqlite3_stmt *q, int column);

/* Run a bound query of numbers to its end. */
int sqlite_read_seqs(struct db *s, sqlite3_stmt *q, struct seqs *all, struct err *e);

/* Run a bound query of STORE_SQL_EVENT to its end; the number of rows, or -1. */
int64_t sqlite_each(struct db *s, sqlite3_stmt *q, store_each *each, void *ctx, struct err *e);

/* A statement that ends in STORE_SQL_MATCH, bound but for its state and limit; NULL and *e. */
sqlite3_stmt *sqlite_matching(struct db *s, enum store_sql which, const struct store_query *q, int state,
                              int64_t limit, struct err *e);

/* The rows that a query asks for, but for its state and limit, for sqlite_each; NULL and *e. */
sqlite3_stmt *sqlite_filtered(struct db *s, const struct store_query *f, int state, int64_t limit, struct err *e);

/* The same, run to its end: the number of rows, or -1. */
int64_t sqlite_newest(struct db *s, const struct store_query *f, int state, int64_t limit, store_each *each,
                      void *ctx, struct err *e);

/* The row of an event by its number, for sqlite_each; NULL and *e. */
sqlite3_stmt *sqlite_by_seq(struct db *s, int64_t seq, struct err *e);

/* The endpoint that a worker asks for: its id, and its name at `name`, of 64 bytes. */
int sqlite_endpoint(struct db *s, const char *wanted, int64_t *id, char *name, struct err *e);

/* The types that a worker asks for as "\nTYPE\nTYPE\n", to be freed; NULL when it asks for any. -1: no memory. */
int sqlite_types(const struct store_want *w, char **types, struct err *e);

/* The row of the table setting. */
int sqlite_setting(struct db *s, struct maildir_setting *setting, struct err *e);

/* A lease or a delay, in ms: a day at most. */
int64_t sqlite_soon(int64_t ms);

/* When an event that failed for the n-th time is due again. */
int64_t sqlite_backoff(const struct maildir_setting *setting, int64_t attempts);

/* ---- changes by hand: change.c ---- */

/* Is there a table history? ERR_SCHEMA */
int sqlite_has_history(struct db *s, struct err *e);

/* A row of history; no seq: 0, no state: -1. */
struct sqlite_note {
    const char *action, *detail;
    int64_t seq, n;
    int from, to;
};
int sqlite_write_history(struct db *s, const struct sqlite_note *note, const struct store_actor *by, int64_t now_ms,
                         struct err *e);

/*
 * Begin and end a transaction of changes by hand, under the writers' lock. End it whatever came of it; -1 and *e when it
 * failed or could not be committed.
 */
int sqlite_change_begin(struct db *s, struct err *e);
int sqlite_change_commit(struct db *s, bool failed, struct err *e); /* and keep the lock, which is to be released */
int sqlite_change_end(struct db *s, bool failed, struct err *e);

/* ---- what was erased: known.c ---- */

/*
 * How the history keeps what an erasure emptied, so that nothing of it comes back from the vendor's API: digests of the
 * resource's and the client's id, "HEX HEX", at `out`, which is returned. Both may be absent: "".
 */
enum { SQLITE_FORGOTTEN = 2 * 32 + 2 };
const char *sqlite_forgotten_detail(const char *endpoint, struct span resource, struct span client,
                                    char out[SQLITE_FORGOTTEN]);
void sqlite_forgotten_close(struct db *s);

/* ---- copies, restores, migrations ---- */

/* Numbers that were given before a restore end here; 0: there was none, or the database is older than that column. */
int sqlite_floor(struct db *s, int64_t *floor, struct err *e);

/* ---- the operations: contracts are those of store.h ---- */

#define SQLITE_OP(name) __typeof__(store_##name) sqlite_##name

SQLITE_OP(record);
SQLITE_OP(hold);
SQLITE_OP(unhold);
SQLITE_OP(try);
SQLITE_OP(ready);
SQLITE_OP(claim);
SQLITE_OP(settle);
SQLITE_OP(read);
SQLITE_OP(select);
SQLITE_OP(find);
SQLITE_OP(relate);
SQLITE_OP(read_facts);
SQLITE_OP(tally);
SQLITE_OP(counts);
SQLITE_OP(totals);
SQLITE_OP(ignored);
SQLITE_OP(change);
SQLITE_OP(erase);
SQLITE_OP(list_quarantine);
SQLITE_OP(walk_quarantine);
SQLITE_OP(accept);
SQLITE_OP(drop);
SQLITE_OP(erase_quarantined);
SQLITE_OP(know);
SQLITE_OP(emptied);
SQLITE_OP(forget);
SQLITE_OP(add_history);
SQLITE_OP(history);
SQLITE_OP(audit);
SQLITE_OP(odd_rows);
SQLITE_OP(missing);
SQLITE_OP(migrate);
SQLITE_OP(flush);
SQLITE_OP(scrub);
SQLITE_OP(backup);
SQLITE_OP(compare);
SQLITE_OP(check_files);
SQLITE_OP(altered);

/* Parts of read and select: events by rising numbers, or by the numbers of q; and the two selections that are not by a filter. */
int sqlite_walk(struct db *s, struct store_query *q, store_each *each, void *ctx, struct err *e);
int sqlite_read_numbers(struct db *s, struct store_query *q, store_each *each, void *ctx, struct err *e);
int64_t sqlite_of_client(struct db *s, const struct store_query *q, int64_t **seqs, struct err *e);
int64_t sqlite_prunable(struct db *s, int64_t before_ms, int64_t **seqs, struct err *e);

#endif
