/* SPDX-License-Identifier: MIT
 *
 * refusals: what was refused, counted in a small file of a fixed size beside the database, never in it.
 *
 * "<database>.refused" holds a ring of minutes, the last day, and a ring of hours, the last three weeks; each slot counts
 * the refusals by their kind. Any number of processes add to it, in place. It holds figures only: no address, no byte of
 * a request. It is a help, not a record: nothing is flushed, nobody waits for it for long, and one that is cut or damaged
 * is begun anew. It works without the database.
 */
#ifndef REFUSALS_H
#define REFUSALS_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* clang-format off */
/*    kind                 for programs  for a person                  the code that is counted as it */
#define REFUSALS_TABLE(X)                                                                              \
    X(REFUSALS_SIGNATURE,  "signature",  "signature missing or wrong", ERR_SIGNATURE)                  \
    X(REFUSALS_INCOMPLETE, "incomplete", "body incomplete",            ERR_INCOMPLETE)                 \
    X(REFUSALS_TOO_LARGE,  "too_large",  "body too large",             ERR_TOO_LARGE)                  \
    X(REFUSALS_METHOD,     "method",     "another method than POST",   ERR_METHOD)                     \
    X(REFUSALS_FAILED,     "failed",     "answered 5xx, our fault",    ERR_CODES /* any of 5xx */)
/* clang-format on */

enum refusals_kind {
#define X(kind, word, text, code) kind,
    REFUSALS_TABLE(X)
#undef X
        REFUSALS_KINDS
};

/* The columns of the table; the strings are static. */
const char *refusals_word(enum refusals_kind kind);
const char *refusals_text(enum refusals_kind kind);

/* ---- counting ---- */

/* What a receiver has counted and not written yet, and the file; {.fd = -1} is empty. */
struct refusals {
    int fd; /* -1: not open */
    char path[PATH_MAX];
    dev_t dev;
    ino_t ino;
    uint32_t pending[REFUSALS_KINDS];
    bool any;
};

/* Count an answer with this code, in memory; what is no refusal and no fault of ours is passed over. */
void refusals_add(struct refusals *r, enum err_code code);

/* Is the file of this database open, and still what stands there? A stat. */
bool refusals_in_place(const struct refusals *r, const char *database);

/*
 * Open the file of the database at this path, made where it is missing: mode 0600, or 0660 with a group
 * ((gid_t)-1: none). What was counted stays.
 * errors: ERR_READONLY, ERR_FULL, ERR_DATABASE (no folder)
 */
int refusals_open(struct refusals *r, const char *database, gid_t group, struct err *e);
void refusals_close(struct refusals *r); /* writes nothing */

/*
 * Add what was counted to the slots of a time.
 * in:     tries  how often to ask for the file's lock, about 0.2 ms apart
 * out:    0; or -1 and *e: what was counted stays counted, for the next call
 * errors: ERR_BUSY  others had the lock;  ERR_FULL, ERR_READONLY
 * cost:   eight system calls of some microseconds, no flush
 */
int refusals_write(struct refusals *r, int64_t now_ms, int tries, struct err *e);

/* ---- reading ---- */

enum { REFUSALS_MINUTES = 24 * 60, REFUSALS_HOURS = 24 * 24 };

struct refusals_slot {
    int64_t start_ms; /* 0: empty */
    uint32_t n[REFUSALS_KINDS], check;
};

struct refusals_log {
    struct refusals_slot minute[REFUSALS_MINUTES], hour[REFUSALS_HOURS];
};

/*
 * Read the file of a database into *log, 64 KB; one that is not there, or damaged, is empty.
 * errors: ERR_READONLY  this user may not read it
 */
int refusals_read(const char *database, struct refusals_log *log, struct err *e);

/* How many of a kind from one time up to before another: by the minute for the last day, else by the hour. */
int64_t refusals_sum(const struct refusals_log *log, enum refusals_kind kind, int64_t since_ms, int64_t before_ms);

/* Both at once, up to now: how many of a kind since a time; -1 and *e. */
int64_t refusals_since(const char *database, enum refusals_kind kind, int64_t since_ms, struct err *e);

#endif
