/* SPDX-License-Identifier: MIT
 *
 * suite: what every backend of the store must pass, by store.h alone. A part is one program: a list of tests, each a
 * sentence, that runs over every subject. Times are passed in, so nothing sleeps.
 */
#ifndef SUITE_H
#define SUITE_H

#include "event/decode.h"
#include "store/store.h"
#include "unit.h"

/* What a backend may lack. A test that needs it is left out, and the output says so. */
enum {
    NEEDS_HISTORY = 1, /* store_note, store_history, and rows of history for what is changed by hand */
    NEEDS_ACCEPT = 2,
    NEEDS_PAST = 4,      /* records that were imported, with what is behind them */
    NEEDS_WORK_TOLD = 8, /* the event itself tells when it was done, who claimed it and what a nack said */
    NEEDS_FIGURES = 16,  /* store_tally, store_counts, store_totals, store_ignored */
    NEEDS_SERVER = 32,   /* it is in no file of this machine */
};

struct subject {
    const char *name;
    const char *url;       /* with %s for the folder of the test */
    const char *directory; /* the same, or NULL */
    unsigned lacks;
};

/* How an inbox is set when it is made: complycube-inbox(5), "Table setting". */
enum { ATTEMPTS = 10, LEASE_MS = 300000, BACKOFF_MS = 60000, BACKOFF_MAX_MS = 6 * 3600 * 1000 };
enum {
    WAITING = STORE_STATE_WAITING,
    DONE = STORE_STATE_DONE,
    DEAD = STORE_STATE_DEAD,
    IGNORED = STORE_STATE_IGNORED
};
#define NOW INT64_C(1770000000000)

/* The secrets of the tests. */
enum { LIVE, LIVE_NEXT, SANDBOX, SECRETS };

extern const struct subject *subject;
extern struct store *store; /* a new one for each test, with the endpoints live and sandbox */

/* ---- bodies; all that is given out lives until the test ends ---- */

/* A text is left out where it is NULL. */
struct sample {
    const char *id, *type, *resource_type, *resource, *client, *status, *outcome, *note;
    int64_t created_ms; /* 0: NOW; -1: no time can be read */
};
struct span body_of(struct sample s);
struct span printed(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *text_of(struct span s); /* "(absent)" for an absent one */
void *kept(size_t size);            /* zeroed */
#define assert_text(span, text) assert_string_equal(text_of(span), text)

/* ---- recording ---- */

/* A record of a body that came rightly signed, decoded or with the reason why it is none, into *r. */
struct record *arrive(int secret, struct span body, struct record *r);
enum store_outcome record_at(int secret, struct span body, int64_t now_ms);
enum store_outcome record_ignored(struct sample s, int64_t now_ms);
int64_t put(struct sample s, int64_t now_ms);       /* a new event of live: its number */
int64_t put_id(const char *id, int64_t created_ms); /* one of type t, made and received at that time */
void record_all(struct record *const batch[], size_t n, int64_t now_ms);

/* ---- reading ---- */

struct seen {
    struct store_event *v;
    size_t n;
    bool more; /* there may be more: call again */
};
struct seen read_once(struct store_query *q); /* one call */
struct seen read_all(struct store_query q);   /* called until it is the last */
const struct store_event *event_of(int64_t seq);
int state_of(int64_t seq);
const char *ids_of(struct seen seen); /* "a b c", in the order of reading */
#define ANY .state = -1, .limit = -1

struct rows {
    struct store_quarantined *v;
    size_t n;
};
struct rows quarantine_of(const char *endpoint);

struct pasts {
    struct store_past *v;
    size_t n;
};
struct pasts history_of(int64_t seq); /* the newest first */

struct store_facts facts_at(int64_t now_ms);

/* ---- working ---- */

struct claimed {
    struct store_lease lease[600];
    struct store_event v[600];
    int n;
};
const struct claimed *claim_as(struct store *s, const struct store_want *w, int n, int64_t now_ms);
const struct claimed *claim(int n, int64_t now_ms);                          /* of live */
struct store_lease claim_one(int64_t now_ms);                                /* of live; there must be one */
const char *claimed_ids(const struct claimed *c);                            /* "a b c", in the order of giving */
const char *claim_ids(struct store_want w, int n, int64_t now_ms);           /* of live, by "tester" */
int settle(struct store_lease *lease, enum store_verb verb, int64_t now_ms); /* by the defaults */
void ack(struct store_lease lease, int64_t now_ms);

/* ---- changing ---- */

extern const struct store_actor by_hand;
enum store_changed change_one(enum store_change what, int64_t seq, int64_t now_ms);
enum store_changed erase_one(enum store_erase how, int64_t seq, int64_t now_ms);

/* ---- subjects and runs ---- */

int open_again(struct store **s, int wait_ms); /* the same store, once more */
int probe_again(void);

struct suite_test {
    const char *name;
    void (*run)(void);
    unsigned needs;
};
#define TEST(f) \
    { \
#f, f, 0 \
    }
#define TEST_IF(f, needs) \
    { \
#f, f, needs \
    }
int suite_run(const struct suite_test *tests, size_t n);
#define SUITE_RUN(tests) suite_run(tests, sizeof tests / sizeof *tests)

#endif
