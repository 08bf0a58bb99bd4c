/* SPDX-License-Identifier: MIT
 *
 * fcgi_record: is a whole FastCGI request here? A walk over record headers that interprets nothing else.
 *
 * source: FastCGI Specification 1.0, sections 3.3 (records), 5 (application record types)
 */
#ifndef FCGI_RECORD_H
#define FCGI_RECORD_H

#include "span.h"

enum fcgi_state {
    FCGI_PARTIAL, /* more is to come */
    FCGI_WHOLE,   /* up to its empty STDIN record and no further */
    FCGI_TRAILED, /* whole, with bytes behind it: no server does that; the connection must not be used again */
    FCGI_ALIEN    /* no responder request, aborted, or a record that no web server sends: close it */
};

struct fcgi_walk {
    enum fcgi_state state;
    unsigned records; /* met so far */
};

/* Walk over what has arrived so far, from the beginning of a request. Cost: one step a record. */
struct fcgi_walk fcgi_record_walk(struct span arrived);

#endif
