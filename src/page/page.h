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
    const char *type;  /* Content-Type */
    struct html html;  /* to be released by page_answer_release */
    char said[480];    /* for the web server's error log; "": nothing */
};

/*
 * Answer a request.
 * in:   c    loaded, sound or not
 * cost: the store is opened and closed again, where the request may see it
 */
void page_answer(const struct config *c, const struct page_request *q, int64_t now_ms, struct page_answer *a);
void page_answer_release(struct page_answer *a);

/* The head as a CGI gives it, to the empty line: bytes at `out`, of PAGE_HEAD_MAX. */
enum { PAGE_HEAD_MAX = 1024 };
size_t page_head(const struct page_answer *a, char out[PAGE_HEAD_MAX]);

/* Is the block of the page sound? errors: ERR_CONFIG, with the line of the file and the cure */
int page_check(const struct config *c, struct err *e);

#endif
