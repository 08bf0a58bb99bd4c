/* SPDX-License-Identifier: MIT
 * questions_events: what the events that were delivered here tell of ComplyCube's habits. */
#include "base/json.h"
#include "questions.h"
#include "tool/vendor.h"

#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 500, SAMPLES = 10, SHAPES = 16 };

/* An event whose payload has an updatedAt. */
struct sample {
    enum vendor_kind kind;
    char id[EVENT_FIELD_MAX + 1];
    int64_t updated_ms;
};

struct delivered {
    struct sample sample[SAMPLES];
    size_t n_samples, n_shapes;
    struct shape {
        char type[64], names[QUESTIONS_NAMES];
    } shape[SHAPES];
    int64_t n, after, before; /* of those with an updatedAt: the event's createdAt after it, or before it */
    int64_t off_ms, on_ms;    /* when the webhook was disabled and enabled here; 0: it was not */
    int64_t came_late, came_while;
};

/* ---- 10, 11, 12: payloads ---- */

static const char *note_name(void *ctx, const struct json_member *m)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)m->name.len, m->name.at);
    questions_add_name(ctx, name);
    return NULL;
}

/* The types whose payload no page shows. */
static void note_shape(struct delivered *all, const struct store_event *v)
{
    char type[64];
    snprintf(type, sizeof type, "%.*s", (int)v->type.len, v->type.at);
    const char *created = strstr(type, ".created");
    if (strncmp(type, "workflow.session.", 17) != 0 && !(created && !created[8]))
        return;
    size_t i = 0;
    while (i < all->n_shapes && strcmp(all->shape[i].type, type) != 0)
        i++;
    if (i == SHAPES)
        return;
    if (i == all->n_shapes)
        snprintf(all->shape[all->n_shapes++].type, sizeof type, "%s", type);
    json_scan(v->payload, note_name, all->shape[i].names);
}

static void note_times(struct delivered *all, const struct store_event *v)
{
    struct json_wanted updated = {.name = "updatedAt"};
    json_pick(v->payload, &updated, 1);
    int64_t ms = vendor_time(updated.value);
    enum vendor_kind kind = vendor_kind(v->resource_type);
    if (ms < 0)
        return;
    all->n++;
    all->after += v->created_ms >= ms;
    all->before += v->created_ms < ms;
    if (all->n_samples == SAMPLES || kind == VENDOR_KINDS || !v->resource_id.at)
        return;
    struct sample *s = &all->sample[all->n_samples++];
    *s = (struct sample){.kind = kind, .updated_ms = ms};
    snprintf(s->id, sizeof s->id, "%.*s", (int)v->resource_id.len, v->resource_id.at);
}

static bool was_delivered(const struct store_event *v)
{
    return v->payload.at && !span_equal(v->source, span_of("reconciled")) &&
           !span_equal(v->source, span_of("imported"));
}

static void note_event(void *ctx, const struct store_event *v)
{
    struct delivered *all = ctx;
    if (!was_delivered(v))
        return;
    note_shape(all, v);
    note_times(all, v);
}

static int ask_samples(struct questions *q, const struct delivered *all, struct err *e)
{
    static const char about[] = "a payload's updatedAt is the object's";
    int64_t same = 0, later = 0, earlier = 0;
    for (size_t i = 0; i < all->n_samples; i++) {
        const struct sample *s = &all->sample[i];
        struct span json;
        struct vendor_object o;
        int found = vendor_fetch(q->account->api, s->kind, s->id, &json, e);
        if (found < 0 || (found && vendor_read(&o, s->kind, json, e) != 0))
            return -1;
        same += found && o.updated_ms == s->updated_ms;
        later += found && o.updated_ms > s->updated_ms;
        earlier += found && o.updated_ms < s->updated_ms;
    }
    questions_answer(q, 10, about, "%s: the same in %lld, an earlier one in %lld, a later one in %lld objects now",
                     earlier ? "no"
                     : same  ? "yes"
                             : "cannot be told",
                     (long long)same, (long long)earlier, (long long)later);
    return 0;
}

static int ask_payloads(struct questions *q, struct delivered *all, struct err *e)
{
    struct store_query newest = {.endpoint = q->account->endpoint->name, .state = -1, .limit = EVENTS};
    if (store_read(q->store, &newest, note_event, all, e) != 0 || ask_samples(q, all, e) != 0)
        return -1;
    questions_answer(q, 11, "an event's createdAt after updatedAt", "in %lld of %lld events", (long long)all->after,
                     (long long)all->n);
    for (size_t i = 0; i < all->n_shapes; i++)
        questions_answer(q, 12, all->shape[i].type, "%s", all->shape[i].names);
    if (all->n_shapes == 0)
        questions_answer(q, 12, "workflow.session.* and *.created", "none came yet");
    return 0;
}

/* ---- 8, 9: a webhook that is disabled ---- */

static void note_switch(void *ctx, const struct store_past *p)
{
    struct delivered *all = ctx; /* the newest first */
    bool on = p->detail.len > 7 && memcmp(p->detail.at, "enable ", 7) == 0;
    bool off = p->detail.len > 8 && memcmp(p->detail.at, "disable ", 8) == 0;
    if (!span_equal(p->action, span_of("webhook")))
        return;
    if (on && !all->on_ms)
        all->on_ms = p->at_ms;
    else if (off && all->on_ms && !all->off_ms)
        all->off_ms = p->at_ms;
}

static void note_pause(void *ctx, const struct store_event *v)
{
    struct delivered *all = ctx;
    if (!was_delivered(v))
        return;
    all->came_while += v->created_ms < all->off_ms && v->received_ms >= all->off_ms && v->received_ms < all->on_ms;
    all->came_late += v->created_ms >= all->off_ms && v->created_ms < all->on_ms && v->received_ms >= all->on_ms;
}

static int ask_pause(struct questions *q, struct delivered *all, struct err *e)
{
    static const char running[] = "a running try after disabling", late[] = "what was missed, after enabling";
    if (store_history(q->store, 0, 0, 0, -1, note_switch, all, e) != 0)
        return -1;
    if (!all->off_ms) {
        questions_answer(q, 8, running, "not known: no webhook was disabled and enabled here");
        questions_answer(q, 9, late, "not known, likewise");
        return 0;
    }
    struct store_query since = {
        .endpoint = q->account->endpoint->name, .state = -1, .since_ms = all->off_ms, .limit = 1000000};
    if (store_read(q->store, &since, note_pause, all, e) != 0)
        return -1;
    questions_answer(q, 8, running, "%lld events came while it was disabled", (long long)all->came_while);
    questions_answer(q, 9, late, "%lld events of that time came afterwards", (long long)all->came_late);
    return 0;
}

int questions_ask_events(struct questions *q, struct err *e)
{
    if (!q->store) {
        questions_answer(q, 8, "8 to 12", "nothing was ever delivered here");
        return 0;
    }
    struct delivered *all = calloc(1, sizeof *all);
    int result = all ? 0 : err_set(e, ERR_MEMORY, "reading events: out of memory");
    if (result == 0)
        result = ask_pause(q, all, e) == 0 && ask_payloads(q, all, e) == 0 ? 0 : -1;
    free(all);
    return result;
}
