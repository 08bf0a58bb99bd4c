/* SPDX-License-Identifier: MIT
 *
 * windows: a list of the API that changes while it is read, without loss.
 */
#ifndef WINDOWS_H
#define WINDOWS_H

#include "account.h"

/* A list that is read by time, and what is done with it. */
struct windows_list {
    struct account *account;
    int64_t end_ms;             /* of clock_ms(), by --max-time; 0: none */
    const char *path, *member;  /* "updatedAt" or "createdAt", by which it is read */
    const char *after, *before; /* its filters */
    struct api_param filter[2]; /* others, n of them */
    size_t n;
    int (*item)(void *ctx, struct span item, struct err *e);
    int (*page_end)(void *ctx, struct err *e); /* after the items of a page: may ask the API; NULL: nothing is done */
    void *ctx;
};

/*
 * Visit each item whose time is from `from_ms` to `to_ms`, both counted; INT64_MAX: to the end. Each is seen, whatever
 * changes meanwhile, if only its time rises: an answer is one page, and earlier times are asked for first. An item that
 * changes meanwhile may be seen twice.
 * errors: ERR_REMOTE  a filter does not work;  those of api.h
 */
int windows_read(const struct windows_list *list, int64_t from_ms, int64_t to_ms, struct err *e);

/* ERR_NOT_FOUND: clock_ms() is past this end. 0: no end */
int windows_check_deadline(int64_t end_ms, struct err *e);

#endif
