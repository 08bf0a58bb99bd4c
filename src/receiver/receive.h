/* SPDX-License-Identifier: MIT
 *
 * receive: the pipeline, for a batch of one or many. Bytes in, verified, decoded, recorded in one transaction,
 * answered. Knows no web server.
 *
 *     request -> verify -> decode -> record -> reply
 *
 * What cannot be recorded now is put into the spool, where one is configured.
 *
 * holds: no byte of a body is interpreted before its signature matched; no answer of 2xx is made before the
 * store said it is durable; one refused member never fails its neighbours.
 */
#ifndef RECEIVE_H
#define RECEIVE_H

#include "base/log.h"
#include "event/request.h"
#include "receiver.h"
#include "reply.h"

enum { RECEIVE_BATCH_MAX = STORE_BATCH_MAX };

/* One request and its answer. */
struct exchange {
    struct request request; /* in; borrowed until answered */
    struct reply reply;     /* out */
    struct log_line line;   /* out: what to log of it */

    /* between the steps */
    const struct verified *verified;
    struct event event;
    struct record record;
    struct err err;
    enum err_code code; /* ERR_NONE: as the record's outcome, probe or spooled says; never for want of an error */
    bool probe, state;  /* the tool's own probe; a GET or HEAD */
    bool spooled;       /* it waits in the spool, for the reason in err */
};

/*
 * Answer n requests, 1 to RECEIVE_BATCH_MAX.
 * out:  each exchange's reply and line; never fails as a whole. What was refused is counted in r->refusals, for
 *       receiver_count.
 * cost: at most one transaction
 */
void receive_batch(struct receiver *r, struct exchange *const batch[], size_t n, int64_t now_ms);

#endif
