/* SPDX-License-Identifier: MIT
 *
 * api: the vendor's API, for an account: objects by their ids, lists page by page, and changes of webhooks.
 *
 * One request at a time, never more within a second than the account may send. What is asked for too fast, and a GET that
 * fails for a while, is asked for again; nothing else is. No redirect is followed, so that the key goes to one host.
 * Nothing here prints: a callback of the caller is asked before each wait. Answers are read in one buffer, up to
 * API_ANSWER_MAX, whose texts are valid until the next request; it is wiped, since it may hold a secret or a person.
 *
 * errors of every request:
 *     ERR_SECRETS    401: the API does not know the key
 *     ERR_USAGE      400, 422: the API's words say what is wrong with the request
 *     ERR_NOT_FOUND  404: there is no such object
 *     ERR_BUSY       429, still after all that was waited
 *     ERR_REMOTE     402, 403: the account may not; or the API cannot be reached, fails, or answers in another form
 *     ERR_MEMORY
 *
 * source: docs.complycube.com, "Errors", "Pagination", "Rate limits", "Filtering"
 */
#ifndef API_H
#define API_H

#include "api_key.h"
#include "base/span.h"

#include <stdint.h>

enum {
    API_ANSWER_MAX = 32 << 20, /* bytes */
    API_PAGE_MAX = 1000,       /* items of a page */
    API_RATE_LIVE = 8,         /* requests within a second; the vendor allows 10, and 5 */
    API_RATE_TEST = 4,
    API_TIME = 32,   /* bytes of a time */
    API_ID_MAX = 255 /* bytes of an object's id */
};

struct api;

/* Why a request waits. */
enum api_why {
    API_RATE, /* others were sent within this second */
    API_BUSY, /* the API said 429 */
    API_FAILS /* it failed, and is tried again */
};

struct api_options {
    const char *url;     /* of the API, without a slash at its end */
    const char *ca_file; /* the authorities that are trusted; NULL: the system's */
    const char *whose;   /* the key's endpoint and place, for messages */
    int rate;            /* requests within a second, if that is less than the standard of the key; 0: the standard */
    int timeout_s;       /* for an answer; 0: 60 */
    int64_t patience_ms; /* that all waits for API_BUSY and API_FAILS may take; 0: as long as they take */
    /* Wait so long; anything but 0 ends the request by ERR_BUSY. NULL: wait in silence. */
    int (*pause)(void *ctx, enum api_why why, int64_t ms);
    void *ctx;
};

/*
 * in:     o    borrowed until api_close, its texts too; the key is copied
 * out:    0 with *a, to be closed
 * errors: ERR_CONFIG  the URL is neither https nor http of a loopback address, or has a user in it;  ERR_MEMORY
 */
int api_open(struct api **a, const struct api_options *o, const struct api_key *key, struct err *e);
void api_close(struct api *a); /* wipes the key; NULL is legal */

struct api_param {
    const char *name, *value; /* encoded by this module */
};

struct api_request {
    const char *path;               /* "/checks" */
    const char *id;                 /* of an object below it; NULL: none. Encoded here; "" is ERR_USAGE */
    const struct api_param *params; /* n_params of them */
    size_t n_params;
    struct span body; /* of a POST: a JSON object */
};

/* Ask for an object. *object: its JSON, checked whole. */
int api_get(struct api *a, const struct api_request *q, struct span *object, struct err *e);

/* Post; *object: the answer's, likewise. It is sent again after a 429 only, which says that it was not obeyed. */
int api_post(struct api *a, const struct api_request *q, struct span *object, struct err *e);

int api_delete(struct api *a, const struct api_request *q, struct err *e);

/* After a failure: could the API have obeyed the latest request all the same? */
bool api_may_have_obeyed(const struct api *a);

/* What a page says of its list. */
struct api_page {
    int64_t total; /* items that match, on all pages, by the API's words */
    size_t n;      /* items of this page */
};

/* Called for each item of a page, a checked JSON object, in order. 0, or -1 and *e: then no other is visited. */
typedef int api_item(void *ctx, struct span item, struct err *e);

/*
 * Ask for one page of a list; which one, and of how many items, is in the request's params.
 * out: 0 with *page; -1 and *e, the visitor's too
 */
int api_list(struct api *a, const struct api_request *q, api_item *visit, void *ctx, struct api_page *page,
             struct err *e);

/*
 * Ask for page after page, of page_size items each, until one is not full. A list that changes meanwhile may skip items or
 * show them twice: this is for lists that do not.
 */
int api_list_all(struct api *a, const struct api_request *q, int page_size, api_item *visit, void *ctx,
                 struct api_page *page, struct err *e);

/*
 * How far the API's clock is ahead of this host's, in ms, by the Date of all answers so far: known to a second by one, and
 * better by several. false: no answer had a Date.
 */
bool api_offset_ms(const struct api *a, int64_t *offset_ms);

/* What was learned of the API's limits: answers of 429, those of them with Retry-After, and names of headers ("": none). */
struct api_limits {
    int64_t refused, with_retry_after;
    char headers[200];
};
const struct api_limits *api_limits(const struct api *a);

/* How many requests were sent, those that were sent again included. */
int64_t api_requests(const struct api *a);

/* ---- values ---- */

/*
 * A time as the API writes it, "2026-01-29T20:31:42.375Z", at `out` of API_TIME bytes, which is returned. decode_time()
 * reads it.
 */
const char *api_time(int64_t ms, char *out);

/* A string's text with a NUL after it. false, and "": it is no string, does not fit, or is no text of C. */
bool api_text(struct span value, char *out, size_t size);

/* A whole number from 0; -1: it is not one. */
int64_t api_number(struct span value);

#endif
