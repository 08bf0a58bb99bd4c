/* SPDX-License-Identifier: MIT
 *
 * fcgi_record: is a whole FastCGI request here? A walk over record headers that interprets nothing else, and that
 * lets pass only what a web server sends: libfcgi trusts its peer with the rest.
 *
 * source: FastCGI Specification 1.0, sections 3.3 (records), 3.4 (name-value pairs), 5 (application record types)
 */
#ifndef FCGI_RECORD_H
#define FCGI_RECORD_H

#include "base/buf.h"
#include "base/span.h"

enum { FCGI_PARAMS_MAX = 256 << 10 /* bytes of all variables of a request */ };
enum {
    FCGI_RECORD_END = 3,
    FCGI_RECORD_PARAMS,
    FCGI_RECORD_STDIN,
    FCGI_RECORD_STDOUT,
    FCGI_RECORD_HEADER = 8 /* bytes */
};

enum fcgi_state {
    FCGI_PARTIAL, /* more is to come */
    FCGI_WHOLE,   /* up to its empty STDIN record and no further */
    FCGI_TRAILED, /* whole, with bytes behind it: no server does that; the connection must not be used again */
    FCGI_ALIEN    /* no responder request, aborted, or a record that no web server sends: close it */
};

/* Where a walk stands. All zero: at the beginning of a request. */
struct fcgi_walk {
    enum fcgi_state state;
    size_t at; /* of the next record, in what has arrived */
    unsigned id, records;
    bool params_ended;   /* by their empty record; then comes STDIN, and no further PARAMS */
    size_t params, body; /* bytes of content met so far */
};

/*
 * Walk on over what has arrived since the beginning of the request.
 * out:  walk->state
 * cost: one step a record; once whole, one more for each variable
 */
void fcgi_record_walk(struct fcgi_walk *walk, struct span arrived);

/* ---- for who answers without libfcgi ---- */

/*
 * The content of all records of a type, one after another, of a request that is FCGI_WHOLE. What is above `most` bytes is
 * left out.
 * out: 0; -1: no memory
 */
int fcgi_record_content(struct span whole, unsigned type, size_t most, struct buf *out);

/* The next variable of such PARAMS, which is taken off; false: no more. Spans are those of the content. */
bool fcgi_record_variable(struct span *params, struct span *name, struct span *value);

/* The head of a record of ours, without padding; length is at most 65535. */
void fcgi_record_head(char out[FCGI_RECORD_HEADER], unsigned type, unsigned id, size_t length);

#endif
