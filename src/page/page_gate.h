/* SPDX-License-Identifier: MIT
 *
 * page_gate: who may look.
 */
#ifndef PAGE_GATE_H
#define PAGE_GATE_H

#include "page.h"

/* The same of a request that has the token: without a user. */
int page_gate_token(const struct config *c, const struct page_request *q, struct page_answer *a);

/* Is this "Bearer TOKEN"? In the same time wherever it differs. */
bool page_gate_has_token(const struct page_request *q, struct span token);

/* 0: this request may see the page; else the status of the answer, whose a->said is filled in. Opens nothing. */
int page_gate(const struct config *c, const struct page_request *q, struct page_answer *a);

/* May this user see what is in an event? */
bool page_gate_payload(const struct config *c, struct span user);

/* Did the request come over TLS, or from this machine? */
bool page_gate_private(const struct page_request *q);

#endif
