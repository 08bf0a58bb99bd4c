/* SPDX-License-Identifier: MIT
 *
 * example: events as ComplyCube sends them, one of each known type, for trying a webhook.
 *
 * Each has an id of its own, drawn at random, and a resource of its own; what they share is a client. They are compact
 * JSON, as JavaScript writes it, and in no member do they say that they are examples.
 *
 * source: docs.complycube.com, "Webhooks", for the types and members; no real body is published
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { EXAMPLE_MAX = 1024 /* bytes of an event */, EXAMPLE_ID = 24 /* lower hex digits of an id */ };

struct example {
    FILE *random;
    char client[EXAMPLE_ID + 1]; /* of a run */
};

/* errors: ERR_SYSTEM  there is no /dev/urandom */
int example_open(struct example *x, struct err *e);
void example_close(struct example *x); /* the zero value is legal */

/* The n-th known type, in the vendor's order; NULL behind the last. */
const char *example_type(size_t n);

/* Is there an example of this type? */
bool example_has(const char *type);

/*
 * Write an event of a known type that happened at now_ms, UTC.
 * out:    its length in bytes, below EXAMPLE_MAX; 0 and *e
 * errors: ERR_NOT_FOUND  no such type;  ERR_SYSTEM  nothing random can be read
 */
size_t example_write(struct example *x, const char *type, int64_t now_ms, char out[EXAMPLE_MAX], struct err *e);

#endif
