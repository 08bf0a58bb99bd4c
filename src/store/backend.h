/* SPDX-License-Identifier: MIT
 *
 * backend: what a store is made of. For backends and store.c; everybody else includes store.h.
 *
 * An operation has the type and the contract of the function of store.h that calls it: STORE_OP(claim) is a pointer to a
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

#define STORE_OP(name) __typeof__(store_##name) *(name)

struct store_ops {
    void (*close)(struct store *s); /* never of NULL */

    STORE_OP(record); /* outcomes are STORE_UNSET before; after a failure they do not count */
    STORE_OP(hold);   /* one writer at a time, of all processes; store_record may be called meanwhile */
    STORE_OP(unhold);
    STORE_OP(try);
    STORE_OP(ready);

    STORE_OP(claim); /* two claims never give the same event, whatever dies in between */
    STORE_OP(settle);

    STORE_OP(read);
    STORE_OP(select); /* *seqs is NULL before */
    STORE_OP(find);
    STORE_OP(newest);
    STORE_OP(read_facts);
    STORE_OP(tally);
    STORE_OP(counts);
    STORE_OP(ignored);

    STORE_OP(change);
    STORE_OP(erase);
    STORE_OP(list_quarantine);
    STORE_OP(walk_quarantine);
    STORE_OP(accept);
    STORE_OP(drop);
    STORE_OP(erase_quarantined);
    STORE_OP(add_history);
    STORE_OP(history);

    STORE_OP(missing);
    STORE_OP(migrate);
};

/* Of store_file.h. */
struct store_file_ops {
    STORE_OP(in_place);
    STORE_OP(leave);
    STORE_OP(flush);
    STORE_OP(scrub);
    STORE_OP(prune_files);
    STORE_OP(backup);
    STORE_OP(compare);
};

struct store {
    const struct store_ops *ops;
    const struct store_file_ops *file; /* NULL: it is on a server */
};

#endif
