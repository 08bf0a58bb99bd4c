/* SPDX-License-Identifier: MIT
 * vendor: the objects of ComplyCube's API that events are about. */
#include "vendor.h"

#include "base/json.h"
#include "event/decode.h"

const struct vendor_names vendor_names[VENDOR_KINDS] = {
    [VENDOR_CHECK] = {"/checks", "check", "check", "checks"},
    [VENDOR_CLIENT] = {"/clients", "client", "client", "clients"},
    [VENDOR_SESSION] = {"/workflowSessions", "workflowSession", "workflow.session", "workflow sessions"},
    [VENDOR_DOCUMENT] = {"/documents", "document", "document", "documents"},
    [VENDOR_ADDRESS] = {"/addresses", "address", "address", "addresses"},
};

static const struct {
    enum vendor_kind kind;
    const char *status, *type;
} states[] = {
    {VENDOR_CHECK, "pending", "check.pending"},
    {VENDOR_CHECK, "complete", "check.completed"},
    {VENDOR_CHECK, "failed", "check.failed"},
    {VENDOR_SESSION, "started", "workflow.session.started"},
    {VENDOR_SESSION, "processing", "workflow.session.processing"},
    {VENDOR_SESSION, "complete", "workflow.session.completed"},
    {VENDOR_SESSION, "abandoned", "workflow.session.abandoned"},
    {VENDOR_SESSION, "cancelled", "workflow.session.cancelled"},
};

enum vendor_kind vendor_kind(struct span resource_type)
{
    int kind = 0;
    while (kind < VENDOR_KINDS && !span_equal(resource_type, span_of(vendor_names[kind].type)))
        kind++;
    return (enum vendor_kind)kind;
}

int64_t vendor_time(struct span value)
{
    struct span inside = json_string(value);
    return inside.at ? decode_time(inside) : -1;
}

/* The text of a member; the absent span if it is not text. */
static struct span member_text(struct span value, char out[EVENT_FIELD_MAX + 1])
{
    return value.at && api_text(value, out, EVENT_FIELD_MAX + 1) ? span_of(out) : (struct span){0};
}

/* A check has its outcome inside its result; a session has it itself. */
static struct span find_outcome(struct span own, struct span result)
{
    struct json_wanted inside = {.name = "outcome"};
    if (own.at || !result.len || *result.at != '{')
        return own;
    json_pick(result, &inside, 1);
    return inside.value;
}

int vendor_read(struct vendor_object *o, enum vendor_kind kind, struct span json, struct err *e)
{
    struct json_wanted w[] = {{.name = "id"},     {.name = "clientId"},  {.name = "status"},   {.name = "outcome"},
                              {.name = "result"}, {.name = "createdAt"}, {.name = "updatedAt"}};
    json_pick(json, w, sizeof w / sizeof *w);
    bool stateful = kind == VENDOR_CHECK || kind == VENDOR_SESSION;
    o->kind = kind;
    o->id = w[0].value;
    o->client_id = w[1].value;
    o->status = stateful ? w[2].value : (struct span){0};
    o->outcome = stateful ? find_outcome(w[3].value, w[4].value) : (struct span){0};
    o->created_at = w[5].value;
    o->updated_at = w[6].value.at ? w[6].value : w[5].value;
    o->id_text = member_text(o->id, o->text[0]);
    o->client_text = kind == VENDOR_CLIENT ? o->id_text : member_text(o->client_id, o->text[1]);
    o->status_text = member_text(o->status, o->text[2]);
    o->outcome_text = member_text(o->outcome, o->text[3]);
    o->created_ms = vendor_time(o->created_at);
    o->updated_ms = vendor_time(o->updated_at);
    if (o->id_text.len == 0 || o->updated_ms < 0)
        return err_set(e, ERR_REMOTE, "the API's answer to %s cannot be read: an object has no id, or no updatedAt",
                       vendor_names[kind].path);
    return 0;
}

int vendor_fetch(struct api *a, enum vendor_kind kind, const char *id, struct span *object, struct err *e)
{
    struct api_request q = {.path = vendor_names[kind].path, .id = id};
    struct err why = {0};
    if (api_get(a, &q, object, &why) == 0)
        return 1;
    if (why.code == ERR_NOT_FOUND)
        return 0;
    *e = why;
    return -1;
}

const char *vendor_state_type(const struct vendor_object *o)
{
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (states[i].kind == o->kind && span_equal(o->status_text, span_of(states[i].status)))
            return states[i].type;
    return NULL;
}

const char *vendor_type_state(enum vendor_kind kind, struct span type, struct span *outcome)
{
    *outcome = (struct span){0};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        size_t n = strlen(states[i].type);
        if (states[i].kind != kind || type.len < n || memcmp(type.at, states[i].type, n) != 0)
            continue;
        if (type.len > n + 1 && type.at[n] == '.')
            *outcome = (struct span){type.at + n + 1, type.len - n - 1};
        if (type.len == n || outcome->len)
            return states[i].status;
    }
    return NULL;
}
