/* SPDX-License-Identifier: MIT
 *
 * reply: outcomes as HTTP answers. What the sender sees, and nothing it must not.
 *
 * source: the table of answers in docs/answers.md; RFC 3875, section 6 (CGI responses)
 */
#ifndef REPLY_H
#define REPLY_H

#include "base/err.h"
#include "store/store.h"

enum { REPLY_SIZE = 512 /* bytes: head and body */ };

struct reply {
    int status;
    char body[160];
    bool text;  /* text/plain, else JSON */
    bool allow; /* an Allow header */
    bool retry; /* a Retry-After header */
};

struct reply reply_outcome(enum store_outcome outcome); /* an error for what is not recorded */
struct reply reply_spooled(bool decoded);               /* it will be recorded, or quarantined */
struct reply reply_probe(void);
struct reply reply_error(enum err_code code);
struct reply reply_state(enum err_code code); /* for GET: ERR_NONE is "ready" */

/*
 * Write the CGI response: Status, headers, body (left out for HEAD, with its length still told).
 * out: the number of bytes at `out`, which has room for REPLY_SIZE
 */
size_t reply_write(const struct reply *r, bool head, char *out);

#endif
