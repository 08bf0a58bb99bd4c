/* SPDX-License-Identifier: MIT
 *
 * request: an HTTP request as a value that knows no server. The bytes are borrowed from whoever read it and
 * live until it is answered. Nothing here is trusted.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum request_body {
    REQUEST_WHOLE,    /* read to its end */
    REQUEST_CUT,      /* the connection broke off or timed out before the end */
    REQUEST_TOO_LARGE /* above max_body; the rest was drained */
};

struct request {
    struct span method;        /* REQUEST_METHOD */
    struct span method_before; /* REDIRECT_REQUEST_METHOD: Apache's, of a request that it leads to an ErrorDocument */
    struct span signature;     /* HTTP_COMPLYCUBE_SIGNATURE; absent when unset or empty */
    bool signature_twice;      /* the header came more than once */
    struct span content_length; /* CONTENT_LENGTH as given: often unset, empty or wrong; only words an error */
    struct span remote;         /* REMOTE_ADDR, for the log */
    enum request_body end;
    struct span body; /* the exact bytes */
};

/* CONTENT_LENGTH as a number: true and *length; false if it is unset or no number that a length can be. */
static inline bool request_length(const struct request *q, uint64_t *length)
{
    uint64_t said = 0;
    for (size_t i = 0; i < q->content_length.len; i++) {
        char c = q->content_length.at[i];
        if (c < '0' || c > '9' || said > (uint64_t)1 << 40)
            return false;
        said = said * 10 + (uint64_t)(c - '0');
    }
    *length = said;
    return q->content_length.len > 0;
}

#endif
