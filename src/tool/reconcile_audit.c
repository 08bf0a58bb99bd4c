/* SPDX-License-Identifier: MIT
 * reconcile_audit: documents, addresses and deletions, by the audit log: their lists are of one client each.
 *
 * source: docs.complycube.com, "List documents", "List addresses": clientId is required */
#include "reconcile.h"

#include "base/json.h"
#include "base/text.h"
#include "seen.h"

#include <stdio.h>
#include <stdlib.h>

/* Resources of a page that are to be asked for, and those that were. */
struct audited {
    struct reconcile *r;
    bool deletions; /* else changes */
    enum vendor_kind kind;
    struct asked {
        enum vendor_kind kind;
        char id[EVENT_FIELD_MAX + 1], at[64] /* JSON of its time */;
    } * list; /* API_PAGE_MAX of them */
    size_t n;
    struct seen seen;
};

/* ---- the log ---- */

static int note_entry(void *ctx, struct span item, struct err *e)
{
    struct audited *a = ctx;
    struct asked *one = &a->list[a->n];
    char type[64];
    struct json_wanted w[] = {
        {.name = "resourceType"}, {.name = "resourceId"}, {.name = "createdAt"}, {.name = "action"}};
    json_pick(item, w, sizeof w / sizeof *w);
    if (!api_text(w[0].value, type, sizeof type) || !api_text(w[1].value, one->id, sizeof one->id) || !*one->id ||
        w[2].value.len >= sizeof one->at)
        return 0; /* of something that has no id */
    one->kind = vendor_kind(span_of(type));
    bool wanted = a->deletions ? span_equal(json_string(w[3].value), span_of("delete")) : one->kind == a->kind;
    if (!wanted)
        return err_set(e, ERR_REMOTE, "the filter %s of /auditLogs does not work as documented: no more is recorded",
                       a->deletions ? "action" : "resourceType");
    memcpy(one->at, w[2].value.at, w[2].value.len);
    one->at[w[2].value.len] = '\0';
    int new = one->kind < VENDOR_KINDS && a->n < API_PAGE_MAX ? seen_add(&a->seen, span_of(one->id), e) : 0;
    a->n += new > 0;
    return new < 0 ? -1 : 0;
}

static int take_deleted(struct audited *a, const struct asked *one, struct err *e)
{
    struct vendor_object o = {.kind = one->kind, .updated_at = span_of(one->at)};
    char id[EVENT_FIELD_MAX * 6 + 3];
    snprintf(o.text[0], sizeof o.text[0], "%s", one->id);
    o.id_text = span_of(o.text[0]);
    o.client_text = o.kind == VENDOR_CLIENT ? o.id_text : (struct span){0};
    o.id = (struct span){id, text_json(o.id_text, id)};
    o.updated_ms = o.created_ms = vendor_time(o.updated_at);
    return reconcile_take(a->r, &o, true, e);
}

/* What is there is a change, and what is not there was deleted. */
static int fetch_and_take(struct audited *a, const struct asked *one, struct err *e)
{
    struct vendor_object o;
    struct span json;
    if (windows_check_deadline(a->r->end_ms, e) != 0)
        return -1;
    int found = vendor_fetch(a->r->account->api, one->kind, one->id, &json, e);
    if (found <= 0)
        return found < 0 ? -1 : take_deleted(a, one, e);
    if (a->deletions) /* what was deleted was a part of it, an image for example: the object is still there */
        return 0;
    return vendor_read(&o, one->kind, json, e) != 0 ? -1 : reconcile_take(a->r, &o, false, e);
}

static int fetch_and_take_all(void *ctx, struct err *e)
{
    struct audited *a = ctx;
    size_t n = a->n;
    a->n = 0;
    for (size_t i = 0; i < n; i++)
        if (fetch_and_take(a, &a->list[i], e) != 0)
            return -1;
    return 0;
}

static int read_log(struct audited *a, const char *filter, const char *value, struct err *e)
{
    struct reconcile *r = a->r;
    const struct windows_list list = {.account = r->account,
                                      .end_ms = r->end_ms,
                                      .path = "/auditLogs",
                                      .member = "createdAt",
                                      .after = "createdAfter",
                                      .before = "createdBefore",
                                      .filter = {{filter, value}},
                                      .n = 1,
                                      .item = note_entry,
                                      .page_end = fetch_and_take_all,
                                      .ctx = a};
    seen_clear(&a->seen);
    return windows_read(&list, r->since_ms, r->before_ms, e) == 0 ? reconcile_flush(r, e) : -1;
}

/* Deletions first: the log has their time. */
static int read_logs(struct audited *a, struct err *e)
{
    a->deletions = true;
    if (read_log(a, "action", "delete", e) != 0)
        return -1;
    a->deletions = false;
    for (int kind = VENDOR_DOCUMENT; kind <= VENDOR_ADDRESS; kind++) {
        a->kind = (enum vendor_kind)kind;
        if (read_log(a, "resourceType", vendor_names[kind].type, e) != 0)
            return -1;
    }
    return 0;
}

int reconcile_audit(struct reconcile *r, struct err *e)
{
    struct audited a = {.r = r, .list = calloc(API_PAGE_MAX + 1, sizeof *a.list)};
    int result = a.list ? read_logs(&a, e) : err_set(e, ERR_MEMORY, "reading the audit log: out of memory");
    free(a.list);
    seen_release(&a.seen);
    return result;
}
