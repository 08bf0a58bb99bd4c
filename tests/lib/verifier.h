/* SPDX-License-Identifier: MIT
 * verifier: one of secrets that stand in a test; the programs read theirs from files. */
#ifndef VERIFIER_H
#define VERIFIER_H

#include "event/verify.h"

#include <assert.h>

struct verifier_secret {
    const char *endpoint, *name; /* borrowed for the life of the verifier */
    struct span value;
};

/* verify_open of at most 8 secrets. */
static inline int verifier_open(struct verifier **v, const struct verifier_secret *secrets, size_t n, struct err *e)
{
    struct verify_key keys[8];
    struct verify_named named[8] = {{0}};
    assert(n <= sizeof keys / sizeof *keys);
    for (size_t i = 0; i < n; i++) {
        verify_key(&keys[i], secrets[i].value);
        named[i] = (struct verify_named){secrets[i].endpoint, secrets[i].name, &keys[i]};
    }
    return verify_open(v, named, n, e);
}

#endif
