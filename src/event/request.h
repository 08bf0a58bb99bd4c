/* SPDX-License-Identifier: MIT
 *
 * request: an HTTP request as a value that knows no server. The bytes are borrowed from whoever read it and
 * live until it is answered. Nothing here is trusted.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "base/span.h"

enum request_body {
    REQUEST_WHOLE,    /* read to its end */
    REQUEST_CUT,      /* the connection broke off or timed out before the end */
    REQUEST_TOO_LARGE /* above max_body; the rest was drained */
};

struct request {
    struct span method;         /* REQUEST_METHOD */
    struct span signature;      /* HTTP_COMPLYCUBE_SIGNATURE; absent when unset or empty */
    bool signature_twice;       /* the header came more than once */
    struct span content_length; /* CONTENT_LENGTH as given: often unset, empty or wrong; only words an error */
    struct span remote;         /* REMOTE_ADDR, for the log */
    enum request_body end;
    struct span body; /* the exact bytes */
};

#endif
