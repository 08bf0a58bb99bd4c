/* SPDX-License-Identifier: MIT
 *
 * same: whether one JSON value has all that another says.
 *
 * An object must have each member that is said, with the same value; it may have more. Arrays have the same elements in the same
 * order. Strings are compared by what they spell, numbers as they are written. Blanks and the order of members do not count. A
 * member that is null counts as absent.
 */
#ifndef SAME_H
#define SAME_H

#include "base/err.h"
#include "base/json.h"

/*
 * Does `is` have what `says` says? Both of checked text; an absent `is` is that of a member that is not there.
 * out:    1; 0; or -1 and *e
 * errors: ERR_MEMORY
 */
int same_value(struct span says, struct span is, struct err *e);

/* The members of an object, to be found by their names. */
struct same_members {
    struct json_member *list; /* sorted */
    size_t n;
};

/* Read those of a checked object. 0; or -1 and *e, and nothing to release. ERR_MEMORY */
int same_read(struct same_members *m, struct span object, struct err *e);

/* The value of a member, by its name with escapes as written; absent: it is not there, or null. */
struct span same_find(const struct same_members *m, struct span name);
void same_release(struct same_members *m);

#endif
