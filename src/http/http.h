/* SPDX-License-Identifier: MIT
 *
 * http: posts bodies to one URL, several at a time, each in a slot: a number below HTTP_SLOTS_MAX. This room is the only
 * user of libcurl; http_call.h has plain requests, whose answers are read.
 *
 * A request has the exact body, its ComplyCube-Signature, a Content-Type and a User-Agent. Redirects are not followed, a
 * certificate must be valid, connections are kept, the proxy variables count as for curl(1). Nothing of an answer but
 * its status, its Retry-After and where it redirects to is kept. One thread; nothing here blocks but http_wait, and
 * http_see, which asks once and keeps more of what it saw.
 */
#ifndef HTTP_H
#define HTTP_H

#include "base/err.h"
#include "base/span.h"

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
 * in:     url      borrowed until http_close, as the next
 *         ca_file  the authorities that TLS trusts; NULL: the system's
 * out:    0 and *h, to be closed
 * errors: ERR_USAGE   the URL is none of http:// or https://
 *         ERR_CONFIG  it is https://, and this system has no list of authorities
 *         ERR_MEMORY
 */
int http_open(struct http **h, const char *url, const char *ca_file, int64_t timeout_s, struct err *e);
void http_close(struct http *h); /* NULL is legal; ends what runs */

/* Start in a slot where nothing runs. The body is borrowed until http_look tells an end, the signature is not. */
void http_post(struct http *h, int slot, struct span signature, struct span body);

/* What came of the latest in this slot, valid until the next http_post there. */
const struct http_result *http_look(const struct http *h, int slot);

/* End it now; what has ended stays as it is. */
void http_cancel(struct http *h, int slot);

/* Until something may have ended since the last call, fd is readable, or so many ms are over. */
void http_wait(struct http *h, int fd, int ms);

/* ---- one request, looked at closely ---- */

enum http_trouble {
    HTTP_FINE,    /* answered, with a status */
    HTTP_NO_NAME, /* no such host */
    HTTP_NOBODY,  /* nobody listens there */
    HTTP_BAD_TLS, /* see tls */
    HTTP_SLOW,    /* no whole answer within the time */
    HTTP_TORN     /* it broke off, or another fault: see why */
};
enum http_tls {
    HTTP_TLS_GOOD,
    HTTP_TLS_EXPIRED,
    HTTP_TLS_EARLY,       /* not valid yet */
    HTTP_TLS_SELF_SIGNED, /* by nobody else */
    HTTP_TLS_CHAIN,       /* only the server's own certificate was sent, and its issuer is not known here */
    HTTP_TLS_ISSUER,      /* the chain ends at one who is not known here */
    HTTP_TLS_NAME,        /* it is of another host */
    HTTP_TLS_NO_LIST,     /* this host has no list of authorities, or it cannot be read */
    HTTP_TLS_OTHER
};

struct http_ask {
    const char *url;
    const char *ca_file; /* the authorities that are trusted; NULL: the system's */
    bool post;           /* with signature and body; else a GET */
    struct span signature, body;
    int timeout_s;
};

struct http_seen {
    enum http_trouble trouble;
    enum http_tls tls;
    char why[200]; /* in libcurl's words, where there is trouble */
    int status;
    char server[64]; /* the header, cut */
    char body[512];  /* its beginning, with a NUL; may hold foreign bytes */
    char redirect[1024];
    int64_t took_ms, date_ms,
        expires_ms;                 /* 0: not said; of the certificate: where it could be read, also a bad one */
    char subject[200], issuer[200]; /* of the certificate */
};

/* Ask, and wait for the answer. -1 and *e only for what is none of http:// and https://, or when memory is out. */
int http_see(const struct http_ask *ask, struct http_seen *seen, struct err *e);

#endif
