/* SPDX-License-Identifier: MIT
 *
 * begun: whether a configuration has had a database before.
 *
 * A missing database was never begun, or lies on a volume that is not mounted, or its path in the configuration has a slip
 * now. Its folder cannot tell: it may be empty. So a mark, SECRET_FILE.database, stands beside the
 * first secret file: a link to the database, which a confined receiver can read though it has no other file of that folder.
 * If the mark cannot be made, nothing fails.
 */
#ifndef BEGUN_H
#define BEGUN_H

#include "config/config.h"

#include <limits.h>
#include <stdbool.h>

/*
 * If its database is there, let the mark name it, unless this process is confined: after a receiver has begun it under
 * confinement its next start, init or watch does. Never fails; a few calls if the mark is right.
 */
void begun_mark(const struct config *c);

/* Was a database begun under this configuration? *was: its path then. */
bool begun_before(const struct config *c, char was[PATH_MAX]);

#endif
