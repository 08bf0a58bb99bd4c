/* SPDX-License-Identifier: MIT
 *
 * http: posts bodies to one URL, several at a time, each in a slot: a number below HTTP_SLOTS_MAX. The only user of
 * libcurl.
 *
 * A request has the exact body, its ComplyCube-Signature, a Content-Type and a User-Agent. Redirects are not followed, a
 * certificate must be valid, connections are kept, the proxy variables count as for curl(1). Nothing of an answer but
 * its status, its Retry-After and where it redirects to is kept. One thread; nothing here blocks but http_wait.
 */
#ifndef HTTP_H
#define HTTP_H

#include "err.h"
#include "span.h"

#include <stdint.h>

enum { HTTP_SLOTS_MAX = 64, HTTP_CONNECT_S = 10 /* that a connection may take */ };

enum http_end {
    HTTP_RUNNING,
    HTTP_ANSWERED,  /* with result.status */
    HTTP_UNSENT,    /* nobody is there, or memory is out: nothing of the request has left */
    HTTP_LATE,      /* no whole answer within the time */
    HTTP_BROKEN,    /* it broke off */
    HTTP_CANCELLED, /* by http_cancel */
    HTTP_ENDS
};

struct http_result {
    enum http_end end;
    int status;             /* of HTTP_ANSWERED, as the next two */
    int64_t retry_after_ms; /* what the answer asks for, an hour at most; 0: nothing */
    char redirect[200];     /* where it points to, without query and fragment; "": nowhere */
    int64_t took_us;        /* of what was sent: from its start to its end */
    char why[200];          /* where it was not answered; may hold foreign bytes, nothing of a body */
};

struct http;

/*
 * in:     url, borrowed until http_close
 * out:    0 and *h, to be closed
 * errors: ERR_USAGE   the URL is none of http:// or https://
 *         ERR_MEMORY
 */
int http_open(struct http **h, const char *url, int64_t timeout_s, struct err *e);
void http_close(struct http *h); /* NULL is legal; ends what runs */

/* Start in a slot where nothing runs. The body is borrowed until http_look tells an end, the signature is not. */
void http_post(struct http *h, int slot, struct span signature, struct span body);

/* What came of the latest in this slot, valid until the next http_post there. */
const struct http_result *http_look(const struct http *h, int slot);

/* End it now; what has ended stays as it is. */
void http_cancel(struct http *h, int slot);

/* Until something may have ended since the last call, fd is readable, or so many ms are over. */
void http_wait(struct http *h, int fd, int ms);

#endif
