/* SPDX-License-Identifier: MIT
 * memory: the whole of a backend, as simple as it gets: arrays, scans, and one lock around each call. */
#include "memory.h"

#include "base/lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 2048, ASIDES = 1024, ENDPOINTS = 8, HEAP = 16 << 20, ROOM = 8 * EVENT_FIELD_MAX };
enum { ATTEMPTS = 10, LEASE_MS = 300000, BACKOFF_MS = 60000, BACKOFF_MAX_MS = 6 * 3600 * 1000 };
enum { PART = 500, PART_BYTES = 4 << 20 };

/* Bytes of the heap; at 0: absent. */
struct text {
    uint32_t at, len;
};

struct item {
    int endpoint, state;
    int64_t created_ms, received_ms, due_ms, done_ms, attempts, erased_ms, token; /* token 0: nobody holds it */
    struct text id, type, resource_type, resource_id, client_id, status, outcome, source, secret, signature, owner,
        error, payload, body, digest;
};

struct aside {
    int endpoint;
    bool gone, erased;
    int64_t first_ms, last_ms, times;
    struct text secret, signature, reason, event_id, body;
};

/* What the processes share. An event's number is its place, from 1 on, and so is a row's of quarantine. */
struct region {
    int64_t events, asides, tokens;
    int endpoints;
    uint32_t used;
    char endpoint[ENDPOINTS][64];
    struct item event[EVENTS];
    struct aside aside[ASIDES];
    char heap[HEAP];
};

struct memory {
    struct store store;
    struct region *r;
    struct lock lock;
    bool held;
    int wait_ms;
};

static struct memory *memory_of(struct store *s) { return (struct memory *)s; }

/* NULL and *e: another process has held the lock for too long. */
static struct region *enter(struct store *s, struct err *e)
{
    struct memory *m = memory_of(s);
    return m->held || lock_take(&m->lock, m->wait_ms, e) >= 0 ? m->r : NULL;
}

static void leave(struct store *s)
{
    if (!memory_of(s)->held)
        lock_release(&memory_of(s)->lock);
}

/* ---- texts ---- */

static struct text put(struct region *r, struct span s)
{
    struct text t = {s.at ? r->used : 0, (uint32_t)s.len};
    if (s.at) {
        memcpy(r->heap + r->used, s.at, s.len);
        r->used += (uint32_t)s.len + 1;
    }
    return t;
}

static struct span get(struct region *r, struct text t) { return (struct span){t.at ? r->heap + t.at : NULL, t.len}; }
static bool same(struct region *r, struct text a, struct text b) { return span_equal(get(r, a), get(r, b)); }
static bool is(struct region *r, struct text t, const char *word) { return span_equal(get(r, t), span_of(word)); }

static struct text put_signature(struct region *r, const struct verified *v)
{
    char hex[2 * VERIFY_DIGEST + 1];
    for (int i = 0; i < VERIFY_DIGEST; i++)
        snprintf(hex + 2 * i, 3, "%02x", verified_signature(v)[i]);
    return put(r, span_of(hex));
}

static int find_endpoint(struct region *r, const char *name)
{
    int i = 0;
    while (i < r->endpoints && strcmp(r->endpoint[i], name) != 0)
        i++;
    return i;
}

static int make_endpoint(struct region *r, const char *name)
{
    int i = find_endpoint(r, name);
    if (i == r->endpoints && i < ENDPOINTS)
        snprintf(r->endpoint[r->endpoints++], sizeof r->endpoint[0], "%s", name);
    return i;
}

/* ---- recording ---- */

static struct text put_digest(struct region *r, struct span payload)
{
    uint8_t digest[VERIFY_DIGEST];
    verify_sha256(payload, digest);
    return put(r, (struct span){(const char *)digest, sizeof digest});
}

static bool same_payload(struct region *r, const struct item *known, struct span payload)
{
    if (!known->erased_ms)
        return !known->payload.at == !payload.at && span_equal(get(r, known->payload), payload);
    uint8_t digest[VERIFY_DIGEST];
    verify_sha256(payload, digest);
    return span_equal(get(r, known->digest), (struct span){(const char *)digest, sizeof digest});
}

static void put_aside(struct region *r, struct record *record, const char *reason, int64_t now_ms)
{
    int endpoint = make_endpoint(r, verified_endpoint(record->verified));
    struct text signature = put_signature(r, record->verified);
    record->outcome = STORE_QUARANTINED;
    for (struct aside *a = r->aside; a < r->aside + r->asides; a++)
        if (!a->gone && a->endpoint == endpoint && same(r, a->signature, signature)) {
            record->repeated = record->spooled_ms && a->first_ms <= now_ms && now_ms <= a->last_ms;
            a->times += !record->repeated;
            a->last_ms = now_ms > a->last_ms ? now_ms : a->last_ms;
            return;
        }
    r->aside[r->asides++] = (struct aside){.endpoint = endpoint,
                                           .first_ms = now_ms,
                                           .last_ms = now_ms,
                                           .times = 1,
                                           .secret = put(r, span_of(verified_secret(record->verified))),
                                           .signature = signature,
                                           .reason = put(r, span_of(reason)),
                                           .event_id = put(r, record->event->id),
                                           .body = put(r, verified_body(record->verified))};
}

static void put_event(struct region *r, struct record *record, int64_t now_ms)
{
    const struct event *v = record->event;
    struct item *i = &r->event[r->events++];
    struct text body = put(r, verified_body(record->verified));
    uint32_t at = v->payload.at ? body.at + (uint32_t)(v->payload.at - verified_body(record->verified).at) : 0;
    *i = (struct item){.endpoint = make_endpoint(r, verified_endpoint(record->verified)),
                       .state = record->ignored ? STORE_STATE_IGNORED : STORE_STATE_WAITING,
                       .created_ms = v->created_ms >= 0 ? v->created_ms : now_ms,
                       .received_ms = now_ms,
                       .due_ms = now_ms,
                       .id = put(r, v->id),
                       .type = put(r, v->type),
                       .resource_type = put(r, v->resource_type),
                       .resource_id = put(r, v->resource_id),
                       .client_id = put(r, v->client_id),
                       .status = put(r, v->status),
                       .outcome = put(r, v->outcome),
                       .source = put(r, span_of(record->spooled_ms ? "spool" : "received")),
                       .secret = put(r, span_of(verified_secret(record->verified))),
                       .signature = put_signature(r, record->verified),
                       .payload = {at, (uint32_t)v->payload.len},
                       .body = body};
    record->seq = r->events;
    record->outcome = record->ignored ? STORE_IGNORED : STORE_NEW;
}

/* last: the highest number before this batch */
static void record_one(struct region *r, struct record *record, int64_t last, int64_t now_ms)
{
    int endpoint = find_endpoint(r, verified_endpoint(record->verified));
    if (record->reason) {
        put_aside(r, record, record->reason, now_ms);
        return;
    }
    for (struct item *i = r->event; i < r->event + r->events; i++) {
        if (i->endpoint != endpoint || !span_equal(get(r, i->id), record->event->id) ||
            !span_equal(get(r, i->type), record->event->type))
            continue;
        if (same_payload(r, i, record->event->payload)) {
            record->outcome = STORE_DUPLICATE;
            record->repeated =
                record->spooled_ms == i->received_ms && is(r, i->source, "spool") && i - r->event < last;
            return;
        }
        err_set(&record->err, ERR_CONFLICT, "id and type are known with another payload");
        put_aside(r, record, record->err.msg, now_ms);
        return;
    }
    put_event(r, record, now_ms);
}

/* Nothing can fail once there is room for all. */
static bool has_room(const struct region *r, struct record *const batch[], size_t n)
{
    size_t bytes = r->used;
    for (size_t i = 0; i < n; i++)
        bytes += verified_body(batch[i]->verified).len + ROOM;
    return bytes < HEAP && r->events + (int64_t)n <= EVENTS && r->asides + (int64_t)n <= ASIDES;
}

static int record(struct store *s, struct record *const batch[], size_t n, int64_t now_ms, struct err *e)
{
    struct region *r = enter(s, e);
    if (!r)
        return -1;
    bool fits = has_room(r, batch, n);
    int64_t last = r->events;
    for (size_t i = 0; i < n && fits; i++) {
        int64_t at_ms = batch[i]->spooled_ms ? batch[i]->spooled_ms : now_ms;
        record_one(r, batch[i], last, at_ms);
    }
    leave(s);
    return fits ? 0 : err_set(e, ERR_FULL, "the memory of the tests is full");
}

static int hold(struct store *s, int wait_ms, struct err *e)
{
    memory_of(s)->held = lock_take(&memory_of(s)->lock, wait_ms, e) >= 0;
    return memory_of(s)->held ? 0 : -1;
}

static void release(struct store *s)
{
    memory_of(s)->held = false;
    leave(s);
}

static int try(struct store *s, int wait_ms, struct err *e)
{
    if (lock_take(&memory_of(s)->lock, wait_ms, e) < 0)
        return -1;
    lock_release(&memory_of(s)->lock);
    return 0;
}

static int ready(struct store *s, struct err *e)
{
    (void)s, (void)e;
    return 0;
}

/* ---- which events ---- */

static bool ends_in(struct span s, const char *end)
{
    size_t len = strlen(end);
    return s.len >= len && memcmp(s.at + s.len - len, end, len) == 0;
}

static bool begins_with(struct span s, const char *begin)
{
    return s.len >= strlen(begin) && memcmp(s.at, begin, strlen(begin)) == 0;
}

static bool has_states(struct span type)
{
    return begins_with(type, "check.") || begins_with(type, "workflow.session.");
}

static bool is_of_one_resource(struct region *r, const struct item *a, const struct item *b)
{
    return a->resource_id.at && b->resource_id.at && a->endpoint == b->endpoint &&
           same(r, a->resource_id, b->resource_id) && !a->resource_type.at == !b->resource_type.at &&
           same(r, a->resource_type, b->resource_type);
}

/* source: complycube-inbox(5), "View newer" */
static bool supersedes(struct region *r, const struct item *newer, const struct item *old)
{
    struct span type = get(r, newer->type);
    return is_of_one_resource(r, newer, old) && newer->created_ms > old->created_ms &&
           newer->created_ms != newer->received_ms &&
           (ends_in(type, ".deleted") || (newer->status.at && old->status.at && !ends_in(type, ".updated") &&
                                          has_states(type) && has_states(get(r, old->type))));
}

static bool is_wanted(struct region *r, const struct store_want *w, struct text type)
{
    for (size_t i = 0; i < w->n_types; i++)
        if (is(r, type, w->types[i]))
            return true;
    return w->n_types == 0;
}

/* Is it superseded: w NULL: by any; else by one that is worked on? */
static bool is_over(struct region *r, const struct item *old, const struct store_want *w)
{
    for (struct item *i = r->event; i < r->event + r->events; i++)
        if (supersedes(r, i, old) && (!w || (i->state < STORE_STATE_DEAD && is_wanted(r, w, i->type))))
            return true;
    return false;
}

/* Is a before b among those of their resource? */
static bool is_before(const struct item *a, const struct item *b)
{
    return a->created_ms < b->created_ms || (a->created_ms == b->created_ms && a < b);
}

static bool is_held_up(struct region *r, const struct item *i, const struct store_want *w, int64_t now_ms)
{
    for (struct item *o = r->event; o < r->event + r->events; o++)
        if (o != i && o->state == STORE_STATE_WAITING && is_of_one_resource(r, o, i) &&
            ((o->token && o->due_ms > now_ms) || (is_wanted(r, w, o->type) && is_before(o, i))))
            return true;
    return false;
}

static bool matches(struct region *r, const struct item *i, const struct store_query *q)
{
    return (q->state < 0 || i->state == q->state) &&
           (!q->endpoint || strcmp(r->endpoint[i->endpoint], q->endpoint) == 0) &&
           (!q->type || is(r, i->type, q->type)) && (!q->resource_id || is(r, i->resource_id, q->resource_id)) &&
           (!q->client_id || is(r, i->client_id, q->client_id)) && (!q->secret || is(r, i->secret, q->secret)) &&
           i->received_ms >= q->since_ms && (!q->before_ms || i->received_ms < q->before_ms);
}

/* ---- reading ---- */

static const char *iso(int64_t ms, char text[static 48])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(text, 40, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + len, 8, ".%03dZ", (int)(ms % 1000));
    return text;
}

static struct store_event event_of(struct region *r, const struct item *i, bool log_only, char created_at[static 48])
{
    struct store_event v = {.seq = i - r->event + 1,
                            .created_ms = i->created_ms,
                            .received_ms = i->received_ms,
                            .due_ms = i->due_ms,
                            .done_ms = i->done_ms,
                            .attempts = i->attempts,
                            .state = i->state,
                            .claimed = i->token && i->state == STORE_STATE_WAITING && !log_only,
                            .endpoint = span_of(r->endpoint[i->endpoint]),
                            .id = get(r, i->id),
                            .type = get(r, i->type),
                            .resource_type = get(r, i->resource_type),
                            .resource_id = get(r, i->resource_id),
                            .client_id = get(r, i->client_id),
                            .status = get(r, i->status),
                            .outcome = get(r, i->outcome),
                            .source = get(r, i->source),
                            .secret = get(r, i->secret),
                            .signature = get(r, i->signature),
                            .owner = get(r, i->owner),
                            .error = get(r, i->error),
                            .payload = get(r, i->payload),
                            .body = get(r, i->body)};
    if (log_only) {
        v.erased_ms = i->erased_ms;
        v.payload_sha256 = get(r, i->digest);
    } else {
        v.superseded = is_over(r, i, NULL);
        v.created_at = span_of(iso(i->created_ms, created_at));
    }
    return v;
}

static void give(struct region *r, const struct item *i, bool log_only, store_each *each, void *ctx)
{
    char created_at[48];
    struct store_event v = event_of(r, i, log_only, created_at);
    each(ctx, &v);
}

static void read_newest(struct region *r, const struct store_query *q, store_each *each, void *ctx)
{
    int64_t left = q->limit < 0 ? INT64_MAX : q->limit;
    for (int64_t i = q->to && q->to < r->events ? q->to : r->events; i-- > 0 && left > 0;)
        if (matches(r, &r->event[i], q)) {
            give(r, &r->event[i], q->log_only, each, ctx);
            left--;
        }
}

static int read_oldest(struct region *r, struct store_query *q, store_each *each, void *ctx)
{
    int64_t to = q->to && q->to < r->events ? q->to : r->events, n = 0;
    size_t bytes = 0;
    for (; q->after < to && n < PART && bytes < PART_BYTES; q->after++) {
        const struct item *i = &r->event[q->after];
        if (!matches(r, i, q))
            continue;
        n++;
        bytes += i->body.len;
        give(r, i, q->log_only, each, ctx);
    }
    return q->after < to;
}

static int read_numbers(struct region *r, struct store_query *q, store_each *each, void *ctx)
{
    for (int n = 0; q->n_seqs && n < PART; n++, q->seqs++, q->n_seqs--)
        if (*q->seqs >= 1 && *q->seqs <= r->events && matches(r, &r->event[*q->seqs - 1], q))
            give(r, &r->event[*q->seqs - 1], q->log_only, each, ctx);
    return q->n_seqs > 0;
}

static int read_events(struct store *s, struct store_query *q, store_each *each, void *ctx, struct err *e)
{
    struct region *r = enter(s, e);
    if (!r)
        return -1;
    int more = 0;
    if (q->n_seqs)
        more = read_numbers(r, q, each, ctx);
    else if (q->oldest_first)
        more = read_oldest(r, q, each, ctx);
    else
        read_newest(r, q, each, ctx);
    leave(s);
    return more;
}

static int64_t ended_ms(const struct item *i) { return i->done_ms ? i->done_ms : i->due_ms; }

static bool is_prunable(struct region *r, const struct item *i, int64_t before_ms)
{
    if ((i->state != STORE_STATE_DONE && i->state != STORE_STATE_IGNORED) || i->erased_ms || ended_ms(i) >= before_ms)
        return false;
    for (struct item *o = r->event; o < r->event + r->events; o++)
        if (is_of_one_resource(r, o, i) && is_before(o, i) &&
            (o->state == STORE_STATE_WAITING || o->state == STORE_STATE_DEAD || ended_ms(o) >= before_ms))
            return false;
    return true;
}

/* Does it name the client, or is it of a resource of which an event does? */
static bool is_of_client(struct region *r, const struct item *i, const char *client)
{
    for (struct item *o = r->event; o < r->event + r->events; o++)
        if (is(r, o->client_id, client) && (o == i || is_of_one_resource(r, o, i)))
            return true;
    return false;
}

static bool is_chosen(struct region *r, const struct item *i, enum store_set set, const struct store_query *q)
{
    struct store_query rest = *q;
    rest.client_id = set == STORE_OF_CLIENT ? NULL : q->client_id;
    rest.state = set == STORE_OF_CLIENT ? -1 : q->state;
    return set == STORE_PRUNABLE
               ? is_prunable(r, i, q->before_ms)
               : matches(r, i, &rest) && (set != STORE_OF_CLIENT || is_of_client(r, i, q->client_id));
}

static int64_t choose(struct store *s, enum store_set set, const struct store_query *q, int64_t **seqs, struct err *e)
{
    struct region *r = enter(s, e);
    int64_t n = 0, limit = set == STORE_MATCHING && q->limit >= 0 ? q->limit : INT64_MAX;
    if (!r)
        return -1;
    *seqs = malloc((size_t)(r->events + 1) * sizeof **seqs);
    for (int64_t i = 1; i <= r->events && *seqs; i++)
        if (is_chosen(r, &r->event[i - 1], set, q))
            (*seqs)[n++] = i;
    if (*seqs && n > limit) {
        memmove(*seqs, *seqs + n - limit, (size_t)limit * sizeof **seqs);
        n = limit;
    }
    leave(s);
    return *seqs ? n : err_set(e, ERR_MEMORY, "choosing events: out of memory");
}

static int find(struct store *s, struct span key, store_each *each, void *ctx, struct err *e)
{
    struct region *r = enter(s, e);
    char text[300], *end;
    if (!r)
        return -1;
    snprintf(text, sizeof text, "%.*s", (int)key.len, key.at);
    int64_t seq = strtoll(text, &end, 10);
    bool found = *text && !*end && seq >= 1 && seq <= r->events;
    if (found)
        give(r, &r->event[seq - 1], false, each, ctx);
    for (int64_t i = 0, by_id = !found; i < r->events && by_id; i++)
        if (is(r, r->event[i].id, text)) {
            give(r, &r->event[i], false, each, ctx);
            found = true;
        }
    leave(s);
    return found ? 0 : err_set(e, ERR_NOT_FOUND, "no event has the number or id %s", text);
}

static bool is_same_change(struct region *r, const struct item *a, const struct item *b)
{
    struct span x = get(r, a->payload), y = get(r, b->payload);
    return is_of_one_resource(r, a, b) && x.at && y.at && span_equal(x, y) && !ends_in(get(r, a->type), ".deleted") &&
           !ends_in(get(r, b->type), ".deleted") && llabs(a->created_ms - b->created_ms) < 1000;
}

static int relate(struct store *s, int64_t seq, struct store_related *related, struct err *e)
{
    struct region *r = enter(s, e);
    if (!r)
        return -1;
    *related = (struct store_related){.newer = 0};
    const struct item *one = &r->event[seq - 1], *newer = NULL;
    for (const struct item *i = r->event; i < r->event + r->events && seq >= 1 && seq <= r->events; i++) {
        if (supersedes(r, i, one) && (!newer || !is_before(i, newer)))
            newer = i;
        if (i < one && !related->same && is_same_change(r, i, one))
            related->same = i - r->event + 1;
    }
    related->newer = newer ? newer - r->event + 1 : 0;
    leave(s);
    return 0;
}

static int newest(struct store *s, int64_t *seq, struct err *e)
{
    struct region *r = enter(s, e);
    if (!r)
        return -1;
    *seq = r->events;
    leave(s);
    return 0;
}

/* ---- figures ---- */

static int read_facts(struct store *s, int64_t now_ms, struct store_facts *facts, struct err *e)
{
    struct region *r = enter(s, e);
    *facts = (struct store_facts){.journal = "none", .schema = 1, .events = r ? r->events : 0};
    if (!r)
        return -1;
    for (const struct item *i = r->event; i < r->event + r->events; i++) {
        bool waits = i->state == STORE_STATE_WAITING, later = waits && i->due_ms > now_ms;
        facts->waiting += waits;
        facts->dead += i->state == STORE_STATE_DEAD;
        facts->leased += later && i->token;
        facts->delayed += later && !i->token;
        facts->oldest_ms = waits && !facts->oldest_ms ? i->received_ms : facts->oldest_ms;
    }
    for (const struct aside *a = r->aside; a < r->aside + r->asides; a++)
        facts->quarantined += !a->gone && !a->erased;
    leave(s);
    return 0;
}

/* ---- working ---- */

/* The endpoint that is asked for; -1 and *e. */
static int choose_endpoint(struct region *r, const char *wanted, struct err *e)
{
    char names[ENDPOINTS * 66] = "";
    int at = wanted ? find_endpoint(r, wanted) : r->endpoints == 1 ? 0 : r->endpoints;
    for (int i = 0; i < r->endpoints; i++)
        snprintf(names + strlen(names), 66, "%s%s", i ? ", " : "", r->endpoint[i]);
    return at < r->endpoints ? at : err_set(e, ERR_NOT_FOUND, "name an endpoint; there are: %s", names);
}

static int by_due(const void *a, const void *b)
{
    const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
    return x->due_ms != y->due_ms ? (x->due_ms > y->due_ms) - (x->due_ms < y->due_ms) : (x > y) - (x < y);
}

static int by_age(const void *a, const void *b)
{
    const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
    return is_before(y, x) - is_before(x, y);
}

/* Give what was claimed to the worker, or bury it, or be done with it: how many it got. */
static int claim_these(struct region *r, struct item **these, size_t n, const struct store_want *w, int64_t now_ms,
                       store_claimed *each, void *ctx)
{
    bool over[EVENTS];
    int given = 0;
    for (size_t i = 0; i < n; i++)
        over[i] = w->skip_superseded && is_over(r, these[i], w);
    for (size_t i = 0; i < n; i++) {
        struct item *v = these[i];
        v->state = over[i] ? STORE_STATE_DONE : v->attempts >= ATTEMPTS ? STORE_STATE_DEAD : STORE_STATE_WAITING;
        v->done_ms = over[i] ? now_ms : 0;
        v->error = over[i] ? put(r, span_of("superseded")) : v->error;
        v->attempts++;
        v->token = ++r->tokens;
        v->owner = put(r, span_of(w->owner));
        v->due_ms = now_ms + (w->lease_ms ? w->lease_ms : LEASE_MS);
        if (v->state != STORE_STATE_WAITING)
            continue;
        struct store_lease lease = {.seq = v - r->event + 1, .until_ms = v->due_ms, .attempts = v->attempts};
        snprintf(lease.endpoint, sizeof lease.endpoint, "%s", r->endpoint[v->endpoint]);
        snprintf(lease.key, sizeof lease.key, "%lld", (long long)v->token);
        char created_at[48];
        struct store_event event = event_of(r, v, false, created_at);
        each(ctx, &lease, &event);
        given++;
    }
    return given;
}

/* What may be claimed, the first due first. */
static size_t list_due(struct region *r, const struct store_want *w, int endpoint, int64_t now_ms, struct item **due)
{
    size_t n = 0;
    for (struct item *i = r->event; i < r->event + r->events; i++)
        if (i->state == STORE_STATE_WAITING && i->endpoint == endpoint && i->due_ms <= now_ms &&
            is_wanted(r, w, i->type) && !(w->ordered && is_held_up(r, i, w, now_ms)))
            due[n++] = i;
    qsort(due, n, sizeof *due, by_due);
    return n;
}

static int claim(struct store *s, const struct store_want *w, int n, int64_t now_ms, store_claimed *each, void *ctx,
                 struct err *e)
{
    struct item *due[EVENTS];
    struct region *r = enter(s, e);
    if (!r)
        return -1;
    int endpoint = choose_endpoint(r, w->endpoint, e), given = endpoint < 0 ? -1 : 0;
    for (size_t found = 1; found && given == 0;) { /* until one is given, or none is left */
        found = list_due(r, w, endpoint, now_ms, due);
        found = found < (size_t)n ? found : (size_t)n;
        qsort(due, found, sizeof *due, by_age);
        given = claim_these(r, due, found, w, now_ms, each, ctx);
    }
    leave(s);
    return given;
}

static int64_t backoff(int64_t attempts)
{
    int64_t ms = BACKOFF_MS;
    while (--attempts > 0 && ms < BACKOFF_MAX_MS)
        ms *= 2;
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static int settle(struct store *s, struct store_lease *lease, enum store_verb verb, const char *why, int64_t ms,
                  int64_t now_ms, struct err *e)
{
    struct region *r = enter(s, e);
    if (!r)
        return -1;
    struct item *i = &r->event[lease->seq - 1];
    bool held = i->state == STORE_STATE_WAITING && i->token == strtoll(lease->key, NULL, 10);
    if (held) {
        bool dead = verb == STORE_NACK && i->attempts >= ATTEMPTS;
        int64_t delay_ms = verb == STORE_EXTEND           ? (ms > 0 ? ms : LEASE_MS)
                           : verb == STORE_NACK && ms < 0 ? backoff(i->attempts)
                                                          : (ms > 0 ? ms : 0);
        i->state = verb == STORE_ACK ? STORE_STATE_DONE : dead ? STORE_STATE_DEAD : STORE_STATE_WAITING;
        i->done_ms = verb == STORE_ACK ? now_ms : 0;
        i->attempts -= verb == STORE_RELEASE;
        i->token = verb == STORE_EXTEND ? i->token : 0;
        i->due_ms = now_ms + delay_ms;
        i->error = verb == STORE_NACK ? put(r, span_of(why)) : i->error;
        lease->until_ms = dead ? INT64_MAX : i->due_ms;
    }
    leave(s);
    return held;
}

/* ---- by hand ---- */

/* What a change makes of each state; -1: it does not apply. */
static const int rules[][4] = {
    [STORE_REQUEUE] = {-1, STORE_STATE_WAITING, STORE_STATE_WAITING, STORE_STATE_WAITING},
    [STORE_CHANGE_ACK] = {STORE_STATE_DONE, -1, STORE_STATE_DONE, STORE_STATE_DONE},
    [STORE_CHANGE_DEAD] = {STORE_STATE_DEAD, -1, -1, STORE_STATE_DEAD},
};

static enum store_changed change_one(struct item *i, enum store_change what, int64_t now_ms)
{
    int to = rules[what][i->state];
    if (what == STORE_REQUEUE && i->state == STORE_STATE_WAITING && i->due_ms > now_ms && !i->token)
        to = STORE_STATE_WAITING;
    if (to < 0)
        return STORE_UNCHANGED;
    if (what == STORE_REQUEUE && i->erased_ms)
        return STORE_ERASED;
    i->state = to;
    i->token = 0;
    i->done_ms = to == STORE_STATE_DONE ? now_ms : 0;
    i->due_ms = to == STORE_STATE_DONE ? i->due_ms : now_ms;
    i->attempts = to == STORE_STATE_WAITING ? 0 : i->attempts;
    return STORE_CHANGED;
}

static void wipe(struct region *r, struct text *t)
{
    memset(r->heap + t->at, 0, t->len);
    *t = (struct text){0, 0};
}

static enum store_changed erase_one(struct region *r, struct item *i, enum store_erase how, int64_t now_ms)
{
    if (how == STORE_PRUNE && (i->state == STORE_STATE_WAITING || i->state == STORE_STATE_DEAD))
        return STORE_UNCHANGED;
    if (i->erased_ms)
        return STORE_ERASED;
    struct text *const texts[] = {&i->signature, &i->resource_id, &i->client_id, &i->status,
                                  &i->outcome,   &i->owner,       &i->error,     &i->body};
    i->digest = put_digest(r, get(r, i->payload));
    i->payload = (struct text){0, 0}; /* it is in the body */
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
        wipe(r, texts[t]);
    i->done_ms = i->state == STORE_STATE_WAITING || i->state == STORE_STATE_DEAD ? now_ms : i->done_ms;
    i->state = i->state == STORE_STATE_IGNORED ? STORE_STATE_IGNORED : STORE_STATE_DONE;
    i->erased_ms = now_ms;
    i->token = i->due_ms = 0;
    return STORE_CHANGED;
}

/* erases: how; else what */
static int64_t each_one(struct store *s, bool erases, int what, const int64_t *seqs, int64_t n, int64_t now_ms,
                        store_each_changed *each, void *ctx, struct err *e)
{
    struct region *r = enter(s, e);
    n = n < PART ? n : PART;
    for (int64_t i = 0; r && i < n; i++) {
        bool there = seqs[i] >= 1 && seqs[i] <= r->events;
        struct item *v = &r->event[there ? seqs[i] - 1 : 0];
        each(ctx, seqs[i],
             !there   ? STORE_MISSING
             : erases ? erase_one(r, v, (enum store_erase)what, now_ms)
                      : change_one(v, (enum store_change)what, now_ms));
    }
    if (r)
        leave(s);
    return r ? n : -1;
}

static int64_t change(struct store *s, enum store_change what, const int64_t *seqs, int64_t n,
                      const struct store_actor *by, int64_t now_ms, store_each_changed *each, void *ctx,
                      struct err *e)
{
    (void)by;
    return each_one(s, false, (int)what, seqs, n, now_ms, each, ctx, e);
}

static int64_t erase(struct store *s, enum store_erase how, const int64_t *seqs, int64_t n,
                     const struct store_actor *by, int64_t now_ms, store_each_changed *each, void *ctx, struct err *e)
{
    (void)by;
    return each_one(s, true, (int)how, seqs, n, now_ms, each, ctx, e);
}

/* ---- quarantine ---- */

static void give_aside(struct region *r, const struct aside *a, int64_t erased_ms, store_each_quarantined *each,
                       void *ctx)
{
    struct store_quarantined row = {.id = a - r->aside + 1,
                                    .first_ms = a->first_ms,
                                    .last_ms = a->last_ms,
                                    .times = a->times,
                                    .endpoint = span_of(r->endpoint[a->endpoint]),
                                    .secret = get(r, a->secret),
                                    .signature = get(r, a->signature),
                                    .reason = get(r, a->reason),
                                    .event_id = get(r, a->event_id),
                                    .body = get(r, a->body)};
    for (const struct item *i = r->event; erased_ms && i < r->event + r->events; i++)
        row.erased |= i->erased_ms == erased_ms && i->endpoint == a->endpoint && same(r, i->id, a->event_id);
    each(ctx, &row);
}

static int quarantine(struct store *s, int64_t id, const char *endpoint, store_each_quarantined *each, void *ctx,
                      struct err *e)
{
    struct region *r = enter(s, e);
    bool found = false;
    if (!r)
        return -1;
    for (int64_t i = r->asides; i > 0; i--) {
        const struct aside *a = &r->aside[i - 1];
        if (a->gone || a->erased || (id && id != i) || (endpoint && strcmp(endpoint, r->endpoint[a->endpoint]) != 0))
            continue;
        give_aside(r, a, 0, each, ctx);
        found = true;
    }
    leave(s);
    return !id || found ? 0 : err_set(e, ERR_NOT_FOUND, "nothing in quarantine has the number %lld", (long long)id);
}

static int quarantined(struct store *s, int64_t *after, int64_t erased_ms, store_each_quarantined *each, void *ctx,
                       struct err *e)
{
    struct region *r = enter(s, e);
    int given = 0;
    if (!r)
        return -1;
    int64_t i = *after < 0 ? 0 : *after; /* the row after it is at this place */
    for (; i < r->asides && given < PART; i++)
        if (!r->aside[i].gone && !r->aside[i].erased) {
            give_aside(r, &r->aside[i], erased_ms, each, ctx);
            given++;
        }
    *after = i < r->asides ? i : INT64_MAX;
    leave(s);
    return 0;
}

static int drop(struct store *s, int64_t id, const struct store_actor *by, int64_t now_ms, struct err *e)
{
    struct region *r = enter(s, e);
    (void)by, (void)now_ms;
    if (!r)
        return -1;
    struct aside *a = id >= 1 && id <= r->asides ? &r->aside[id - 1] : NULL;
    bool found = a && !a->gone && !a->erased;
    if (found)
        a->gone = true;
    leave(s);
    return found ? 0 : err_set(e, ERR_NOT_FOUND, "nothing in quarantine has the number %lld", (long long)id);
}

static int64_t erase_quarantined(struct store *s, const int64_t *ids, int64_t n, const struct store_actor *by,
                                 int64_t now_ms, struct err *e)
{
    struct region *r = enter(s, e);
    (void)by, (void)now_ms;
    for (int64_t i = 0; r && i < n; i++)
        if (ids[i] >= 1 && ids[i] <= r->asides) {
            wipe(r, &r->aside[ids[i] - 1].body);
            r->aside[ids[i] - 1].erased = true;
        }
    if (r)
        leave(s);
    return r ? n : -1;
}

/* ---- what it lacks ---- */

static int lacks(struct err *e) { return err_set(e, ERR_SCHEMA, "the memory of the tests does not do this"); }

static int accept(struct store *s, int64_t id, struct record *r, const struct store_actor *by, int64_t now_ms,
                  int64_t *seq, struct err *e)
{
    (void)s, (void)id, (void)r, (void)by, (void)now_ms, (void)seq;
    return lacks(e);
}

static int note(struct store *s, const char *action, int64_t n, const char *detail, const struct store_actor *by,
                int64_t now_ms, struct err *e)
{
    (void)s, (void)action, (void)n, (void)detail, (void)by, (void)now_ms;
    return lacks(e);
}

static int history(struct store *s, int64_t seq, int64_t since_ms, int64_t before_ms, int64_t limit,
                   store_each_past *each, void *ctx, struct err *e)
{
    (void)s, (void)seq, (void)since_ms, (void)before_ms, (void)limit, (void)each, (void)ctx;
    return lacks(e);
}

static int tally(struct store *s, const struct store_query *f, bool whole, store_each_tally *each, void *ctx,
                 struct err *e)
{
    (void)s, (void)f, (void)whole, (void)each, (void)ctx;
    return lacks(e);
}

static int counts(struct store *s, int64_t since_ms, store_each_count *each, void *ctx, struct err *e)
{
    (void)s, (void)since_ms, (void)each, (void)ctx;
    return lacks(e);
}

static int totals(struct store *s, int64_t until_ms, store_each_count *each, void *ctx, struct err *e)
{
    (void)s, (void)until_ms, (void)each, (void)ctx;
    return lacks(e);
}

static int audit(struct store *s, int64_t *from, store_each_row *each, void *ctx, struct err *e)
{
    (void)s, (void)from, (void)each, (void)ctx;
    return lacks(e);
}

static int odd_rows(struct store *s, struct store_odd *odd, struct err *e)
{
    (void)s, (void)odd;
    return lacks(e);
}

/* ---- its schema is always there ---- */

static int missing(struct store *s, store_each_step *each, void *ctx, struct err *e)
{
    (void)s, (void)each, (void)ctx, (void)e;
    return 0;
}

static int migrate(struct store *s, const struct store_actor *by, int64_t now_ms, struct store_step *step,
                   struct err *e)
{
    (void)s, (void)by, (void)now_ms, (void)step, (void)e;
    return 0;
}

/* ---- opening ---- */

static void close_memory(struct store *s)
{
    munmap(memory_of(s)->r, sizeof(struct region));
    lock_close(&memory_of(s)->lock);
    free(s);
}

static const struct store_ops ops = {
    .close = close_memory,
    .record = record,
    .hold = hold,
    .unhold = release,
    .try = try,
    .ready = ready,
    .claim = claim,
    .settle = settle,
    .read = read_events,
    .select = choose,
    .find = find,
    .relate = relate,
    .newest = newest,
    .read_facts = read_facts,
    .tally = tally,
    .counts = counts,
    .totals = totals,
    .ignored = counts,
    .change = change,
    .erase = erase,
    .list_quarantine = quarantine,
    .walk_quarantine = quarantined,
    .accept = accept,
    .drop = drop,
    .erase_quarantined = erase_quarantined,
    .add_history = note,
    .history = history,
    .audit = audit,
    .odd_rows = odd_rows,
    .missing = missing,
    .migrate = migrate,
};

/* The region, made of a file of zeros. */
static struct region *map(const char *path, bool create, struct err *e)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
    if (fd < 0) {
        err_set(e, create ? ERR_SYSTEM : ERR_NOT_FOUND, "%s cannot be opened", path);
        return NULL;
    }
    void *at = ftruncate(fd, sizeof(struct region)) == 0
                   ? mmap(NULL, sizeof(struct region), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                   : MAP_FAILED;
    close(fd);
    if (at == MAP_FAILED)
        err_set(e, ERR_SYSTEM, "%s cannot be mapped", path);
    return at == MAP_FAILED ? NULL : at;
}

/* What is there already needs no lock. */
static int make_endpoints(struct store *s, const struct store_options *o, struct err *e)
{
    struct region *r = memory_of(s)->r;
    size_t known = 0;
    while (known < o->n_endpoints && find_endpoint(r, o->endpoints[known]) < r->endpoints)
        known++;
    if (r->used && known == o->n_endpoints)
        return 0;
    if (!enter(s, e))
        return -1;
    r->used = r->used ? r->used : 1; /* 0 is where absent texts are */
    for (size_t i = 0; i < o->n_endpoints; i++)
        make_endpoint(r, o->endpoints[i]);
    leave(s);
    return 0;
}

int memory_open(struct store **s, const char *path, const struct store_options *o, struct err *e)
{
    char lock[PATH_MAX];
    struct memory *m = calloc(1, sizeof *m);
    if (!m)
        return err_set(e, ERR_MEMORY, "opening %s: out of memory", path);
    *m = (struct memory){.store = {&ops, NULL}, .lock = {-1}, .wait_ms = o->wait_ms};
    snprintf(lock, sizeof lock, "%s.lock", path);
    m->r = map(path, o->create, e);
    if (!m->r || lock_open(&m->lock, lock, (gid_t)-1, e) != 0 || make_endpoints(&m->store, o, e) != 0) {
        if (m->r)
            munmap(m->r, sizeof *m->r);
        lock_close(&m->lock);
        free(m);
        return -1;
    }
    *s = &m->store;
    return 0;
}
