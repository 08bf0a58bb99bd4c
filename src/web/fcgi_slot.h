/* SPDX-License-Identifier: MIT
 *
 * fcgi_slot: one FastCGI request inside libfcgi, from its first byte to its answer. The only user of fcgiapp.h.
 *
 * The body is always read to its end before an answer: what libfcgi does not read it would later take for the
 * next request's records, and so run a request that was forged inside a body.
 */
#ifndef FCGI_SLOT_H
#define FCGI_SLOT_H

#include "receiver/receive.h"

struct fcgi_slot;

/* Initialize libfcgi, once, before the first slot. Leaves SIGPIPE ignored. -1: it refused. */
int fcgi_slot_setup(void);

struct fcgi_slot *fcgi_slot_new(void); /* NULL: out of memory */
void fcgi_slot_free(struct fcgi_slot *slot);

/*
 * Read a whole request; does not wait.
 * in:  fd        the connection, given away: libfcgi closes it unless fcgi_slot_answer says that it is kept
 *      from      where the request is read: fd too, or a file that holds it, which is closed
 *      max_body  bytes kept; more is drained
 * out: 0 and the exchange's request; -1: it was no request or broke off, the connection is closed
 */
int fcgi_slot_read(struct fcgi_slot *slot, int fd, int from, size_t max_body);

struct exchange *fcgi_slot_exchange(struct fcgi_slot *slot);

/*
 * Write the answer, and the log line too where `to_stream`: the web server logs it.
 * out: true: the web server wants to use the connection again, and may_keep. false: it is closed
 */
bool fcgi_slot_answer(struct fcgi_slot *slot, bool may_keep, bool to_stream);

#endif
