/* SPDX-License-Identifier: MIT
 *
 * page_request: what a web server says of a request for the page, and what its query asks for.
 *
 * The web server vouches for user and auth_type; nothing else is trusted. Nothing of a query is used but a value that its
 * parameter's own check let pass, and no value is shown again but so.
 */
#ifndef PAGE_REQUEST_H
#define PAGE_REQUEST_H

#include "base/err.h"
#include "base/span.h"
#include "store/store.h"

enum { PAGE_QUERY_MAX = 1024 /* bytes of a query or a body */, PAGE_VALUE_MAX = 255 };

/* Spans are borrowed; absent if the variable is not set or empty. */
struct page_request {
    struct span method;        /* REQUEST_METHOD */
    struct span query;         /* QUERY_STRING */
    struct span path;          /* PATH_INFO */
    struct span user;          /* REMOTE_USER */
    struct span auth_type;     /* AUTH_TYPE */
    struct span authorization; /* HTTP_AUTHORIZATION: for the figures alone */
    struct span https;         /* HTTPS */
    struct span remote;        /* REMOTE_ADDR */
    struct span body;          /* whole, or longer than PAGE_QUERY_MAX */
};

/* The names of the variables in an environment: names[i] goes to page_request_variable(q, i). */
extern const char *const page_request_names[];
enum { PAGE_REQUEST_VARIABLES = 8 };
struct span *page_request_variable(struct page_request *q, size_t i);

/* What is asked for; what was not given is empty, 0 or PAGE_ANY. */
enum { PAGE_ANY = -1 };
struct page_query {
    char view[16];                  /* "": the first page */
    int state;                      /* an enum store_state; or one of the next two */
    bool claimed, delayed, refresh; /* of those that wait */
    int64_t seq, before, number;    /* of an event; events before it; of a row in quarantine */
    char endpoint[64];
    char type[PAGE_VALUE_MAX + 1], find[PAGE_VALUE_MAX + 1];
    char day[11]; /* 2026-11-30 */
};

/* NAME=VALUE&...: 0, or -1: a name is unknown or comes twice, or a value is not one of its kind. */
int page_query_read(struct page_query *q, struct span text);

/* When a day begins and ends in the host's time zone. -1: the calendar has no such day. */
int page_query_day(const char *day, int64_t *since_ms, int64_t *before_ms);

#endif
