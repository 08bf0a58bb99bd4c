/* SPDX-License-Identifier: MIT
 * suite: the subjects, and what the parts share. */
#include "suite.h"
#include "verifier.h"
#include "base/hex.h"
#include "store/store_file.h"

#include <time.h>

static const struct subject subjects[] = {
    {"the SQLite table", "sqlite:%s/inbox.db", NULL, NEEDS_SERVER},
    {"the SQLite directory", "sqlite:%s/inbox.db", "%s/inbox.d", NEEDS_WORK_TOLD | NEEDS_SERVER},
    {"the memory of the tests", "memory:%s/memory", NULL, NEEDS_HISTORY | NEEDS_ACCEPT | NEEDS_PAST | NEEDS_FIGURES},
};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

const struct subject *subject;
struct store *store;
const struct store_actor by_hand = {"operator", "admin", "host", "a reason"};

static char folder[64];
static struct verifier *verifier;
static const char *const endpoints[] = {"live", "sandbox"};

/* ---- memory of a test ---- */

static struct piece {
    struct piece *next;
} * pieces;

void *kept(size_t size)
{
    struct piece *p = calloc(1, sizeof *p + 16 + size); /* what follows is aligned for anything */
    assert_non_null(p);
    p->next = pieces;
    pieces = p;
    return (char *)p + 16;
}

static void forget(void)
{
    while (pieces) {
        struct piece *next = pieces->next;
        free(pieces);
        pieces = next;
    }
}

static struct span keep(struct span s)
{
    char *copy = s.at ? kept(s.len + 1) : NULL;
    if (copy)
        memcpy(copy, s.at, s.len);
    return (struct span){copy, s.len};
}

const char *text_of(struct span s) { return s.at ? keep(s).at : "(absent)"; }

struct span printed(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t len = (size_t)vsnprintf(NULL, 0, format, args);
    char *text = kept(len + 1);
    vsnprintf(text, len + 1, format, again);
    va_end(again);
    va_end(args);
    return (struct span){text, len};
}

/* ---- bodies ---- */

static const char *member(const char *name, const char *value)
{
    return value ? printed("\"%s\":\"%s\",", name, value).at : "";
}

struct span body_of(struct sample s)
{
    int64_t created_ms = s.created_ms ? s.created_ms : NOW;
    time_t seconds = (time_t)(created_ms / 1000);
    struct tm utc;
    char time[40] = "at some time";
    gmtime_r(&seconds, &utc);
    if (created_ms >= 0)
        strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
    if (created_ms >= 0)
        snprintf(time + strlen(time), 8, ".%03dZ", (int)(created_ms % 1000));
    return printed("{\"id\":\"%s\",\"type\":\"%s\",%s\"createdAt\":\"%s\",\"payload\":{%s%s%s%s\"note\":\"%s\"}}",
                   s.id, s.type ? s.type : "t", member("resourceType", s.resource_type), time,
                   member("id", s.resource), member("clientId", s.client), member("status", s.status),
                   member("outcome", s.outcome), s.note ? s.note : "");
}

/* ---- recording ---- */

struct record *arrive(int secret, struct span body, struct record *r)
{
    static size_t slot;
    uint8_t digest[VERIFY_DIGEST];
    char text[2 * VERIFY_DIGEST + 1];
    struct err e = {0};
    struct event *event = kept(sizeof *event);
    verify_sign(verifier, (size_t)secret, body, digest);
    hex_encode(digest, sizeof digest, text);
    *r = (struct record){.event = event};
    r->verified = verify_body(verifier, slot++ % VERIFY_BATCH_MAX, span_of(text), body, &e);
    assert_non_null(r->verified);
    if (decode_event(r->verified, event, &e) != 0)
        r->reason = printed("%s", e.msg).at;
    return r;
}

void record_all(struct record *const batch[], size_t n, int64_t now_ms)
{
    struct err e = {0};
    int failed = store_record(store, batch, n, now_ms, &e);
    assert_string_equal(e.msg, "");
    assert_int_equal(failed, 0);
}

enum store_outcome record_at(int secret, struct span body, int64_t now_ms)
{
    struct record r, *batch[] = {arrive(secret, body, &r)};
    record_all(batch, 1, now_ms);
    return r.outcome;
}

enum store_outcome record_ignored(struct sample s, int64_t now_ms)
{
    struct record r, *batch[] = {arrive(LIVE, body_of(s), &r)};
    r.ignored = true;
    record_all(batch, 1, now_ms);
    return r.outcome;
}

int64_t put(struct sample s, int64_t now_ms)
{
    struct record r, *batch[] = {arrive(LIVE, body_of(s), &r)};
    record_all(batch, 1, now_ms);
    assert_int_equal(r.outcome, STORE_NEW);
    assert_true(r.seq > 0);
    return r.seq;
}

int64_t put_id(const char *id, int64_t created_ms)
{
    return put((struct sample){.id = id, .created_ms = created_ms}, created_ms);
}

/* ---- reading ---- */

static struct store_event keep_event(const struct store_event *event)
{
    struct store_event v = *event;
    struct span *const texts[] = {
        &v.endpoint, &v.id,      &v.type,   &v.resource_type, &v.resource_id,   &v.client_id,
        &v.status,   &v.outcome, &v.source, &v.secret,        &v.signature,     &v.created_at,
        &v.owner,    &v.error,   &v.body,   &v.payload,       &v.payload_sha256};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = keep(*texts[i]);
    return v;
}

/* Append a row of this size to a list, which has room up to the next power of two. */
static void append(void *list, size_t *n, const void *row, size_t size)
{
    char *rows;
    memcpy(&rows, list, sizeof rows);
    if ((*n & (*n - 1)) == 0) {
        char *more = kept((*n ? 2 * *n : 1) * size);
        if (*n)
            memcpy(more, rows, *n * size);
        memcpy(list, &more, sizeof more);
        rows = more;
    }
    memcpy(rows + (*n)++ * size, row, size);
}

static void see(void *ctx, const struct store_event *event)
{
    struct seen *seen = ctx;
    struct store_event v = keep_event(event);
    append(&seen->v, &seen->n, &v, sizeof v);
}

struct seen read_once(struct store_query *q)
{
    struct seen seen = {0};
    struct err e = {0};
    int more = store_read(store, q, see, &seen, &e);
    assert_string_equal(e.msg, "");
    assert_true(more == 0 || more == 1);
    seen.more = more == 1;
    return seen;
}

struct seen read_all(struct store_query q)
{
    struct seen all = {0}, some = {.more = true};
    while (some.more) {
        some = read_once(&q);
        for (size_t i = 0; i < some.n; i++)
            append(&all.v, &all.n, &some.v[i], sizeof some.v[i]);
    }
    return all;
}

const struct store_event *event_of(int64_t seq)
{
    struct seen seen = {0};
    struct err e = {0};
    int failed = store_find(store, printed("%lld", (long long)seq), see, &seen, &e);
    assert_string_equal(e.msg, "");
    assert_int_equal(failed, 0);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.v->seq, seq);
    return seen.v;
}

int state_of(int64_t seq) { return event_of(seq)->state; }

const char *ids_of(struct seen seen)
{
    const char *ids = "";
    for (size_t i = 0; i < seen.n; i++)
        ids = printed("%s%s%s", ids, i ? " " : "", text_of(seen.v[i].id)).at;
    return ids;
}

static void see_row(void *ctx, const struct store_quarantined *row)
{
    struct rows *rows = ctx;
    struct store_quarantined r = *row;
    struct span *const texts[] = {&r.endpoint, &r.secret, &r.signature, &r.reason, &r.event_id, &r.body};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = keep(*texts[i]);
    append(&rows->v, &rows->n, &r, sizeof r);
}

struct rows quarantine_of(const char *endpoint)
{
    struct rows rows = {0};
    struct err e = {0};
    assert_int_equal(store_list_quarantine(store, 0, endpoint, see_row, &rows, &e), 0);
    return rows;
}

static void see_past(void *ctx, const struct store_past *past)
{
    struct pasts *pasts = ctx;
    struct store_past p = *past;
    struct span *const texts[] = {&p.action, &p.user,     &p.sudo_user, &p.host, &p.reason,
                                  &p.detail, &p.endpoint, &p.event_id,  &p.type};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = keep(*texts[i]);
    append(&pasts->v, &pasts->n, &p, sizeof p);
}

struct pasts history_of(int64_t seq)
{
    struct pasts pasts = {0};
    struct err e = {0};
    int failed = store_history(store, seq, 0, 0, 1000, see_past, &pasts, &e);
    assert_string_equal(e.msg, "");
    assert_int_equal(failed, 0);
    return pasts;
}

struct store_facts facts_at(int64_t now_ms)
{
    struct store_facts facts;
    struct err e = {0};
    assert_int_equal(store_read_facts(store, now_ms, &facts, &e), 0);
    return facts;
}

/* ---- working ---- */

static void take(void *ctx, const struct store_lease *lease, const struct store_event *event)
{
    struct claimed *c = ctx;
    c->lease[c->n] = *lease;
    c->v[c->n++] = keep_event(event);
}

const struct claimed *claim_as(struct store *s, const struct store_want *w, int n, int64_t now_ms)
{
    struct claimed *c = kept(sizeof *c);
    struct err e = {0};
    int given = store_claim(s, w, n, now_ms, take, c, &e);
    assert_string_equal(e.msg, "");
    assert_int_equal(given, c->n);
    return c;
}

const struct claimed *claim(int n, int64_t now_ms)
{
    return claim_as(store, &(struct store_want){.endpoint = "live", .owner = "tester"}, n, now_ms);
}

struct store_lease claim_one(int64_t now_ms)
{
    const struct claimed *c = claim(1, now_ms);
    assert_int_equal(c->n, 1);
    return c->lease[0];
}

const char *claimed_ids(const struct claimed *c)
{
    return ids_of((struct seen){(struct store_event *)(uintptr_t)c->v, (size_t)c->n, false});
}

const char *claim_ids(struct store_want w, int n, int64_t now_ms)
{
    w.endpoint = w.endpoint ? w.endpoint : "live";
    w.owner = "tester";
    return claimed_ids(claim_as(store, &w, n, now_ms));
}

int settle(struct store_lease *lease, enum store_verb verb, int64_t now_ms)
{
    struct err e = {0};
    bool nack = verb == STORE_NACK;
    int settled = store_settle(store, lease, verb, nack ? "it failed" : NULL, nack ? -1 : 0, now_ms, &e);
    assert_string_equal(e.msg, "");
    return settled;
}

void ack(struct store_lease lease, int64_t now_ms) { assert_int_equal(settle(&lease, STORE_ACK, now_ms), 1); }

/* ---- changing ---- */

static void hear(void *ctx, int64_t seq, enum store_changed result)
{
    enum store_changed *heard = ctx;
    (void)seq;
    *heard = result;
}

enum store_changed change_one(enum store_change what, int64_t seq, int64_t now_ms)
{
    enum store_changed heard = STORE_MISSING;
    struct err e = {0};
    int64_t n = store_change(store, what, &seq, 1, &by_hand, now_ms, hear, &heard, &e);
    assert_string_equal(e.msg, "");
    assert_int_equal(n, 1);
    return heard;
}

enum store_changed erase_one(enum store_erase how, int64_t seq, int64_t now_ms)
{
    enum store_changed heard = STORE_MISSING;
    struct err e = {0};
    int64_t n = store_erase(store, how, &seq, 1, &by_hand, now_ms, hear, &heard, &e);
    assert_string_equal(e.msg, "");
    assert_int_equal(n, 1);
    return heard;
}

/* ---- runs ---- */

/* A pattern with the folder in its place. */
static const char *in_folder(const char *pattern)
{
    const char *at = pattern ? strstr(pattern, "%s") : NULL;
    return at ? printed("%.*s%s%s", (int)(at - pattern), pattern, folder, at + 2).at : NULL;
}

static struct store_options options(int wait_ms)
{
    return (struct store_options){.url = in_folder(subject->url),
                                  .directory = in_folder(subject->directory),
                                  .endpoints = endpoints,
                                  .n_endpoints = 2,
                                  .journal = "wal",
                                  .group = (gid_t)-1,
                                  .create = true,
                                  .wait_ms = wait_ms};
}

int open_again(struct store **s, int wait_ms)
{
    struct err e = {0};
    const struct store_options o = options(wait_ms);
    int failed = store_open(s, &o, &e);
    assert_string_equal(e.msg, "");
    return failed;
}

int probe_again(void)
{
    struct err e = {0};
    const struct store_options o = options(100);
    int failed = store_probe(&o, &e);
    assert_string_equal(e.msg, "");
    return failed;
}

/* A test over a subject. */
struct suite_case {
    const struct suite_test *test;
    const struct subject *subject;
    char name[200]; /* "of the SQLite table: a sentence" */
};

static int start(void **state)
{
    static const struct verifier_secret secrets[SECRETS] = {{"live", "main", {"a-secret-of-the-tests", 21}},
                                                            {"live", "next", {"their-second-secret", 19}},
                                                            {"sandbox", "main", {"that-of-the-sandbox", 19}}};
    const struct suite_case *c = *state;
    struct err e = {0};
    subject = c->subject;
    snprintf(folder, sizeof folder, "%s/complycube-unit-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(
        mkdtemp(folder)); /* it is not about disks: where nothing needs to be flushed, this takes no time */
    return verifier_open(&verifier, secrets, SECRETS, &e) || open_again(&store, 10000);
}

static void run(void **state)
{
    const struct suite_case *c = *state;
    c->test->run();
}

static int stop(void **state)
{
    (void)state;
    store_close(store);
    verify_close(verifier);
    unit_remove(folder);
    forget();
    return 0;
}

static void make_case(struct suite_case *c, const struct subject *over, const struct suite_test *test)
{
    *c = (struct suite_case){test, over, ""};
    snprintf(c->name, sizeof c->name, "of %s: %s", over->name, test->name);
    for (char *at = c->name; (at = strchr(at, '_'));)
        *at = ' ';
}

enum { CASES_MAX = 64 * SUBJECTS };

int suite_run(const struct suite_test *tests, size_t n)
{
    static struct suite_case cases[CASES_MAX], *c = cases;
    static struct CMUnitTest all[CASES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < n * SUBJECTS; i++, c++) {
        make_case(c, &subjects[i / n], &tests[i % n]);
        if (c->test->needs & c->subject->lacks)
            printf("# left out, since it lacks what this needs: %s\n", c->name);
        else
            all[count++] = (struct CMUnitTest){c->name, run, start, stop, c};
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return _cmocka_run_group_tests("store", all, count, NULL, NULL);
}
