/* SPDX-License-Identifier: MIT
 *
 * receiver: what a running receiver holds (configuration, keys, store, log) and how it stays right while
 * files change under it. Always usable: where something is broken, `error` says so and it heals later.
 */
#ifndef RECEIVER_H
#define RECEIVER_H

#include "base/log.h"
#include "config/config.h"
#include "event/verify.h"
#include "refusals.h"
#include "spool/spool.h"
#include "store/store.h"

enum { RECEIVER_TROUBLE_MS = 60000 /* how long GET reports why the last batch failed */ };

struct receiver {
    struct config_env env;
    struct config *config;     /* in force; or, before any was good, the broken one */
    struct config *refused;    /* the latest broken one, not in force, or NULL */
    bool cut;                  /* it is sound but looks half-written: look again when it has aged */
    bool barred;               /* it may not begin a database: look again, at the folders */
    struct config *outgoing;   /* the one before, while its secrets still count; or NULL */
    struct verifier *verifier; /* NULL: no usable configuration */
    struct store *store;       /* NULL: not open, see receiver_store */
    struct log log;
    struct refusals refusals; /* counted in a file of their own */
    int64_t count_ms;         /* when their writing failed, and is to be tried again later; 0: it did not */
    bool count_said;
    int (*reaches)(const struct config *c, struct err *e); /* may this process use it? NULL: any. -1 and *e: no */
    bool shut_out;                                         /* it may not any more: only a new process heals that */
    bool brief;                                            /* answers one request and ends: a CGI */
    int64_t looked_ms;
    struct err
        trouble; /* what the latest batch failed of, and until when a GET tells of it; no batch succeeded since */
    int64_t trouble_until_ms;
    struct spool spool;                 /* of r->config->spool */
    bool hurries;                       /* the store is not waited for: what cannot be recorded at once is spooled */
    int64_t spare_until_ms, unspool_ms; /* of clock_ms: the store, or the spool, is left alone until then */
    int64_t now_ms;                     /* while what was spooled is recorded */
};

/*
 * Take up the configuration. The store is opened when first needed.
 * out: 0; r->config->error tells whether it is usable. -1 only when memory is out.
 */
int receiver_open(struct receiver *r, const struct config_env *env, bool brief, int64_t now_ms, struct err *e);
void receiver_close(struct receiver *r);

/*
 * Look after changed files, at most once a second; call it between batches. A good new configuration is in
 * force on return; a bad one is logged once and the old one stays. A secret that vanished from its file
 * without being marked retired still counts until the file has been at rest for a minute, and a file that
 * lacks one and its last newline is not taken for as long: half a file must never refuse an event.
 */
void receiver_refresh(struct receiver *r, int64_t now_ms, bool at_once);

/* The open store, opened now where need be and reopened where its file was replaced; NULL and *e. */
struct store *receiver_store(struct receiver *r, struct err *e);

/*
 * Write what receiver->refusals has counted, if anything. Never fails: what cannot be written now stays for the next
 * call, at most once a second, and is said once.
 */
void receiver_count(struct receiver *r, int64_t now_ms);

/*
 * Record a batch: behind what waits in the spool, where there is one.
 * out:  0 as store_record; -1 and *e: the store failed, or did a moment ago;
 *       1 and *e: older events wait still, and this batch is to wait behind them
 * cost: with a spool that is empty two stats more
 */
int receiver_record(struct receiver *r, struct record *const batch[], size_t n, int64_t now_ms, struct err *e);

/*
 * Put events into the spool, the oldest first, up to STORE_BATCH_MAX of them: how many, from the first on, are durable
 * there. 0 where there is none. What it fails of is logged.
 */
size_t receiver_spool(struct receiver *r, const struct verified *const list[], size_t n, int64_t now_ms);

/* Record what waits in the spool, in a quiet moment: for half a second at most, and once a second. Never fails. */
void receiver_unspool(struct receiver *r, int64_t now_ms);

/* Log an error. */
void receiver_say(struct receiver *r, int64_t now_ms, const struct err *e);

/* Behind the database's name: a file that tells, until it is removed, that the database was gone and was begun anew. */
#define RECEIVER_MISSED ".missed"
/* A warning of a code, with one more value. */
void receiver_note(struct receiver *r, int64_t now_ms, const char *code, const char *key, const char *value);

/* Would an event be recorded now? For GET: takes no lock and writes nothing. ERR_NONE, or what is wrong. */
enum err_code receiver_state(struct receiver *r, int64_t now_ms, struct err *e);

/* What a store is opened with under this configuration; ERR_CONFIG for an unknown group. */
int receiver_store_options(const struct config *c, bool brief, struct store_options *o, struct err *e);

#endif
