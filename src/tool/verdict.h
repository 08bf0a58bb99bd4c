/* SPDX-License-Identifier: MIT
 *
 * verdict: what verify --stored finds, class by class, which of it may be, and how that ends.
 *
 * Only what was verified is good. Each other class ends the command with a failure, unless the administrator names it; what
 * was altered or forged always does.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "base/err.h"

#include <stdint.h>

enum verdict_class {
    VERDICT_GOOD,
    VERDICT_RECONCILED,  /* likewise, but made here, from what the vendor's API said */
    VERDICT_ERASED,      /* emptied, and the history has who erased it */
    VERDICT_PRUNED,      /* emptied by age */
    VERDICT_EMPTIED,     /* emptied, and the history does not know of it */
    VERDICT_DIGEST,      /* emptied, and its payload's digest is gone */
    VERDICT_UNSIGNED,    /* imported without a signature */
    VERDICT_UNKNOWN,     /* of a secret that is in no file */
    VERDICT_RENAMED,     /* of another secret of the endpoint than it names */
    VERDICT_TIME,        /* received before it was made, or in the future */
    VERDICT_INBOX,       /* its row of the inbox is missing or cannot be right; or such a row has no event */
    VERDICT_SETTING,     /* the settings, an endpoint or a secret that cannot be right */
    VERDICT_FILE,        /* files of the directory that are of no event of the log */
    VERDICT_QUARANTINED, /* rows of quarantine */
    VERDICT_SQL,         /* changed or removed by plain SQL, by the history */
    VERDICT_MOVED,       /* put into another state by plain SQL, by the history */
    VERDICT_HISTORY,     /* rows of the history that are missing */
    VERDICT_MISSING,     /* numbers that no event has */
    VERDICT_SCHEMA,      /* tables, views and triggers that are not as this program makes them */
    VERDICT_ALTERED,     /* not as it was signed */
    VERDICT_CLASSES
};

struct verdict {
    uint32_t allowed; /* a bit for each class */
    int64_t n[VERDICT_CLASSES];
};

/* Which classes a list names, as "erased,pruned"; NULL: none. ERR_USAGE: an unknown one, or one that is never allowed */
int verdict_allow(struct verdict *v, const char *list, struct err *e);

bool verdict_fails(const struct verdict *v, enum verdict_class c); /* does one of this class end in a failure? */
const char *verdict_name(enum verdict_class c);
const char *verdict_words(enum verdict_class c); /* of an event: "imported without a signature" */

void verdict_print(const struct verdict *v, bool json);

/* 0, or -1: ERR_NOT_FOUND where something was altered, ERR_UNVERIFIED where a class was found that is not allowed */
int verdict_end(const struct verdict *v, struct err *e);

#endif
