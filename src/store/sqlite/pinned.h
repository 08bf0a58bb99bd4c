/* SPDX-License-Identifier: MIT
 *
 * pinned: a write-ahead log that grows since somebody reads on and on.
 *
 * As long as a transaction reads from it, SQLite cannot write it back into the database and reuse it: an abandoned cursor or
 * a replication tool can fill the disk.
 */
#ifndef PINNED_H
#define PINNED_H

#include <stdbool.h>
#include <stdint.h>

enum { PINNED_LARGE = 16 << 20 /* bytes; receivers write back every 2 MB */ };

struct pinned {
    int64_t bytes; /* of the log, that are not in the database yet */
    long pid;      /* who keeps them there; 0: nobody that this system shows */
    char name[32]; /* of its program, in printable characters; "" if it is not known */
};

/*
 * Is there so much that nobody writes back? Looks again for half a second before it says so, as a batch may be at work.
 * Call it while this process does not have the database open: to close a file drops all locks that a process has on it.
 */
bool pinned_look(const char *database, struct pinned *p);

#endif
