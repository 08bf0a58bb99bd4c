/* SPDX-License-Identifier: MIT
 *
 * decode: from a verified body to an event. Strict about form, open about content: ids and types are opaque
 * text, unknown members are passed over, and the payload is kept as the exact text that was signed.
 *
 * source: RFC 8259; docs.complycube.com, "Versioning": ids may change their form, types may be added
 */
#ifndef DECODE_H
#define DECODE_H

#include "event.h"
#include "verify.h"

enum { DECODE_MEMBERS_MAX = 1024 }; /* members of the outermost object */

/*
 * Decode one body.
 * in:     body  borrowed for as long as the event is used
 * out:    0 and *event; or -1, and of *event only id may be used: set where one could be read
 * errors: ERR_UNDECODABLE  why, in words that quote nothing of the body
 * holds:  in the outermost object no name comes twice; inside the payload the last of equal names counts, as
 *         in PHP, JavaScript and Perl
 * cost:   two passes over the payload, one over the rest; allocates nothing
 */
int decode_event(const struct verified *body, struct event *event, struct err *e);

/* An ISO 8601 time with its offset, "2026-01-29T20:32:22.004Z"; milliseconds since the Epoch, or -1. */
int64_t decode_time(struct span text);

#endif
