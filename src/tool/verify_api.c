/* SPDX-License-Identifier: MIT
 * verify_api: events and ComplyCube's objects, brought together.
 *
 * An event's object is looked for in pages of its list, if these are fewer than the objects, and asked for by its id if it is
 * not on them: so nothing rests on a filter. */
#include "verify_api.h"

#include "base/json.h"
#include "event/verify.h"
#include "windows.h"

#include <stdlib.h>

enum { FEW = 8 /* objects: not worth a look at the list */ };
#define LATE_MS (INT64_C(48) * 3600000) /* that an event may be younger here than its object there */

/* ---- the list ---- */

void verify_api_key(struct verify_api_claim *c, struct span id)
{
    char text[EVENT_FIELD_MAX + 2];
    uint8_t whole[VERIFY_DIGEST];
    int n = snprintf(text, sizeof text, "%c%.*s", 'a' + c->kind, (int)id.len, id.at);
    verify_sha256((struct span){text, (size_t)n}, whole);
    memcpy(c->key, whole, VERIFY_API_KEY);
}

int verify_api_order(const void *a, const void *b)
{
    const struct verify_api_claim *x = a, *y = b;
    int order = x->kind - y->kind;
    order = order ? order : memcmp(x->key, y->key, VERIFY_API_KEY);
    return order ? order : x->seq < y->seq ? -1 : x->seq > y->seq;
}

int verify_api_by_seq(const void *a, const void *b)
{
    const struct verify_api_claim *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

void verify_api_settle(struct verify_api *k, struct verify_api_claim *c, enum compare_class found, const char *what)
{
    c->found = (uint8_t)found;
    c->what = what;
    c->judged = true;
    k->judged++;
    k->sums[found]++;
    progress_draw(&k->progress, k->judged, NULL);
}

int verify_api_read(struct verify_api *k, store_each *each, struct err *e)
{
    int64_t seqs[64];
    for (size_t at = 0; at < k->n_group;) {
        struct store_query q = {.state = -1, .seqs = seqs, .log_only = true};
        for (; q.n_seqs < 64 && at < k->n_group; at++)
            seqs[q.n_seqs++] = k->group[at].seq;
        for (int more = 1; more > 0;)
            if ((more = store_read(k->store, &q, each, k, e)) < 0)
                return -1;
    }
    return 0;
}

struct verify_api_claim *verify_api_find(const struct verify_api *k, int64_t seq)
{
    const struct verify_api_claim key = {.seq = seq};
    return bsearch(&key, k->group, k->n_group, sizeof key, verify_api_by_seq);
}

/* ---- one resource ---- */

static bool same_resource(const struct verify_api_claim *a, const struct verify_api_claim *b)
{
    return a->kind == b->kind && memcmp(a->key, b->key, VERIFY_API_KEY) == 0;
}

/* The events of one resource, from `first` on. */
static void take_group(struct verify_api *k, struct verify_api_claim *first)
{
    k->group = first;
    for (k->n_group = 0; first + k->n_group < k->list + k->n && !first[k->n_group].judged &&
                         same_resource(first, &first[k->n_group]);)
        k->n_group++;
}

static void take_id(void *ctx, const struct store_event *v)
{
    struct verify_api *k = ctx;
    snprintf(k->id, sizeof k->id, "%.*s", (int)v->resource_id.len, v->resource_id.at ? v->resource_id.at : "");
}

static void judge_by_object(void *ctx, const struct store_event *v)
{
    struct verify_api *k = ctx;
    struct verify_api_claim *c = verify_api_find(k, v->seq);
    enum compare_class found = COMPARE_EMPTIED; /* in this very moment */
    const char *what = NULL;
    if (c && (!v->body.at || compare_event(v, (enum vendor_kind)c->kind, k->object, &found, &what, &k->bad) == 0))
        verify_api_settle(k, c, found, what);
}

static int judge_group(struct verify_api *k, struct span object, struct err *e)
{
    k->object = object;
    k->bad = (struct err){0};
    int result = verify_api_read(k, judge_by_object, e);
    if (result == 0 && k->bad.code != ERR_NONE) {
        *e = k->bad;
        return -1;
    }
    return result;
}

static void settle_group(struct verify_api *k, enum compare_class found)
{
    for (size_t i = 0; i < k->n_group; i++)
        verify_api_settle(k, &k->group[i], found, NULL);
}

/* ---- what is not there ---- */

struct trace {
    bool any, whole;    /* whole: all entries were seen */
    int64_t deleted_ms; /* -1: no entry of a deletion */
    char id[EVENT_FIELD_MAX + 1];
};

static int note_trace(void *ctx, struct span item, struct err *e)
{
    struct trace *t = ctx;
    char id[EVENT_FIELD_MAX + 1];
    struct json_wanted w[] = {{.name = "resourceId"}, {.name = "action"}, {.name = "createdAt"}};
    (void)e;
    json_pick(item, w, sizeof w / sizeof *w);
    if (!api_text(w[0].value, id, sizeof id) || (*t->id && strcmp(t->id, id) != 0))
        return 0; /* the filter does not work; nothing rests on it */
    memcpy(t->id, id, sizeof id);
    t->any = true;
    if (span_equal(json_string(w[1].value), span_of("delete")))
        t->deleted_ms = vendor_time(w[2].value);
    return 0;
}

static int ask_audit(struct verify_api *k, struct trace *t, struct err *e)
{
    const struct api_param params[] = {{"pageSize", "1000"}, {"resourceId", t->id}};
    struct api_page page;
    const struct api_request q = {.path = "/auditLogs", .params = params, .n_params = *t->id ? 2 : 1};
    t->deleted_ms = -1;
    int result = api_list(k->account->api, &q, note_trace, t, &page, e);
    t->whole = result == 0 && page.total <= (int64_t)page.n;
    return result;
}

/* Does the audit log answer for a single resource? Proved by one that its newest entry names. */
static int prove_trace(struct verify_api *k, struct err *e)
{
    struct trace newest = {0}, same;
    struct err why = {0};
    const struct api_param one[] = {{"pageSize", "1"}};
    const struct api_request q = {.path = "/auditLogs", .params = one, .n_params = 1};
    struct api_page page;
    int result = api_list(k->account->api, &q, note_trace, &newest, &page, &why);
    same = newest;
    same.any = false;
    if (result == 0 && newest.any)
        result = ask_audit(k, &same, &why);
    k->audit = result == 0 && newest.any && same.any;
    if (result == 0 || why.code == ERR_REMOTE)
        return 0;
    *e = why;
    return -1;
}

static void judge_by_deletion(void *ctx, const struct store_event *v)
{
    struct verify_api *k = ctx;
    struct verify_api_claim *c = verify_api_find(k, v->seq);
    enum compare_class found = COMPARE_DELETED;
    const char *what = NULL;
    if (c)
        found = compare_deletion(v, k->deleted_ms, &what);
    if (c)
        verify_api_settle(k, c, found, what);
}

/* No object: was there one? */
static int judge_absent(struct verify_api *k, struct err *e)
{
    struct trace t = {0};
    if (!k->audit) {
        settle_group(k, COMPARE_GONE);
        return 0;
    }
    snprintf(t.id, sizeof t.id, "%s", k->id);
    if (ask_audit(k, &t, e) != 0)
        return -1;
    if (t.deleted_ms >= 0) {
        k->deleted_ms = t.deleted_ms;
        return verify_api_read(k, judge_by_deletion, e);
    }
    settle_group(k, t.any ? COMPARE_DELETED : t.whole ? COMPARE_UNKNOWN : COMPARE_GONE);
    return 0;
}

/* ---- asking ---- */

/* 1: the resource or its client was erased here, and nothing of it is looked at; 0; or -1 and *e. */
static int pass_over_erased(struct verify_api *k, struct err *e)
{
    enum store_known known = STORE_KNOWS_NONE;
    const struct store_object o = {.endpoint = k->account->endpoint->name,
                                   .type = span_of(vendor_names[k->group->kind].type),
                                   .id = span_of(k->id)};
    if (*k->id && store_know(k->store, &o, &known, e) != 0)
        return -1;
    if (*k->id && known != STORE_HAS_FORGOTTEN)
        return 0;
    settle_group(k, COMPARE_EMPTIED);
    return 1;
}

static int ask_group(struct verify_api *k, struct err *e)
{
    struct span object;
    *k->id = '\0';
    if (verify_api_read(k, take_id, e) != 0)
        return -1;
    int erased = pass_over_erased(k, e);
    if (erased)
        return erased < 0 ? -1 : 0;
    int found = vendor_fetch(k->account->api, (enum vendor_kind)k->group->kind, k->id, &object, e);
    return found < 0 ? -1 : found ? judge_group(k, object, e) : judge_absent(k, e);
}

static struct verify_api_claim *first_claim(struct verify_api *k, const struct verify_api_claim *key)
{
    size_t low = 0, high = k->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (verify_api_order(&k->list[mid], key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < k->n && same_resource(&k->list[low], key) ? &k->list[low] : NULL;
}

struct listed {
    struct verify_api *check;
    enum vendor_kind kind;
};

/* An object of a page: do events name it? */
static int take_listed_object(void *ctx, struct span item, struct err *e)
{
    const struct listed *l = ctx;
    struct verify_api *k = l->check;
    struct json_wanted id = {.name = "id"};
    struct verify_api_claim key = {.kind = (uint8_t)l->kind};
    json_pick(item, &id, 1);
    if (!api_text(id.value, k->id, sizeof k->id) || !*k->id)
        return 0;
    verify_api_key(&key, span_of(k->id));
    struct verify_api_claim *first = first_claim(k, &key);
    if (!first || first->judged)
        return 0;
    take_group(k, first);
    int erased = pass_over_erased(k, e);
    return erased ? (erased < 0 ? -1 : 0) : judge_group(k, item, e);
}

static int64_t count_resources(const struct verify_api *k, enum vendor_kind kind)
{
    int64_t n = 0;
    for (size_t i = 0; i < k->n; i++)
        n += k->list[i].kind == kind && (i == 0 || !same_resource(&k->list[i - 1], &k->list[i]));
    return n;
}

static int pass_item(void *ctx, struct span item, struct err *e)
{
    (void)ctx, (void)item, (void)e;
    return 0;
}

/* Pages of what changed since then, if they are fewer than the objects. What they do not show is asked for by its id. */
static int read_pages(struct verify_api *k, enum vendor_kind kind, struct err *e)
{
    struct listed ctx = {k, kind};
    char after[API_TIME];
    int64_t from_ms = k->cmd->since_ms - LATE_MS, n = count_resources(k, kind);
    const struct api_param params[] = {{"updatedAfter", api_time(from_ms, after)}, {"pageSize", "1"}};
    const struct windows_list list = {.account = k->account,
                                      .path = vendor_names[kind].path,
                                      .member = "updatedAt",
                                      .after = "updatedAfter",
                                      .before = "updatedBefore",
                                      .item = take_listed_object,
                                      .ctx = &ctx};
    const struct api_request q = {.path = list.path, .params = params, .n_params = 2};
    struct api_page page;
    if (n <= FEW)
        return 0;
    if (api_list(k->account->api, &q, pass_item, NULL, &page, e) != 0)
        return -1;
    return page.total / API_PAGE_MAX * 3 + 1 < n ? windows_read(&list, from_ms, INT64_MAX, e) : 0;
}

int verify_api_ask(struct verify_api *k, struct err *e)
{
    static const enum vendor_kind lists[] = {VENDOR_CHECK, VENDOR_CLIENT, VENDOR_SESSION};
    if (k->n && prove_trace(k, e) != 0)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        struct err why = {0};
        if (read_pages(k, lists[i], &why) != 0 && why.code != ERR_REMOTE) {
            *e = why;
            return -1;
        }
    }
    for (size_t i = 0; i < k->n; i += k->n_group) {
        take_group(k, &k->list[i]);
        if (k->n_group && ask_group(k, e) != 0)
            return -1;
        k->n_group += !k->n_group; /* it is judged */
    }
    return 0;
}
