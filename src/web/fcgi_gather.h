/* SPDX-License-Identifier: MIT
 *
 * fcgi_gather: a request that is too large, or comes too slowly, to lie whole in its socket's buffer, kept here until
 * it is. The buffer grows only with what has arrived, so that a slow peer costs its bytes and nobody's time.
 *
 * holds: a body above max_body is drained; just enough is kept for libfcgi to see that it is too long.
 */
#ifndef FCGI_GATHER_H
#define FCGI_GATHER_H

#include "base/buf.h"
#include "fcgi_record.h"

struct fcgi_gather {
    struct buf bytes;
    size_t taken;          /* bytes in all, with those that were drained */
    struct fcgi_walk walk; /* over bytes */
};

/* The most that one request is kept in, in bytes; one whose records are so small that it takes more is cut. */
size_t fcgi_gather_limit(size_t max_body);

enum fcgi_stop {
    FCGI_DRY,  /* all that has arrived was taken, or walk.state is no longer FCGI_PARTIAL */
    FCGI_TURN, /* the turn is over; more may have arrived */
    FCGI_FULL, /* `most` bytes are kept; more may have arrived */
    FCGI_LOST  /* the connection has ended, or the request cannot be kept */
};

/*
 * Take what has arrived on a connection, without waiting, and one turn of it at most, however fast it comes.
 * in:  most  bytes that may be kept of this request, if these are less than fcgi_gather_limit
 * out: why it stopped, and g->walk.state
 */
enum fcgi_stop fcgi_gather_read(struct fcgi_gather *g, int fd, size_t max_body, size_t most);

/* The whole request as a file to be read from its beginning, `memory` being one to use again; -1: it cannot be made. */
int fcgi_gather_file(const struct fcgi_gather *g, int memory);

/* Forget the request; the gather is empty again. */
void fcgi_gather_release(struct fcgi_gather *g);

#endif
