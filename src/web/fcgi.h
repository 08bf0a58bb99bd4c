/* SPDX-License-Identifier: MIT
 *
 * fcgi: requests from a listening FastCGI socket, those that wait answered together.
 *
 * One thread accepts, parks what has not wholly arrived in epoll, and gives libfcgi only requests that lie in
 * the socket's buffer from first to last byte, so that a client that trickles delays nobody. What is too large or
 * too slow for that is gathered first (fcgi_gather).
 *
 * holds: a request is whole WEB_DEADLINE_MS after its connection (or, kept alive, its first byte) or is cut
 *        with nothing stored. At most CONNECTIONS connections are held and BATCH_BYTES of bodies in a batch, the rest
 *        waits in the listen backlog. Where all connections are taken, one that is kept alive and idle makes room for
 *        another, else the one whose request is the slowest. Each may keep OWN_BYTES of its request, LARGE of them all
 *        of it; when another needs to, the slowest of these makes way once it is slow. So at most 83 MB are kept
 *        with a max_body of 1 MB, and what stalls holds up no request of up to OWN_BYTES.
 */
#ifndef FCGI_H
#define FCGI_H

#include "receiver/receiver.h"

/* Serve until TERM, INT or USR1; HUP looks at the configuration again. Returns the exit code. */
int web_fcgi(struct receiver *r, int listen_fd);

#endif
