/* SPDX-License-Identifier: MIT
 *
 * backend: what a store is made of. For backends and store.c; everybody else includes store.h.
 *
 * An operation has the type and the contract of the function of store.h that calls it: `claim` is a pointer to a
 * function like store_claim. A backend fills the table with functions that take the struct store as the first member of
 * its own. What holds for all:
 *
 * - A call that fails leaves nothing half done and sets *e. A transaction that a server aborts is begun again within the
 *   call, as a whole, until the wait of its store_options is over; then it is ERR_BUSY.
 * - A commit of which nobody knows whether it happened is a failure. Record is called again then: an event that is there
 *   already is STORE_DUPLICATE, so nothing is stored twice.
 * - Times come from the caller. A server that several machines use may take its own clock instead; leases of one store are
 *   all by one clock.
 * - Numbers rise within what one process records. Processes on a server may overtake each other; only `after` of a query
 *   relies on it, and the backend goes back far enough for it.
 */
#ifndef BACKEND_H
#define BACKEND_H

#include "store_file.h"

struct store_ops {
    void (*close)(struct store *s); /* never of NULL */

    __typeof__(store_record) *record; /* outcomes are STORE_UNSET before; after a failure they do not count */
    __typeof__(store_hold) *hold; /* one writer at a time, of all processes; store_record may be called meanwhile */
    __typeof__(store_unhold) *unhold;
    __typeof__(store_try) *try;
    __typeof__(store_ready) *ready;

    __typeof__(store_claim) *claim; /* two claims never give the same event, whatever dies in between */
    __typeof__(store_settle) *settle;

    __typeof__(store_read) *read;
    __typeof__(store_select) *select; /* *seqs is NULL before */
    __typeof__(store_find) *find;
    __typeof__(store_relate) *relate;
    __typeof__(store_newest) *newest;
    __typeof__(store_read_facts) *read_facts;
    __typeof__(store_tally) *tally;
    __typeof__(store_counts) *counts;
    __typeof__(store_totals) *totals;
    __typeof__(store_ignored) *ignored;

    __typeof__(store_change) *change;
    __typeof__(store_erase) *erase;
    __typeof__(store_list_quarantine) *list_quarantine;
    __typeof__(store_walk_quarantine) *walk_quarantine;
    __typeof__(store_accept) *accept;
    __typeof__(store_drop) *drop;
    __typeof__(store_erase_quarantined) *erase_quarantined;
    __typeof__(store_know) *know;
    __typeof__(store_emptied) *emptied;
    __typeof__(store_forget) *forget;
    __typeof__(store_add_history) *add_history;
    __typeof__(store_history) *history;

    __typeof__(store_audit) *audit;
    __typeof__(store_odd_rows) *odd_rows;

    __typeof__(store_missing) *missing;
    __typeof__(store_migrate) *migrate;
};

/* Of store_file.h. */
struct store_file_ops {
    __typeof__(store_in_place) *in_place;
    __typeof__(store_leave) *leave;
    __typeof__(store_flush) *flush;
    __typeof__(store_scrub) *scrub;
    __typeof__(store_prune_files) *prune_files;
    __typeof__(store_backup) *backup;
    __typeof__(store_compare) *compare;
    __typeof__(store_check_files) *check_files;
    __typeof__(store_altered) *altered;
};

struct store {
    const struct store_ops *ops;
    const struct store_file_ops *file; /* NULL: it is on a server */
};

#endif
