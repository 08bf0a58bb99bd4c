/* SPDX-License-Identifier: MIT
 *
 * verify_api: what the parts of verify --api share: events that were accepted with a secret, and what ComplyCube has of each.
 */
#ifndef VERIFY_API_H
#define VERIFY_API_H

#include "account.h"
#include "compare.h"

enum { VERIFY_API_KEY = 16 /* bytes of a digest */ };

/* An event, and what was found. */
struct verify_api_claim {
    uint8_t key[VERIFY_API_KEY]; /* of kind and resource; those of one resource are neighbours */
    uint8_t kind;                /* VENDOR_KINDS: nothing is asked */
    uint8_t found;
    bool judged;
    int64_t seq;
    const char *what; /* what differs; static */
};

struct verify_api {
    const struct cmd *cmd;
    struct store *store;
    struct account *account;
    struct verify_api_claim *list;
    size_t n, room, n_all;
    int64_t judged, sums[COMPARE_CLASSES];
    struct progress progress;
    bool audit; /* the audit log can be asked */
    bool out_of_memory;
    /* of the resource at hand: */
    struct verify_api_claim *group;
    size_t n_group;
    struct span object;
    int64_t deleted_ms;
    char id[EVENT_FIELD_MAX + 1];
    struct err bad;
};

/* What the claim's key is of a resource. */
void verify_api_key(struct verify_api_claim *c, struct span id);

/* The order of the list: those of one resource are neighbours, the oldest event first. For qsort. */
int verify_api_order(const void *a, const void *b);

/* The order by the events' numbers. For qsort. */
int verify_api_by_seq(const void *a, const void *b);

void verify_api_settle(struct verify_api *k, struct verify_api_claim *c, enum compare_class found, const char *what);

/* Read the events of the group, which is sorted by their numbers. */
int verify_api_read(struct verify_api *k, store_each *each, struct err *e);

/* The claim of the group that has this number, or NULL. */
struct verify_api_claim *verify_api_find(const struct verify_api *k, int64_t seq);

/* Ask ComplyCube's API until all of the list, which is sorted, are judged. errors: those of api.h */
int verify_api_ask(struct verify_api *k, struct err *e);

#endif
