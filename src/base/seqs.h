/* SPDX-License-Identifier: MIT
 *
 * seqs: a growing list of events' numbers. The zero value is an empty list.
 */
#ifndef SEQS_H
#define SEQS_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

struct seqs {
    int64_t *at; /* to be freed */
    size_t n, cap;
};

int seqs_add(struct seqs *s, int64_t seq, struct err *e); /* ERR_MEMORY */
void seqs_reverse(struct seqs *s);
void seqs_sort(struct seqs *s); /* ascending */

/* Does a sorted list hold this number? */
bool seqs_has(const struct seqs *s, int64_t seq);

/* Free it; it is empty then. */
void seqs_release(struct seqs *s);

#endif
