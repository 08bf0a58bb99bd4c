/* SPDX-License-Identifier: MIT
 *
 * alarm: what is wrong, judged by figures and limits; the same for watch, its line for Nagios, the metrics and the page.
 *
 * It says only what is known: if the database cannot be read, that is a finding, and nothing is said of what is in it.
 */
#ifndef ALARM_H
#define ALARM_H

#include "figures.h"

enum alarm_severity {
    ALARM_OK,
    ALARM_WARNING, /* a person should look */
    ALARM_CRITICAL /* events are not recorded, or that is about to be so */
};

/* clang-format off */
/* In the order in which they are reported. For metrics and Nagios a word is a name: it never changes.
     kind             word          severity          what it means */
#define ALARM_TABLE(X)                                                                                           \
    X(ALARM_LOG,       "log",        ALARM_WARNING,  "the database's log grows and cannot be written back")      \
    X(ALARM_ALTERED,   "altered",    ALARM_CRITICAL, "a table, index or trigger is not as the program made it")  \
    X(ALARM_LOCK,      "lock",       ALARM_CRITICAL, "another program holds the database's lock")                \
    X(ALARM_CONFIG,    "config",     ALARM_CRITICAL, "the configuration cannot be used")                         \
    X(ALARM_DATABASE,  "database",   ALARM_CRITICAL, "the database cannot be read")                              \
    X(ALARM_WAITS,     "waits",      ALARM_WARNING,  "an event has waited for too long")                         \
    X(ALARM_CLOCK,     "clock",      ALARM_WARNING,  "events have times of a clock that was wrong")              \
    X(ALARM_DEAD,      "dead",       ALARM_WARNING,  "events failed in every attempt")                           \
    X(ALARM_QUARANTINE,"quarantine", ALARM_WARNING,  "deliveries are in quarantine")                             \
    X(ALARM_SILENT,    "silent",     ALARM_WARNING,  "nothing came for too long")                                \
    X(ALARM_COUNT,     "count",      ALARM_WARNING,  "the count of refused requests cannot be read")             \
    X(ALARM_REFUSED,   "refused",    ALARM_WARNING,  "many signatures were refused")                             \
    X(ALARM_UNMATCHED, "unmatched",  ALARM_CRITICAL, "signatures are refused, and none is right")                \
    X(ALARM_FAILED,    "failed",     ALARM_CRITICAL, "the receiver answers 5xx")                                 \
    X(ALARM_SECRETS,   "secrets",    ALARM_CRITICAL, "a secret file cannot be used, or could be replaced")       \
    X(ALARM_SPOOL,     "spool",      ALARM_CRITICAL, "events wait in the spool, or are set aside there")         \
    X(ALARM_MISSED,    "missed",     ALARM_CRITICAL, "the database was deleted, replaced or begun anew")         \
    X(ALARM_WEBHOOK,   "webhook",    ALARM_WARNING,  "ComplyCube's webhook is disabled, missing or incomplete")
/* clang-format on */

enum alarm_kind {
#define X(kind, word, severity, text) kind,
    ALARM_TABLE(X)
#undef X
        ALARM_KINDS
};

/* The columns of the table; the strings are static. */
const char *alarm_word(enum alarm_kind kind);
const char *alarm_text(enum alarm_kind kind);

enum { ALARM_MAX = 32, ALARM_WORDS = 400, ALARM_LINE = 2000 };

/* What is too much. ALARM_LIMITS is the default of watch and the page. */
struct alarm_limits {
    int64_t oldest_ms;   /* an event waits for longer */
    int64_t silence_ms;  /* nothing came for longer; 0: silence is no fault */
    int64_t within_ms;   /* the next two count this far back */
    int64_t refused_max; /* signatures refused, or more */
    int64_t failed_max;  /* answers of 5xx, or more */
};
#define ALARM_LIMITS \
    ((struct alarm_limits){.oldest_ms = 900000, .within_ms = 600000, .refused_max = 20, .failed_max = 10})

struct alarm_finding {
    enum alarm_kind kind;
    enum alarm_severity severity;
    char words[ALARM_WORDS]; /* "3 dead": for a person; may hold bytes of names and paths, to be escaped */
    char hint[ALARM_WORDS];  /* what watch adds to the words: " (doctor)", or "" */
    char cure[ALARM_WORDS];  /* the command to type, "complycube-inbox doctor", or "": no command helps */
    char file[PATH_MAX];     /* the path that stands after it, as it is, to be quoted for a shell; "": none */
};

/* All findings, in the order of the table. About 170 KB; the zero value has none, of nothing. */
struct alarm {
    bool judged[ALARM_KINDS]; /* it is known whether there is a finding of this kind */
    struct alarm_finding found[ALARM_MAX];
    size_t n;
};

/*
 * Judge figures that were read. Adds to *a; looks at a few names beside the database, and reads neither a secret nor the
 * database.
 */
void alarm_judge(struct alarm *a, const struct figures *f, const struct config *c, const struct alarm_limits *limits);

/* How many of a kind were refused within limits->within_ms, as alarm_judge counts them. */
int64_t alarm_refused(const struct figures *f, enum refusals_kind kind, const struct alarm_limits *limits);

/* Judge the secret files of an endpoint (NULL: of all). A file that this user may not read is passed over. */
void alarm_judge_secrets(struct alarm *a, const struct config *c, const char *endpoint);

/*
 * Add a finding of the caller's own, with the table's severity.
 * in:  hint, cure  as in struct alarm_finding; a cure that is too long is left out, since half of it might do harm
 * out: the finding, to change; after ALARM_MAX of them it takes the place of the last
 */
struct alarm_finding *alarm_add(struct alarm *a, enum alarm_kind kind, const char *hint, const char *cure,
                                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The worst of all; ALARM_OK without a finding. */
enum alarm_severity alarm_worst(const struct alarm *a);

/* Is there a finding of this kind? */
bool alarm_has(const struct alarm *a, enum alarm_kind kind);

/* All of them as watch says it: "3 dead (list --state dead); 1 in quarantine". What does not fit whole
 * is "and more (doctor)". Returns `out`, of size bytes; "" without a finding. */
const char *alarm_line(const struct alarm *a, char *out, size_t size);

#endif
