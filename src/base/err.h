/* SPDX-License-Identifier: MIT
 *
 * err: what can go wrong, in one table, and how a function says it.
 *
 * Every failing function returns -1 and fills a caller-owned struct err. One row of ERR_TABLE gives all
 * that follows from a code: HTTP status, exit code, log level, and what the sender reads.
 */
#ifndef ERR_H
#define ERR_H

#include <stdbool.h>

enum err_level { LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR };

/* clang-format off */
/*        code            word in logs    HTTP exit level          what the sender is told */
#define ERR_TABLE(X)                                                                            \
    X(ERR_NONE,           "none",         200, 0, LEVEL_INFO,    "")                            \
    X(ERR_METHOD,         "method",       405, 1, LEVEL_WARNING, "use POST")                    \
    X(ERR_SIGNATURE,      "signature",    400, 1, LEVEL_WARNING, "signature missing or wrong")  \
    X(ERR_INCOMPLETE,     "incomplete",   400, 1, LEVEL_WARNING, "body incomplete")             \
    X(ERR_TOO_LARGE,      "too-large",    413, 1, LEVEL_WARNING, "body too large")              \
    X(ERR_UNDECODABLE,    "undecodable",  202, 1, LEVEL_WARNING, "")                            \
    X(ERR_CONFLICT,       "conflict",     202, 1, LEVEL_WARNING, "")                            \
    X(ERR_BUSY,           "busy",         503, 3, LEVEL_WARNING, "try again")                   \
    X(ERR_FULL,           "space",        503, 4, LEVEL_ERROR,   "try again")                   \
    X(ERR_READONLY,       "readonly",     503, 5, LEVEL_ERROR,   "try again")                   \
    X(ERR_SCHEMA,         "schema",       503, 6, LEVEL_ERROR,   "try again")                   \
    X(ERR_DATABASE,       "database",     503, 7, LEVEL_ERROR,   "try again")                   \
    X(ERR_MEMORY,         "memory",       503, 8, LEVEL_ERROR,   "try again")                   \
    X(ERR_CONFIG,         "config",       500, 9, LEVEL_ERROR,   "receiver not configured")     \
    X(ERR_SECRETS,        "secrets",      500, 10, LEVEL_ERROR,  "receiver not configured")     \
    X(ERR_SYSTEM,         "system",       503, 11, LEVEL_ERROR,  "try again")                   \
    X(ERR_NOT_FOUND,      "not-found",    503, 1, LEVEL_WARNING, "try again")                   \
    X(ERR_REMOTE,         "remote",       503, 12, LEVEL_ERROR,  "try again")                   \
    X(ERR_UNVERIFIED,     "unverified",   503, 13, LEVEL_WARNING, "try again")                  \
    X(ERR_USAGE,          "usage",        503, 2, LEVEL_ERROR,   "try again")
/* clang-format on */

enum err_code {
#define X(code, word, http, exit, level, text) code,
    ERR_TABLE(X)
#undef X
        ERR_CODES
};

/* What tells failures of one code apart if their cures differ. It changes no answer and no exit status. */
enum err_detail {
    ERR_PLAIN,
    ERR_FOREIGN,    /* ERR_SCHEMA: the file belongs to another program */
    ERR_NO_FOLDER,  /* ERR_DATABASE: the database's folder does not exist */
    ERR_DANGLING,   /* ERR_DATABASE: a path is a link to what does not exist */
    ERR_ORPHAN_LOG, /* ERR_DATABASE: a log holds events, and its database does not exist */
    ERR_NO_BUNDLE,  /* ERR_CONFIG: TLS has no CA bundle that can be read */
    ERR_LATE        /* ERR_BUSY: nobody is in the way, but it takes longer than it may */
};

/* Code and detail are for programs, the message is for people: nothing reads it. */
struct err {
    enum err_code code;
    enum err_detail detail;
    char msg[400]; /* what was being done, to what, why it failed, and what to do about it */
};

/* Set *e (may be NULL), without a detail; printf-like. Returns -1, so that a caller can write `return err_set(...)`. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Give a detail to what err_set has just set; e may be NULL. Returns -1. */
int err_detail(struct err *e, enum err_detail detail);

/* Put "PREFIX: " before the message; for what only the caller knows. Returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Does this errno say that there is no room: on the disk, in the quota, or below the limit of a file's size? */
bool err_is_full(int os);

/* Are they the same failure, to the word? */
bool err_equal(const struct err *a, const struct err *b);

/*
 * The code of a call that failed, which is e->code. A failure that names none is a fault of ours, and no success: it becomes
 * ERR_SYSTEM. Whoever makes an answer or an exit status of a failure asks here.
 */
enum err_code err_failure(struct err *e);

/* Such a fault ends the program: in builds with sanitizers or coverage, and in unit tests. */
extern bool err_strict;

/* The columns of the table, defined for every code. The strings are static. */
const char *err_word(enum err_code code);
int err_http(enum err_code code);
int err_exit(enum err_code code);
enum err_level err_level(enum err_code code);
const char *err_text(enum err_code code);

#endif
