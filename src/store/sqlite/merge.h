/* SPDX-License-Identifier: MIT
 *
 * merge: what a database that is being replaced has and the backup lacks goes into the backup's copy, which
 * nobody else knows yet. Callers are the parts of the SQLite backend only.
 */
#ifndef MERGE_H
#define MERGE_H

#include "copy.h"

struct sqlite_merge {
    struct db *copy; /* with the replaced one attached as `old` */
    const struct store_teller *teller;
    bool leave;   /* only count what is missing, and take over what was erased */
    int64_t upto; /* events of the replaced one up to here were dealt with */
    int64_t missing, erased;
};

/*
 * Events that came since the last call, by 500. What waits by now may be done in the replaced one until the end.
 * out: how many were looked at; or -1 and *e: from b->upto on the replaced one could not be read
 */
int64_t sqlite_merge_events(struct sqlite_merge *b, struct err *e);

/* While nobody writes into the replaced one: the last events, their states of this moment, and all that is no event. */
int sqlite_merge_last(struct sqlite_merge *b, struct err *e);

#endif
