/* SPDX-License-Identifier: MIT
 * reconcile_record: from an object that changed to an event of it.
 *
 * The event is signed when it is made, with the endpoint's newest secret in force, so that a handler made for ComplyCube takes
 * it. If it were signed when it is handed on, a user who may write the database could have any event signed. */
#include "reconcile.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/print.h"
#include "event/decode.h"
#include "json_out.h"

#include <stdio.h>
#include <stdlib.h>

enum { BODY = 8192, DIGEST = 16 /* bytes of it are an id */ };

struct item {
    struct vendor_object copy; /* spans of `object` show into its text, and into `body` */
    struct store_object object;
    struct event event;
    struct record record;
    struct record_past past;
    int row;
    char type[2 * EVENT_FIELD_MAX], body[BODY];
};

struct reconcile_batch {
    struct verifier *verifier;
    char secret[SECRETS_NAME_MAX + 1];
    size_t n;
    struct item item[STORE_BATCH_MAX];
};

/* ---- opening ---- */

/* The last one in force: a new secret is added below the others. */
static const struct secret *newest_secret(const struct config *c, const char *endpoint)
{
    const struct secret *found = NULL;
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t k = 0; strcmp(c->endpoint[i].name, endpoint) == 0 && k < c->endpoint[i].secrets.n; k++)
            if (!c->endpoint[i].secrets.list[k].retired)
                found = &c->endpoint[i].secrets.list[k];
    return found;
}

int reconcile_batch_open(struct reconcile *r, struct err *e)
{
    const struct secret *secret = newest_secret(r->config, r->endpoint);
    if (!secret)
        return err_set(e, ERR_SECRETS, "endpoint %s has no secret in force, with which events are signed",
                       r->endpoint);
    if (!(r->batch = calloc(1, sizeof *r->batch)))
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    snprintf(r->batch->secret, sizeof r->batch->secret, "%s", secret->name);
    const struct verify_named key = {r->endpoint, r->batch->secret, &secret->key};
    return verify_open(&r->batch->verifier, &key, 1, e);
}

void reconcile_batch_close(struct reconcile *r)
{
    if (r->batch)
        verify_close(r->batch->verifier);
    free(r->batch);
    r->batch = NULL;
}

/* ---- one event ---- */

static void choose_type(struct reconcile *r, struct item *item, const struct vendor_object *o, enum store_known known)
{
    const char *type = vendor_state_type(o), *prefix = vendor_names[o->kind].prefix;
    char own[64];
    bool is_new = known == STORE_KNOWS_NONE && o->created_ms >= r->since_ms && o->created_ms <= r->before_ms;
    if (item->object.deleted)
        snprintf(own, sizeof own, "%s.deleted", prefix);
    else if (type)
        snprintf(own, sizeof own, "%s", type);
    else
        snprintf(own, sizeof own, "%s.%s", prefix, is_new && !o->status_text.at ? "created" : "updated");
    r->odd_states += !type && o->status_text.at && !item->object.deleted;
    snprintf(item->type, sizeof item->type, "%s%s%s", own, o->outcome_text.len ? "." : "",
             o->outcome_text.len ? o->text[3] : "");
    if (!o->outcome_text.len || config_wants(r->config, r->endpoint, span_of(own)) ||
        !config_wants(r->config, r->endpoint, span_of(item->type)))
        snprintf(item->type, sizeof item->type, "%s", own);
}

/* The same change is the same event. It has no id of the resource in it, since ids of events outlive an erasure. */
static void name_event(const struct reconcile *r, const struct item *item, const struct vendor_object *o,
                       char id[2 * DIGEST + 1])
{
    char text[2 * BODY];
    uint8_t digest[VERIFY_DIGEST];
    int n = snprintf(text, sizeof text, "%s%c%s%c%s%c%.*s%c%s%c", r->endpoint, 0, vendor_names[o->kind].type, 0,
                     o->text[0], 0, (int)o->updated_at.len, o->updated_at.at, 0, item->type, 0);
    verify_sha256((struct span){text, (size_t)n}, digest);
    hex_encode(digest, DIGEST, id);
}

/* Add `"name":value,` to a body; an absent value is left out. False: it does not fit. */
static bool add_member(struct item *item, size_t *len, const char *name, struct span value)
{
    if (!value.at)
        return true;
    int n = snprintf(item->body + *len, BODY - *len, "\"%s\":%.*s,", name, (int)value.len, value.at);
    *len += (size_t)n;
    return *len < BODY;
}

/*
 * As JSON.stringify writes it. The payload comes last, and its updatedAt last of all: the view same_change looks for it there.
 */
static size_t write_body(const struct reconcile *r, struct item *item, const struct vendor_object *o)
{
    char id[2 * DIGEST + 1], type[sizeof item->type];
    name_event(r, item, o, id);
    memcpy(type, item->type, sizeof type);
    const bool whole = !item->object.deleted;
    size_t len = (size_t)snprintf(
        item->body, BODY,
        "{\"id\":\"reconciled-%s\",\"type\":\"%s\",\"resourceType\":\"%s\",\"createdAt\":%.*s,\"payload\":{", id,
        type, vendor_names[o->kind].type, (int)o->updated_at.len, o->updated_at.at);
    bool fits =
        len < BODY && add_member(item, &len, "id", o->id) && add_member(item, &len, "clientId", o->client_id) &&
        (!whole || (add_member(item, &len, "status", o->status) && add_member(item, &len, "outcome", o->outcome) &&
                    add_member(item, &len, "createdAt", o->created_at))) &&
        add_member(item, &len, "updatedAt", o->updated_at) && len + 2 < BODY;
    if (!fits)
        return 0;
    memcpy(item->body + len - 1, "}}", 3);
    return len + 1;
}

static struct store_object describe_object(const struct reconcile *r, const struct vendor_object *o, bool deleted)
{
    return (struct store_object){.endpoint = r->endpoint,
                                 .type = span_of(vendor_names[o->kind].type),
                                 .id = o->id_text,
                                 .client_id = o->client_text,
                                 .status = o->status_text,
                                 .outcome = o->outcome_text,
                                 .updated_at = o->updated_at,
                                 .updated_ms = o->updated_ms,
                                 .deleted = deleted};
}

/* A copy whose texts are its own. */
static void keep_object(struct item *item, const struct vendor_object *o)
{
    item->copy = *o;
    struct span *const texts[] = {&item->object.id, &item->object.client_id, &item->object.status,
                                  &item->object.outcome};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            if (texts[i]->at == o->text[k])
                texts[i]->at = item->copy.text[k];
}

static int make_event(struct reconcile *r, struct item *item, const struct vendor_object *o, struct err *e)
{
    struct reconcile_batch *b = r->batch;
    uint8_t signature[VERIFY_DIGEST];
    struct span body = {item->body, write_body(r, item, o)};
    if (body.len == 0)
        return err_set(e, ERR_REMOTE, "an object of %s is too long for an event", vendor_names[o->kind].path);
    item->object.updated_at = (struct span){item->body + body.len - 2 - o->updated_at.len, o->updated_at.len};
    verify_sign(b->verifier, 0, body, signature);
    item->record = (struct record){.event = &item->event, .past = &item->past, .object = &item->object};
    item->record.verified = verify_trusted(b->verifier, b->n, r->endpoint, b->secret, signature, body);
    if (decode_event(item->record.verified, &item->event, e) != 0)
        return -1;
    int64_t now_ms = clock_time_ms();
    item->record.ignored = !config_wants(r->config, r->endpoint, item->event.type);
    bool done = r->cmd->done && !item->record.ignored;
    item->past = (struct record_past){.received_ms = now_ms, .state = done ? 1 : -1, .done_ms = done ? now_ms : 0};
    return 0;
}

/* ---- the batch ---- */

static void report_made(const struct reconcile *r, const struct item *item)
{
    if (!r->cmd->json)
        return;
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "resource_type", item->object.type);
    json_out_text(j, "resource_id", item->object.id);
    json_out_text(j, "type", span_of(item->type));
    struct span time = item->object.updated_at;
    json_out_text(j, "updated_at", (struct span){time.at + 1, time.len - 2});
    if (item->record.seq)
        json_out_number(j, "seq", item->record.seq);
    else
        json_out_null(j, "seq");
    json_out_print(j);
}

static void count_item(struct reconcile *r, const struct item *item)
{
    struct reconcile_sums *sums = &r->sums[item->row];
    switch (item->record.outcome) {
    case STORE_NEW:
    case STORE_IGNORED:
        sums->recorded++;
        report_made(r, item);
        break;
    case STORE_DUPLICATE: sums->known++; break;
    default: sums->unseen++;
    }
}

int reconcile_flush(struct reconcile *r, struct err *e)
{
    struct reconcile_batch *b = r->batch;
    struct record *records[STORE_BATCH_MAX];
    size_t n = b->n;
    int64_t begun_ms = clock_ms();
    b->n = 0;
    for (size_t i = 0; i < n; i++)
        records[i] = &b->item[i].record;
    if (n && !r->cmd->dry_run && store_record(r->cmd->store, records, n, clock_time_ms(), e) != 0)
        return -1;
    int64_t took_ms = clock_ms() - begun_ms;
    for (size_t i = 0; i < n; i++) {
        if (r->cmd->dry_run)
            b->item[i].record.outcome = STORE_NEW;
        count_item(r, &b->item[i]);
    }
    if (n && !r->cmd->dry_run)
        cmd_let_others(took_ms);
    return 0;
}

int reconcile_take(struct reconcile *r, const struct vendor_object *o, bool deleted, struct err *e)
{
    struct item *item = &r->batch->item[r->batch->n];
    enum store_known known = STORE_KNOWS_NONE;
    int row = deleted ? RECONCILE_DELETED : (int)o->kind;
    item->object = describe_object(r, o, deleted);
    item->row = row;
    r->sums[row].changed++;
    if (store_know(r->cmd->store, &item->object, &known, e) != 0)
        return -1;
    if (known == STORE_KNOWS || known == STORE_HAS_FORGOTTEN) {
        r->sums[row].known += known == STORE_KNOWS;
        r->forgotten += known == STORE_HAS_FORGOTTEN;
        r->sums[row].changed -= known == STORE_HAS_FORGOTTEN;
        return 0;
    }
    keep_object(item, o);
    choose_type(r, item, o, known);
    if (make_event(r, item, o, e) != 0)
        return -1;
    return ++r->batch->n == STORE_BATCH_MAX ? reconcile_flush(r, e) : 0;
}
