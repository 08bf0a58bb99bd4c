/* SPDX-License-Identifier: MIT
 * reconcile_clients: documents and addresses of known clients, where the audit log cannot be read.
 *
 * Their lists are of one client each, and short: a list is read whole, and so nothing rests on a filter of times.
 *
 * source: docs.complycube.com, "List documents", "List addresses": clientId is required */
#include "reconcile.h"

#include <stdio.h>

#define BACK_MS (INT64_C(30) * 24 * 3600 * 1000)

int reconcile_note_client(struct reconcile *r, struct span id, struct err *e)
{
    int new = id.len ? seen_add(&r->clients, id, e) : 0;
    if (new <= 0)
        return new;
    if (buf_room(&r->client_ids, id.len + 1, SIZE_MAX / 2) < id.len + 1)
        return err_set(e, ERR_MEMORY, "keeping ids of clients: out of memory");
    char *to = r->client_ids.at + r->client_ids.len;
    memcpy(to, id.at, id.len);
    to[id.len] = '\0';
    r->client_ids.len += id.len + 1;
    return 0;
}

/* ---- clients of events ---- */

struct naming {
    struct reconcile *r;
    struct err *e;
    bool failed;
};

static void note_event_client(void *ctx, const struct store_event *v)
{
    struct naming *n = ctx;
    struct span id = vendor_kind(v->resource_type) == VENDOR_CLIENT ? v->resource_id : v->client_id;
    n->failed = n->failed || reconcile_note_client(n->r, id, n->e) != 0;
}

static int note_event_clients(struct reconcile *r, struct err *e)
{
    struct naming n = {r, e, false};
    struct store_query q = {.endpoint = r->endpoint,
                            .state = -1,
                            .since_ms = r->since_ms > BACK_MS ? r->since_ms - BACK_MS : 1,
                            .oldest_first = true,
                            .log_only = true};
    if (store_newest(r->cmd->store, &q.to, e) != 0)
        return -1;
    for (int more = q.to > 0; more > 0 && !n.failed;)
        if ((more = store_read(r->cmd->store, &q, note_event_client, &n, e)) < 0)
            return -1;
    return n.failed ? -1 : 0;
}

/* ---- their lists ---- */

struct owned {
    struct reconcile *r;
    enum vendor_kind kind;
    struct span client;
};

static int take_owned(void *ctx, struct span item, struct err *e)
{
    const struct owned *l = ctx;
    const struct reconcile *r = l->r;
    struct vendor_object o;
    if (vendor_read(&o, l->kind, item, e) != 0)
        return -1;
    if (!span_equal(o.client_text, l->client))
        return err_set(e, ERR_REMOTE, "the filter clientId of %s does not work as documented",
                       vendor_names[l->kind].path);
    bool within = o.updated_ms >= r->since_ms && (o.updated_ms <= r->before_ms || o.updated_ms >= r->start_ms);
    return within ? reconcile_take(l->r, &o, false, e) : 0;
}

static int read_owned(struct reconcile *r, enum vendor_kind kind, const char *client, struct err *e)
{
    struct owned ctx = {r, kind, span_of(client)};
    char size[16];
    const struct api_param params[] = {{"clientId", client}, {"pageSize", size}};
    const struct api_request q = {.path = vendor_names[kind].path, .params = params, .n_params = 2};
    struct api_page page;
    struct err why = {0};
    snprintf(size, sizeof size, "%d", API_PAGE_MAX);
    if (windows_check_deadline(r->end_ms, e) != 0)
        return -1;
    if (api_list(r->account->api, &q, take_owned, &ctx, &page, &why) == 0) {
        r->sums[kind].unseen += page.total > (int64_t)page.n ? page.total - (int64_t)page.n : 0;
        return 0;
    }
    if (why.code == ERR_NOT_FOUND) /* the client is no more */
        return 0;
    *e = why;
    return -1;
}

/* Of an erased person nothing is asked. */
static int read_client(struct reconcile *r, const char *client, struct err *e)
{
    enum store_known known = STORE_KNOWS_NONE;
    const struct store_object o = {
        .endpoint = r->endpoint, .type = span_of(vendor_names[VENDOR_CLIENT].type), .id = span_of(client)};
    if (store_know(r->cmd->store, &o, &known, e) != 0)
        return -1;
    if (known == STORE_HAS_FORGOTTEN)
        return 0;
    return read_owned(r, VENDOR_DOCUMENT, client, e) == 0 && read_owned(r, VENDOR_ADDRESS, client, e) == 0 ? 0 : -1;
}

int reconcile_clients(struct reconcile *r, struct err *e)
{
    if (note_event_clients(r, e) != 0)
        return -1;
    for (size_t at = 0; at < r->client_ids.len; at += strlen(r->client_ids.at + at) + 1)
        if (read_client(r, r->client_ids.at + at, e) != 0)
            return -1;
    return reconcile_flush(r, e);
}
