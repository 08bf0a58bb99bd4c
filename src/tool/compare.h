/* SPDX-License-Identifier: MIT
 *
 * compare: what an event says, compared with the object that ComplyCube has now: pure, and without a request.
 *
 * The object must have each value of the payload (same.h); it may have more. What differs may have changed since: so it does, if
 * the object changed after the event. What never changes, an id or the time when the object was made, has no such excuse.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include "base/err.h"
#include "store/store.h"
#include "vendor.h"

enum compare_class {
    COMPARE_AGREES,
    COMPARE_CHANGED, /* it says something else, and the object changed after it */
    COMPARE_DELETED, /* the audit log has a trace of the object, which is there no more */
    COMPARE_GONE,    /* there is no such object, and the audit log cannot be asked whether there was one */
    COMPARE_EMPTIED, /* erased or pruned here: nothing is left to compare */
    COMPARE_UNASKED, /* it names no resource, or one of a type that the API has no path for */
    COMPARE_UNKNOWN, /* neither the object nor, in the audit log, a trace of it */
    COMPARE_DIFFERS, /* it says something else than the object, which has not changed since */
    COMPARE_CLASSES
};

/* How far times of the vendor's machines may be apart. */
enum { COMPARE_MARGIN_MS = 2000 };

/*
 * in:     v       with its body
 *         object  of the API, a checked JSON object of this kind
 * out:    0 with *c and *what: the static name of what differs, NULL where nothing does; -1 and *e
 * errors: ERR_REMOTE  the object has not the form that is documented; ERR_MEMORY
 */
int compare_event(const struct store_event *v, enum vendor_kind kind, struct span object, enum compare_class *c,
                  const char **what, struct err *e);

/* The same of an object that is no more: the audit log has its deletion, at deleted_ms. */
enum compare_class compare_deletion(const struct store_event *v, int64_t deleted_ms, const char **what);

/* Is it the event of a deletion? */
bool compare_is_deletion(const struct store_event *v);

const char *compare_name(enum compare_class c);
const char *compare_words(enum compare_class c); /* of several events */

/* Which classes a list names, as "changed,emptied", a bit for each; NULL: none. ERR_USAGE */
int compare_allow(const char *list, uint32_t *allowed, struct err *e);

#endif
