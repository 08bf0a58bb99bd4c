/* SPDX-License-Identifier: MIT
 *
 * figures: the state of an inbox, read once: events that wait, deliveries, refusals, the spool.
 *
 * Facts only: alarm.h decides which of them are wrong, metrics.h writes them for a program. Nothing is changed, no body
 * and no secret is read.
 */
#ifndef FIGURES_H
#define FIGURES_H

#include "base/text.h"
#include "config/config.h"
#include "receiver/refusals.h"
#include "store/sqlite/pinned.h"
#include "store/store_file.h"

enum {
    FIGURES_ENDPOINTS = CONFIG_ENDPOINTS_MAX,
    FIGURES_SECRETS = CONFIG_SECRETS_MAX,
    FIGURES_ALTERED = 8,
    FIGURES_FUTURE_MS = 60000 /* a time so far ahead of now was written by a clock that was wrong */
};

/* What ComplyCube says of an endpoint's webhook. The caller who asks the API says so; else it is not known. */
enum figures_webhook { FIGURES_WEBHOOK_UNKNOWN, FIGURES_WEBHOOK_DISABLED, FIGURES_WEBHOOK_ENABLED };

struct figures_endpoint {
    char name[TEXT_NAME_MAX + 1];
    int64_t n[STORE_STATES];  /* those that are done are not counted */
    int64_t claimed, delayed; /* of those that wait: claimed by a worker; to be tried again later */
    int64_t oldest_ms;        /* when the oldest that waits was received; 0: none waits */
    int64_t latest_ms;        /* when the last delivery came; 0: never, or not by a clock that was right */
    enum figures_webhook webhook;
};

/* The deliveries that a secret has signed, in all the hours that the database knows. */
struct figures_secret {
    char endpoint[TEXT_NAME_MAX + 1], name[TEXT_NAME_MAX + 1];
    int64_t n[STORE_OUTCOMES]; /* by enum store_outcome */
    int64_t last_ms;           /* when it last matched; 0: not by a clock that was right */
};

struct figures_altered {
    enum store_altered what;
    char kind[17], name[61]; /* any bytes but NUL: to be escaped */
};

/* About 90 KB: keep it on the heap. */
struct figures {
    int64_t now_ms;
    const char *endpoint; /* borrowed; NULL: of all. Secrets, refusals and spool are of all in any case */

    struct pinned log; /* if log_grows: who keeps the database's log from being written back */
    bool log_grows;

    bool known;         /* the figures of the database below were read; all 0 before the first event. False: ... */
    struct err unknown; /* ... why not; then they are not to be used */
    bool lock_tried;    /* this user, by this store, may write: only then `locked` says something */
    struct err
        locked; /* ERR_BUSY: somebody holds the writers' lock, so that nothing can be recorded; else ERR_NONE */
    struct figures_altered altered[FIGURES_ALTERED];
    size_t n_altered;
    int64_t n[STORE_STATES], claimed, delayed, oldest_ms; /* as of an endpoint, of all that are meant */
    int64_t n_bytes[STORE_STATES];                        /* of the bodies of dead events and of quarantine */
    int64_t ahead;      /* of those that wait: due further ahead than STORE_AHEAD_MAX_MS */
    int64_t future_ms;  /* the latest event of a clock that was wrong; 0: none */
    int64_t latest_ms;  /* when the last delivery came, of those that are meant; 0: never */
    int64_t matched_ms; /* when any secret last matched; 0: never */
    struct figures_endpoint
        by_endpoint[FIGURES_ENDPOINTS];               /* n_endpoints of them, the configured ones first; more are
                                                               in the sums alone */
    struct figures_secret by_secret[FIGURES_SECRETS]; /* n_secrets of them; likewise */
    size_t n_endpoints, n_secrets;

    struct refusals_log refused; /* see refusals_sum; empty if it cannot be read: */
    struct err uncounted;        /* why not; ERR_NONE: it was */

    int64_t bytes,
        free_bytes; /* of the database's file and its log; on its file system, for this user. -1: not known */

    int64_t spooled, spooled_ms, aside; /* in the spool: events, when the oldest of them came, files set aside */
    struct err unspooled; /* why the spool cannot be read; ERR_NONE: it was read, or none is configured */
};

/*
 * Begin *f with the configured endpoints, and look at the database's log. Call it while this process does not have the
 * database open (pinned.h).
 * cost: nothing to speak of, but half a second if the log is large
 */
void figures_begin(struct figures *f, const struct config *c, const char *endpoint, int64_t now_ms);

/*
 * Read the rest. Never fails: what cannot be read says so in its place.
 * in:   s    borrowed; NULL: it could not be opened, for the reason *why
 * cost: of what is not done, and of the hours of figures; 2 s more if the writers' lock is held
 */
void figures_read(struct figures *f, const struct config *c, struct store *s, const struct err *why);

/* Are they unknown for want of time alone? Then the database can be read, and nothing is wrong with it. */
bool figures_late(const struct figures *f);

#endif
