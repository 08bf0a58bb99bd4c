/* SPDX-License-Identifier: MIT
 *
 * store: where events are recorded, each exactly once, and read again by the operator's tool.
 *
 * The interface over the backends. It takes time from its callers, never from a clock, and knows nothing of
 * HTTP. A store belongs to one thread; any number of processes may have the same store open.
 */
#ifndef STORE_H
#define STORE_H

#include "base/err.h"
#include "event/event.h"
#include "event/verify.h"

#include <sys/types.h>

struct store;

enum { STORE_BATCH_MAX = VERIFY_BATCH_MAX };

/* How long a receiver waits for the locks, and how long after a wait in vain: others wait for an answer then. */
enum { STORE_WAIT_MS = 4000, STORE_HURRY_MS = 250 };

struct store_options {
    const char *url;              /* "sqlite:/path" or a path */
    const char *directory;        /* where the inbox is files: its folder; NULL: the inbox is a table */
    const char *const *endpoints; /* n_endpoints names that are known from the start */
    size_t n_endpoints;
    const char *journal; /* "wal", "delete" or "auto": delete on network file systems */
    gid_t group;         /* of new files, which are then 0660 instead of 0600; (gid_t)-1: none */
    bool create;         /* make what is missing */
    bool in_memory;      /* what is temporary: a receiver that has confined itself makes no file elsewhere */
    int wait_ms;         /* how long the locks are waited for, together, before a batch fails */
    int limit_ms; /* how long a batch may take once it has the locks; 0: until the process is told to end. For a
                             receiver, which reads no events */
    int checkpoint_pages; /* log pages after which a commit writes them back; 0: never */
    bool read_only;       /* nothing is written, by no operation: those that write fail. It takes no writers' lock */
    int deadline_ms;      /* of read_only: reads fail so long after opening: ERR_BUSY with ERR_LATE; 0: never */
};

enum store_outcome {
    STORE_UNSET,       /* nothing was said of it: it is not recorded */
    STORE_NEW,         /* recorded, and in the inbox */
    STORE_IGNORED,     /* recorded, with the inbox state ignored */
    STORE_DUPLICATE,   /* this very event is here already */
    STORE_QUARANTINED, /* kept aside, with its reason */
    STORE_REFUSED,     /* the store refuses this one alone: see err */
    STORE_OUTCOMES
};
bool store_is_recorded(enum store_outcome outcome); /* is the event durable now, in the log or in quarantine? */
const char *store_outcome_word(enum store_outcome outcome); /* for the log, and the figures */

/* The state of an event of the inbox; quarantine counts as one more state. */
enum store_state {
    STORE_STATE_WAITING,
    STORE_STATE_DONE,
    STORE_STATE_DEAD,
    STORE_STATE_IGNORED,
    STORE_STATE_QUARANTINED,
    STORE_STATES
};

/* What an imported event has behind it; spans are borrowed. */
struct record_past {
    int64_t received_ms;
    int state;                 /* -1: new */
    int64_t attempts, done_ms; /* done_ms 0: none */
    struct span error;
    int64_t erased_ms;          /* 0, or it was erased: there is no body, ... */
    struct span payload_sha256; /* ... and this is the digest of its payload */
    int64_t last_ms, times;     /* of one in quarantine */
};

/* An object of the vendor's, as its API has it. Spans are borrowed. */
struct store_object {
    const char *endpoint;
    struct span type, id, client_id; /* type: as resourceType of events has it */
    struct span status, outcome;     /* absent: it has none */
    struct span updated_at;          /* as the API wrote it, with its quotes */
    int64_t updated_ms;
    bool deleted;
};

/* One verified body to record. */
struct record {
    const struct verified *verified;
    const struct event *event;      /* where it could not be decoded, only its id is used */
    const char *reason;             /* NULL, or why it goes to quarantine */
    bool ignored;                   /* its type is outside the endpoint's list */
    const struct record_past *past; /* NULL: it has just come; else it is marked as imported, and not counted */
    const struct store_object
        *object;                /* NULL; else it was made of this one: if that is known by now, it is a duplicate */
    int64_t spooled_ms;         /* 0, or it came at this time and waited in the spool; all is as it were then */
    int64_t seq;                /* out, of STORE_NEW */
    enum store_outcome outcome; /* out */
    bool repeated;              /* out, of a spooled one: recorded before, its file stayed; it is not counted again */
    struct err err;             /* out, of STORE_REFUSED, and the reason of a conflict */
};

/* A recorded event as read again; all spans are borrowed for the time of the call. */
struct store_event {
    int64_t seq, created_ms, received_ms, due_ms, done_ms, attempts; /* done_ms 0: not done */
    int state;                                                       /* an enum store_state; -1: not known */
    bool superseded;
    bool claimed; /* a waiting event: by `owner`, until due_ms */
    struct span endpoint, id, type, resource_type, resource_id, client_id, status, outcome, source, secret, signature,
        created_at, owner, error, payload, body;
    int64_t erased_ms;          /* if only the log is read, ... */
    struct span payload_sha256; /* ... as is the digest of a payload that was erased */
};
typedef void store_each(void *ctx, const struct store_event *event);

/* A row of the log as it stands, for whoever doubts it. */
struct store_row {
    struct store_event event; /* state -1: no row of the inbox; superseded and created_at are not filled in */
    const char *odd;          /* NULL, or the column whose value no program of ours writes */
    bool odd_inbox;           /* a row of the inbox that no program of ours writes */
};
typedef void store_each_row(void *ctx, const struct store_row *row);

/* Which events, and in which order. NULL, -1 and 0: any; each that is given counts. */
struct store_query {
    const char *endpoint, *type, *resource_id, *client_id, *secret;
    int state;
    int64_t since_ms, before_ms; /* received at or after, and before */
    const int64_t *seqs;         /* those with these numbers, ... */
    int64_t n_seqs;              /* ... in this order; 0: any number */
    bool oldest_first;           /* by number; else the newest first */
    bool log_only; /* of these two: created_at and superseded are not told, what was erased is; a third of the time */
    int64_t after, to; /* of oldest_first: numbers above `after`, up to and with `to` */
    int64_t limit;     /* of the newest: at most this number of events; with `to`: numbers up to and with that */
};

/* No lease and no delay ends later; a time further ahead was set by a clock that was wrong, and counts as now. */
enum { STORE_AHEAD_MAX_MS = 24 * 3600 * 1000 };

/* Which events a worker asks for: complycube-inbox(5), "What to claim". */
struct store_want {
    const char *endpoint;     /* NULL: the only one there is */
    const char *const *types; /* n_types of them; none: any */
    size_t n_types;
    bool ordered;         /* one event of a resource at a time, the oldest first */
    bool skip_superseded; /* those are done without being given out */
    const char *owner;    /* letters, digits, dot and dash: "host-pid" */
    int64_t lease_ms;     /* 0: as the inbox is set */
};

/* A claim and its expiry. May be copied; `key` is opaque. */
struct store_lease {
    int64_t seq, until_ms, attempts;
    char endpoint[64], key[192];
};
typedef void store_claimed(void *ctx, const struct store_lease *lease, const struct store_event *event);

/* How a claim ends or goes on. */
enum store_verb {
    STORE_ACK,     /* done */
    STORE_NACK,    /* failed: later again, or dead after the last attempt */
    STORE_RELEASE, /* not worked on: another may have it, no attempt counts */
    STORE_EXTEND   /* the lease is longer */
};

/* Who changes something by hand, and why, for the table history; borrowed, and each may be NULL. */
struct store_actor {
    const char *user, *sudo_user, *host, *reason;
};

/* What is done to an event by hand. */
enum store_change {
    STORE_REQUEUE,    /* it waits again, as if it were new; a delayed event is due now */
    STORE_CHANGE_ACK, /* what waits, is dead or ignored is done */
    STORE_CHANGE_DEAD /* what waits or is ignored is given up */
};

/* What became of it. */
enum store_changed {
    STORE_CHANGED,
    STORE_UNCHANGED, /* its state is not one that this changes */
    STORE_ERASED,    /* what was in it is gone, so nothing can be done with it */
    STORE_MISSING    /* there is no such event */
};
typedef void store_each_changed(void *ctx, int64_t seq, enum store_changed result);

/* How events are emptied. */
enum store_erase {
    STORE_ERASE, /* whatever their state, each with a row of history; what waited is done */
    STORE_PRUNE  /* what is done or ignored, and still is; no history: that is the caller's, for all of them */
};

/* A row of quarantine; spans are borrowed for the time of the call. */
struct store_quarantined {
    int64_t id, first_ms, last_ms, times;
    struct span endpoint, secret, signature /* in hex */, reason, event_id, body;
    bool erased; /* it is another payload of an event that was erased at the time that was asked about */
};
typedef void store_each_quarantined(void *ctx, const struct store_quarantined *row);

/* A line of the history; absent spans and -1 where it does not say. */
struct store_past {
    int64_t id, at_ms, seq, n;
    int from, to;
    struct span action, user, sudo_user, host, reason, detail, endpoint, event_id,
        type; /* the last three of the event */
};
typedef void store_each_past(void *ctx, const struct store_past *past);

/* The state of a store, as shown to a person. */
struct store_facts {
    char journal[16];
    int schema;
    int64_t waiting, dead, quarantined, events;
    int64_t dead_bytes, quarantined_bytes; /* of their bodies; in the directory form, of the files in dead/ */
    int64_t leased, delayed;               /* of those that wait: claimed by a worker; to be tried again later */
    int64_t oldest_ms;                     /* when the oldest of those that wait was received; 0: none waits */
    int64_t ahead;                         /* of those that wait: due further ahead than STORE_AHEAD_MAX_MS */
    int64_t newest_ms;                     /* when the event with the highest number was received; 0: there is none */
    int64_t latest_ms;                     /* of that one and of those that wait: when the latest was received */
    int64_t stranded;                      /* waiting in the table, where the inbox is files now */
    int64_t orphaned;                      /* files that the log does not know */
};

/* A row of a tally: how many events there are in a state or, where a type is named, of a type. Spans are borrowed. */
struct store_tally {
    struct span endpoint, type; /* type: absent where it is of a state */
    int state;                  /* -1: it is of a type */
    int64_t n, oldest_ms;       /* oldest_ms: of those that wait, when the oldest was received; else 0 */
    int64_t latest_ms;          /* of those, and of the newest event of all: when the latest was received */
    int64_t ahead;              /* of those: due further ahead than STORE_AHEAD_MAX_MS */
    int64_t leased, delayed;    /* of those: claimed by a worker; to be tried again later. 0 if a time is asked for */
    int64_t bytes; /* of the dead, unless a time is asked for, and of the quarantine: their bodies, or files */
};
typedef void store_each_tally(void *ctx, const struct store_tally *tally);

/* A row of figures: what came in an hour. Spans are borrowed for the time of the call. */
struct store_count {
    int64_t hour_ms, n, last_ms; /* last_ms: the latest of them */
    struct span endpoint, secret, outcome;
};
typedef void store_each_count(void *ctx, const struct store_count *count);

/*
 * Open a store.
 * out:    0 and *s, to be closed
 * errors: ERR_READONLY  it, or its folder, cannot be written or made by this user
 *         ERR_SCHEMA    another program's file, or a schema newer by more than one version
 *         ERR_DATABASE  damaged, a log without its file, or another fault;  ERR_BUSY;  ERR_FULL;  ERR_MEMORY
 *         ERR_NOT_FOUND it is not there and create is false
 */
int store_open(struct store **s, const struct store_options *o, struct err *e);
void store_close(struct store *s); /* NULL is legal; writes a log of its own back, so that no log is left over */

/*
 * Record a batch, each member once.
 * in:      batch  borrowed until return; n in 1 .. STORE_BATCH_MAX
 *          now_ms milliseconds since the Epoch, UTC
 * out:     0 with each outcome set; or -1 and *e: then nothing was written, and each is STORE_UNSET
 * errors:  ERR_BUSY  a lock was held for longer than wait_ms (and less while batch after batch fails so: others wait
 *          behind it), or the store was moved away;  ERR_FULL, ERR_READONLY, ERR_DATABASE
 * durable: on 0 every member but STORE_REFUSED survives a power cut
 * cost:    one transaction, one fsync; in the directory form one more for each event and one for each endpoint
 * source:  sqlite.org/wal.html and pragma.html, "synchronous"
 */
int store_record(struct store *s, struct record *const batch[], size_t n, int64_t now_ms, struct err *e);

/*
 * Hold the writers' lock over several calls of store_record, and of nothing else, until store_unhold: what waits
 * elsewhere and is to be recorded first is looked at under it.
 * in:     wait_ms  how long the locks are waited for now, in place of that of store_options
 * errors: ERR_BUSY  another process held it for so long
 */
int store_hold(struct store *s, int wait_ms, struct err *e);
void store_unhold(struct store *s);

/*
 * Could an event be recorded now? Waits for both locks as whoever records does, and changes nothing.
 * errors: ERR_BUSY  another process has held one of them for wait_ms;  ERR_READONLY  this user may not write
 */
int store_try(struct store *s, int wait_ms, struct err *e);

/* Could an event be recorded now? Takes no lock that excludes anyone and writes nothing. */
int store_ready(struct store *s, struct err *e);
/*
 * Read events.
 * out:    0: that was all; 1: there may be more, and `after`, or `seqs` with `n_seqs`, has moved on to them: call again;
 *         or -1 and *e
 * cost:   of the newest first: one read to its end. Of the others: one of at most 500 events, 4 MB of bodies or 20000
 *         numbers from the first that an event has, so that it never holds up a checkpoint for long
 */
int store_read(struct store *s, struct store_query *q, store_each *each, void *ctx, struct err *e);

/* Which numbers a selection holds. */
enum store_set {
    STORE_MATCHING, /* the newest q->limit events that q asks for */
    STORE_OF_CLIENT, /* of q->client_id: those that name it, and every other event of the resources these belong to, as a
                        document's update, which names no client. q's endpoint, resource_id and times count too */
    STORE_PRUNABLE /* done (or ignored) before q->before_ms, not empty yet, and no older event of their resource stays:
                        else that would look like the newest */
};

/*
 * Choose events by their numbers: the oldest first, *seqs to be freed.
 * out:  how many, or -1 and *e
 * cost: of a client a scan of the log; of the prunable: of those, and of what was done in the week after that time, and in
 *       the directory form a scan of the log
 */
int64_t store_select(struct store *s, enum store_set set, const struct store_query *q, int64_t **seqs, struct err *e);

/* By number (all digits) or event id; every event that has it. ERR_NOT_FOUND when none. */
int store_find(struct store *s, struct span key, store_each *each, void *ctx, struct err *e);

/* The events that an event is to be read with: their numbers; 0: no such event. */
struct store_related {
    int64_t newer; /* the newest of those that supersede it */
    int64_t same;  /* the first of those that tell of the same change */
};
int store_relate(struct store *s, int64_t seq, struct store_related *related, struct err *e);

/* cost: of what waits and is dead, and a scan of an index for `events` */
int store_read_facts(struct store *s, int64_t now_ms, struct store_facts *facts, struct err *e);
/* The figures of each hour that ends after since_ms, the oldest first. */
int store_counts(struct store *s, int64_t since_ms, store_each_count *each, void *ctx, struct err *e);

/*
 * The same, summed over all hours: a row for each endpoint, secret and outcome, without an hour; STORE_TOTALS_MAX at most.
 * last_ms is of those up to until_ms, since a clock may have been wrong; 0: none.
 * Rows are never removed from the figures, so no sum ever falls.
 * cost: a scan of the figures, a third of store_counts: two years of them in some milliseconds
 */
enum { STORE_TOTALS_MAX = 1024 };
int store_totals(struct store *s, int64_t until_ms, store_each_count *each, void *ctx, struct err *e);

/*
 * The types that were ignored since then, the most frequent first, STORE_IGNORED_MAX at most: each with its endpoint, its
 * type as the outcome, and n.
 * cost: of the ignored events since then
 */
enum { STORE_IGNORED_MAX = 20 };
int store_ignored(struct store *s, int64_t since_ms, store_each_count *each, void *ctx, struct err *e);

/*
 * How many events there are, of each endpoint by name: in each state, then of each type, the most frequent first.
 * in:   f      of it endpoint, since_ms and before_ms count
 *       whole  false: not those that are done, and no types
 * cost: of what is not done; when whole, and no time is asked for, also a scan of two indexes, no body is read (a third of
 *       a second for a million); with a time, one of the log
 */
int store_tally(struct store *s, const struct store_query *f, bool whole, store_each_tally *each, void *ctx,
                struct err *e);

int store_newest(struct store *s, int64_t *seq, struct err *e); /* the highest number; 0: there is no event */

/*
 * Claim up to n waiting events: no other worker gets them until their leases end. each() gets them, the oldest first.
 * out:    how many, or -1 and *e; each() may have been called before it failed, and what it got is claimed
 * errors: ERR_NOT_FOUND  the endpoint is not there, or none is named and there are several: the message lists them
 *         ERR_BUSY, ERR_FULL, ERR_READONLY, ERR_DATABASE
 * cost:   one write; none when nothing waits. The same whatever the number of processed events.
 */
int store_claim(struct store *s, const struct store_want *w, int n, int64_t now_ms, store_claimed *each, void *ctx,
                struct err *e);

/*
 * End or extend a claim.
 * in:     why  of a nack: the reason, kept with the event;  else NULL
 *         ms   of a nack: the delay before the next try, -1: as the inbox is set, doubled with each attempt;
 *              of a release: the delay before another may have it;
 *              of an extension: the lease from now on, 0: as the inbox is set
 * out:    1; 0 when the lease was lost: another worker has the event; or -1 and *e. A nack or an extension brings
 *         lease->until_ms, when the event can be claimed again, up to date (INT64_MAX: dead).
 */
int store_settle(struct store *s, struct store_lease *lease, enum store_verb verb, const char *why, int64_t ms,
                 int64_t now_ms, struct err *e);

/*
 * Change events by hand. A worker that holds one has lost its lease.
 * in:      seqs   n of them, n >= 1
 * out:     how many of them, from the first on, were dealt with, at least 1: each() was told of those; or -1 and *e:
 *          then nothing was changed
 * errors:  ERR_SCHEMA  the database has no table history: complycube-inbox migrate;  ERR_BUSY, ERR_FULL, ERR_READONLY
 * durable: on return, with a row of history for each that was changed
 * cost:    one transaction of at most 500 events. Whoever has more pauses in between, so that a receiver gets its turn.
 */
int64_t store_change(struct store *s, enum store_change what, const int64_t *seqs, int64_t n,
                     const struct store_actor *by, int64_t now_ms, store_each_changed *each, void *ctx,
                     struct err *e);

/* What is in quarantine, the newest first: all of an endpoint (NULL: of any), or, by its id (0: any), one. */
int store_list_quarantine(struct store *s, int64_t id, const char *endpoint, store_each_quarantined *each, void *ctx,
                          struct err *e);

/*
 * Take one out of quarantine as an event, which waits then. Where another is known by its id and type, they change
 * places: that one goes into quarantine in its stead, so that nothing is lost.
 * in:      r    of its very body
 * out:     0 and *seq, its number
 * errors:  ERR_NOT_FOUND  nothing has this id;  ERR_CONFLICT  the event known by its id and type was erased;  ERR_SCHEMA
 */
int store_accept(struct store *s, int64_t id, struct record *r, const struct store_actor *by, int64_t now_ms,
                 int64_t *seq, struct err *e);

/* Remove one from quarantine for good. ERR_NOT_FOUND */
int store_drop(struct store *s, int64_t id, const struct store_actor *by, int64_t now_ms, struct err *e);

/* The history, the newest first, limit at most: of an event (0: any), of a time (before_ms 0: until now). ERR_SCHEMA: none */
int store_history(struct store *s, int64_t seq, int64_t since_ms, int64_t before_ms, int64_t limit,
                  store_each_past *each, void *ctx, struct err *e);

/*
 * Empty events: body, signature, resource_id, client_id, status and outcome, what a nack said and who claimed it, and
 * every file of theirs. The digest of the payload stays, so that a replay is a duplicate. A worker that holds one has
 * lost its lease. Files go first, so that whatever breaks off may be done again.
 * in, out, errors: as of store_change; of those that are empty already each() hears STORE_ERASED
 * cost:    one transaction of at most 500 events or about 4 MB of bodies; one flush of the directory's file system
 * note:    until store_flush the log of the database still holds what was there
 */
int64_t store_erase(struct store *s, enum store_erase how, const int64_t *seqs, int64_t n,
                    const struct store_actor *by, int64_t now_ms, store_each_changed *each, void *ctx, struct err *e);

/* The same for rows of quarantine; what stays of one knows the delivery when it comes again. How many were dealt with. */
int64_t store_erase_quarantined(struct store *s, const int64_t *ids, int64_t n, const struct store_actor *by,
                                int64_t now_ms, struct err *e);

/* What the store knows of an object. */
enum store_known {
    STORE_KNOWS_NONE,   /* no event of it */
    STORE_KNOWS_OLDER,  /* events of it, none of its latest change */
    STORE_KNOWS,        /* that change: an event tells of it, or of this very state */
    STORE_HAS_FORGOTTEN /* it, or its client, was erased */
};

/* Which of it? note: of events that were emptied nothing is known: see store_emptied */
int store_know(struct store *s, const struct store_object *o, enum store_known *known, struct err *e);

/* What was emptied, so that it cannot be compared. */
struct store_emptied {
    int64_t pruned_ms; /* when the latest event was received that was emptied for its age; 0: there is none */
    bool unknown;      /* events were erased before store_erase kept what of */
};
int store_emptied(struct store *s, struct store_emptied *emptied, struct err *e); /* cost: a scan of the log */

/* Keep that this id of a resource or a client was erased, as store_erase does of those that it empties. */
int store_forget(struct store *s, const char *endpoint, const char *id, const struct store_actor *by, int64_t now_ms,
                 struct err *e);

/* A row of history that stands for n events. */
int store_add_history(struct store *s, const char *action, int64_t n, const char *detail,
                      const struct store_actor *by, int64_t now_ms, struct err *e);

/*
 * Rows of quarantine, the oldest first.
 * in, out: *after    INT64_MIN before the first; INT64_MAX at the end
 *          erased_ms as struct store_quarantined has it
 * cost:    as of store_read
 */
int store_walk_quarantine(struct store *s, int64_t *after, int64_t erased_ms, store_each_quarantined *each, void *ctx,
                          struct err *e);

/*
 * Rows of the log by their numbers, each, whatever number, endpoint or secret it has.
 * in, out: *from  the first number that is read; INT64_MIN before the first call
 * out:     1: there may be more, from *from on; 0: that was all; or -1 and *e
 * cost:    as of store_read, and a search in the index of ids for each row
 */
int store_audit(struct store *s, int64_t *from, store_each_row *each, void *ctx, struct err *e);

/* Rows beside the log that no program of ours writes: how many. */
struct store_odd {
    int64_t inbox;   /* without an event */
    int64_t setting; /* 1: it is not one row of sound numbers */
    int64_t names;   /* endpoints and secrets: no number, no name, or a secret of no endpoint */
};
/* cost: a scan of the inbox */
int store_odd_rows(struct store *s, struct store_odd *odd, struct err *e);

/* ---- its schema ---- */

/* What the database lacks of this program's schema: "table", "column", "index", "trigger" or "view". */
struct store_step {
    char kind[16], name[80]; /* of a column: "TABLE.COLUMN" */
    bool remade;             /* it is there, with another text */
    int64_t rows;            /* of an index: of how many rows it is to be made; events wait meanwhile */
};
typedef void store_each_step(void *ctx, const struct store_step *step);

/*
 * What does the database lack of this program's schema? How many, or -1 and *e. Each is told, in the order in which they
 * are made; each may be NULL. What a newer program has made is left as it is. cost: about a millisecond
 */
int store_missing(struct store *s, store_each_step *each, void *ctx, struct err *e);

/*
 * Make the first of them, in a transaction of its own: 1 and *step; 0: there is none; or -1 and *e.
 * cost: nothing to speak of, but for an index, which reads its table while others wait
 */
int store_migrate(struct store *s, const struct store_actor *by, int64_t now_ms, struct store_step *step,
                  struct err *e);

#endif
