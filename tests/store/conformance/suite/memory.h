/* SPDX-License-Identifier: MIT
 *
 * memory: a second backend, of the tests alone: a store that another machine might keep. It is what the suite shows that
 * nothing in it is SQLite's. One region of memory that processes share, and one lock; it keeps neither history nor figures. src/store/store.c is compiled with this header before it, and so has one scheme more.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "store/backend.h"

/* The region is a file of this path. ERR_NOT_FOUND, ERR_SYSTEM */
int memory_open(struct store **s, const char *path, const struct store_options *o, struct err *e);

#define STORE_SCHEME_OF_TESTS \
    { \
        "memory:", memory_open, NULL, NULL \
    }

#endif
