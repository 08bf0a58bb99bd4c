/* SPDX-License-Identifier: MIT
 *
 * page: the inbox as a page, for those that the configuration names; it changes nothing.
 *
 * Closed until a user is named: the checks of who may look come first, in the order of page_gate.h, and nothing of the
 * database is opened before all of them have passed. Every answer has a policy that runs no script and loads nothing.
 */
#ifndef PAGE_H
#define PAGE_H

#include "config/config.h"
#include "html.h"
#include "page_request.h"

struct page_answer {
    int status;        /* of HTTP */
    const char *allow; /* of a 405: the methods; else NULL */
    bool bearer;       /* of a 401: a token is asked for */
    const char *type;  /* Content-Type */
    struct html html;  /* to be released by page_answer_release */
    char said[480];    /* for the web server's error log; "": nothing */
};

/*
 * Answer a request.
 * in:   c      loaded, sound or not
 *       token  who sends it gets the figures at /metrics; empty: only users get them
 * cost: the store is opened and closed again, where the request may see it
 */
void page_answer(const struct config *c, struct span token, const struct page_request *q, int64_t now_ms,
                 struct page_answer *a);
void page_answer_release(struct page_answer *a);

/* The head as a CGI gives it, to the empty line: bytes at `out`, of PAGE_HEAD_MAX. */
enum { PAGE_HEAD_MAX = 1024 };
size_t page_head(const struct page_answer *a, char out[PAGE_HEAD_MAX]);

/*
 * Read the token of `metrics` into *out, to be released; nothing without one. Before the process confines itself.
 * errors: ERR_CONFIG  others may read it, or it has less than PAGE_TOKEN_MIN bytes
 */
enum { PAGE_TOKEN_MIN = 32 };
int page_token(const struct config *c, struct buf *out, struct err *e);

/* Is the block of the page sound? errors: ERR_CONFIG, with the line of the file and the cure */
int page_check(const struct config *c, struct err *e);

#endif
