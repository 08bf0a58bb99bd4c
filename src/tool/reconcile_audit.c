/* SPDX-License-Identifier: MIT
 * reconcile_audit: documents, addresses and deletions, by the audit log: their lists are of one client each.
 *
 * source: docs.complycube.com, "List documents", "List addresses": clientId is required */
#include "reconcile.h"

#include "base/json.h"
#include "base/text.h"
#include "event/verify.h"

#include <stdio.h>

#include <stdlib.h>

enum { KEY = 16 /* bytes of a digest */ };

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
    struct key {
        uint8_t at[KEY];
    } * seen; /* a table of `slots`, a power of 2, `used` of them taken; a key of zeros is a free one */
    size_t slots, used;
};

/* ---- each once ---- */

static struct key key_of(const char *id)
{
    uint8_t whole[VERIFY_DIGEST];
    struct key k;
    verify_sha256(span_of(id), whole);
    memcpy(k.at, whole, KEY);
    k.at[0] |= 1; /* not a free one */
    return k;
}

static struct key *slot_of(struct key *table, size_t slots, const struct key *k)
{
    size_t at;
    memcpy(&at, k->at + KEY - sizeof at, sizeof at);
    for (at &= slots - 1; table[at].at[0] && memcmp(&table[at], k, KEY) != 0; at = (at + 1) & (slots - 1))
        ;
    return &table[at];
}

static int grow_seen(struct audited *a, struct err *e)
{
    size_t slots = a->slots ? 2 * a->slots : 1024;
    struct key *table = calloc(slots, sizeof *table);
    if (!table)
        return err_set(e, ERR_MEMORY, "reading the audit log: out of memory");
    for (size_t i = 0; i < a->slots; i++)
        if (a->seen[i].at[0])
            *slot_of(table, slots, &a->seen[i]) = a->seen[i];
    free(a->seen);
    a->seen = table;
    a->slots = slots;
    return 0;
}

/* 1: it was not seen before; 0; or -1 and *e. */
static int see_id(struct audited *a, const char *id, struct err *e)
{
    if (2 * (a->used + 1) > a->slots && grow_seen(a, e) != 0)
        return -1;
    struct key k = key_of(id), *slot = slot_of(a->seen, a->slots, &k);
    if (slot->at[0])
        return 0;
    *slot = k;
    a->used++;
    return 1;
}

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
    int new = one->kind < VENDOR_KINDS && a->n < API_PAGE_MAX ? see_id(a, one->id, e) : 0;
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
static int ask_for(struct audited *a, const struct asked *one, struct err *e)
{
    struct vendor_object o;
    struct span json;
    if (windows_in_time(a->r->end_ms, e) != 0)
        return -1;
    int found = vendor_fetch(a->r->account->api, one->kind, one->id, &json, e);
    if (found <= 0)
        return found < 0 ? -1 : take_deleted(a, one, e);
    if (a->deletions) /* of a part of it, an image for example */
        return 0;
    return vendor_read(&o, one->kind, json, e) != 0 ? -1 : reconcile_take(a->r, &o, false, e);
}

static int ask_for_all(void *ctx, struct err *e)
{
    struct audited *a = ctx;
    size_t n = a->n;
    a->n = 0;
    for (size_t i = 0; i < n; i++)
        if (ask_for(a, &a->list[i], e) != 0)
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
                                      .page_end = ask_for_all,
                                      .ctx = a};
    a->used = 0;
    if (a->slots)
        memset(a->seen, 0, a->slots * sizeof *a->seen);
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
    free(a.seen);
    return result;
}
