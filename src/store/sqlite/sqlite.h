/* SPDX-License-Identifier: MIT
 *
 * sqlite: the store in one SQLite file. Contracts are those of store.h.
 *
 * Writers of all processes queue on flock of "<path>.lock", which wakes the next at once; then on SQLite's
 * own lock, which consumers take. The database file itself is never opened but by SQLite: closing any other
 * descriptor of it would drop SQLite's locks (sqlite.org/howtocorrupt.html, section 2.2).
 */
#ifndef SQLITE_H
#define SQLITE_H

#include "store/backend.h"

int sqlite_open(struct store **s, const char *path, const struct store_options *o, struct err *e);
int sqlite_probe(const char *path, const struct store_options *o, struct err *e);
int sqlite_restore(const char *path, const struct store_options *o, const char *file, const struct store_restore *how,
                   struct store_restored *r, struct err *e);

#endif
