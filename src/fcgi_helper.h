/* SPDX-License-Identifier: MIT
 *
 * fcgi_helper: a few threads that read requests too large to lie in a socket's buffer, one each, so that the
 * main thread never waits for a peer. A helper only reads; verifying, recording and answering stay with the
 * main thread.
 */
#ifndef FCGI_HELPER_H
#define FCGI_HELPER_H

#include "fcgi_slot.h"

enum { FCGI_HELPERS = 4 };

struct fcgi_helpers;

/*
 * Start the threads, every signal blocked in them.
 * in:  wake_fd  an eventfd, written when a request has been read
 */
int fcgi_helpers_start(struct fcgi_helpers **h, int wake_fd, struct err *e);

/* Hand a connection over; `tag` comes back with it. false: all are at work. The fd stays the caller's. */
bool fcgi_helpers_give(struct fcgi_helpers *h, int fd, size_t max_body, void *tag);

/* A connection that was read, and its slot, or NULL when it held no request; false: none is done. */
bool fcgi_helpers_take(struct fcgi_helpers *h, void **tag, struct fcgi_slot **slot, unsigned *which);

/* The slot of helper `which` has been answered: it may read again. kept: libfcgi has left its connection open. */
void fcgi_helpers_release(struct fcgi_helpers *h, unsigned which, bool kept);

/* End the threads; their connections have been shut down before, so none of them waits. */
void fcgi_helpers_stop(struct fcgi_helpers *h);

#endif
