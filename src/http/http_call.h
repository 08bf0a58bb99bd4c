/* SPDX-License-Identifier: MIT
 *
 * http_call: a request and its whole answer, one after the other over a connection that is kept. What is no GET has a new
 * one and is sent once.
 *
 * A certificate must be valid, and no redirect is followed: what the request holds goes to one host. The proxy variables
 * count as for curl(1), but not for http:// URLs: their requests, unencrypted, leave this host to nobody else.
 */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

struct http_caller;

/*
 * in:     ca_file    the authorities that are trusted; NULL: the system's
 *         timeout_s  for a request and its answer
 * errors: ERR_MEMORY
 */
int http_caller_open(struct http_caller **c, const char *ca_file, int timeout_s, struct err *e);
void http_caller_close(struct http_caller *c); /* NULL is legal */

struct http_request {
    const char *method, *url;
    const char *secret_header; /* "Name: value", wiped from what is sent as far as it is ours; NULL: none */
    struct span body;          /* JSON; absent: none */
    size_t limit;              /* bytes of an answer that are taken */
};

enum http_fate {
    HTTP_CALL_UNSENT, /* nothing of the request has left, or nobody is there */
    HTTP_CALL_ANSWERED,
    HTTP_CALL_BROKEN, /* it broke off, or was late: it may have been obeyed */
    HTTP_CALL_LONG    /* the answer is longer than the limit */
};

struct http_reply {
    enum http_fate fate;
    int status;             /* of HTTP_CALL_ANSWERED */
    struct buf body;        /* kept from call to call; to be released */
    int64_t date_ms;        /* of the header Date; 0: none */
    int64_t retry_after_ms; /* what the answer asks for, an hour at most; 0: nothing */
    char limits[200];       /* names of headers that tell of a rate or a limit, with blanks between them */
    char redirect[200];     /* where it points to, without query and fragment; "": nowhere */
    char why[200];          /* where it was not answered, in libcurl's words */
};

/* Ask and wait. 0 with *r, or -1 and *e: ERR_USAGE for what is no URL, ERR_CONFIG without a list of authorities, ERR_MEMORY */
int http_call(struct http_caller *c, const struct http_request *q, struct http_reply *r, struct err *e);

/* Is this an https:// URL, or an http:// one of a loopback address? As libcurl reads it, so that no user name hides a host. */
bool http_call_is_private(const char *url);

/* Write a text as a part of a path or a query: all but letters, digits and -_. as %XX. 0, or -1: it does not fit */
int http_call_encode(const char *text, char *out, size_t size);

#endif
