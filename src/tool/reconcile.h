/* SPDX-License-Identifier: MIT
 *
 * reconcile: what the parts of the command share. It finds objects that changed and of whose change the inbox knows nothing,
 * and records an event of each, which waits like any other, once, however often it runs.
 */
#ifndef RECONCILE_H
#define RECONCILE_H

#include "account.h"
#include "base/buf.h"
#include "seen.h"
#include "vendor.h"
#include "windows.h"

enum { RECONCILE_DELETED = VENDOR_KINDS, RECONCILE_ROWS };

struct reconcile_sums {
    int64_t changed, known, recorded, unseen; /* unseen: could not be looked at */
};

struct reconcile_batch;

struct reconcile {
    const struct cmd *cmd;
    const struct config *config;
    struct account *account;
    const char *endpoint;
    struct reconcile_batch *batch;
    int64_t since_ms, before_ms; /* by the API's clock, as the next */
    int64_t start_ms;
    int64_t end_ms; /* of clock_ms(), by --max-time; 0: none */
    struct reconcile_sums sums[RECONCILE_ROWS];
    int64_t forgotten;     /* objects that are passed over, since they were erased */
    int64_t odd_states;    /* whose status no page names */
    const char *no_audit;  /* why the audit log cannot be read; NULL: it can */
    struct err audit;      /* of no_audit */
    struct seen clients;   /* without an audit log: who is asked about, ... */
    struct buf client_ids; /* ... and their ids, each with a NUL */
};

/* ---- reconcile_proof.c ---- */

/*
 * Do the filters do what the API's pages say? A filter that is not known is answered by an empty list, which would look like
 * a time without changes. ERR_REMOTE: no. Some requests for each list.
 */
int reconcile_prove(struct reconcile *r, const char *path, struct err *e);
int reconcile_prove_audit(struct reconcile *r, struct err *e);

/* ---- reconcile_audit.c ---- */

/* Documents, addresses and deletions, by the audit log. */
int reconcile_audit(struct reconcile *r, struct err *e);

/* ---- reconcile_clients.c ---- */

/* Note that objects of this client may have changed; an absent id is passed over. */
int reconcile_note_client(struct reconcile *r, struct span id, struct err *e);

/*
 * Documents and addresses where the audit log cannot be read: those of the noted clients, and of those that an event names which
 * was received within the 30 days before, or later.
 */
int reconcile_clients(struct reconcile *r, struct err *e);

/* ---- reconcile_record.c ---- */

/* To be closed. ERR_SECRETS: the endpoint has no secret in force */
int reconcile_batch_open(struct reconcile *r, struct err *e);
void reconcile_batch_close(struct reconcile *r);

/* Look at an object that changed: it is known, or an event of it is one of the batch, which is recorded when it is full. */
int reconcile_take(struct reconcile *r, const struct vendor_object *o, bool deleted, struct err *e);

/* Record what the batch has. */
int reconcile_flush(struct reconcile *r, struct err *e);

#endif
