/* SPDX-License-Identifier: MIT
 *
 * person: which events, and which rows of quarantine, are meant by erase and export.
 *
 * A client means its own events, those that name it, and all of the resources these are of. In quarantine, where nothing
 * is taken apart, a row is meant when its body names one of the ids, as a whole word.
 */
#ifndef PERSON_H
#define PERSON_H

#include "cmd.h"

struct person {
    const struct cmd *cmd;
    struct verifier *verifier; /* for bodies that are ours already */
    char **ids;                /* n of them: the client, the resource, and the resources of its events */
    size_t n, cap;
};

/*
 * What the command line means: the numbers of events, the oldest first; with links_last those that name the client come
 * behind all others, which are known to be its only by them.
 * out:    how many, with *seqs to be freed and *p to be released; or -1 and *e
 * errors: ERR_NOT_FOUND  an argument that is no event
 */
int64_t person_select(struct person *p, const struct cmd *cmd, struct store *s, bool links_last, int64_t **seqs,
                      struct err *e);
void person_release(struct person *p);

/* Know the ids of another, too; -1: memory is out. */
int person_add(struct person *p, const struct person *other);

/* Is a row of quarantine meant? */
bool person_means_row(const struct person *p, const struct store_quarantined *row);

#endif
