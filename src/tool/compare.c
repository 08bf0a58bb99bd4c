/* SPDX-License-Identifier: MIT
 * compare: what an event says, compared with the object that ComplyCube has now. */
#include "compare.h"

#include "same.h"

static const struct {
    const char *name, *words;
    bool never; /* --allow does not take it */
} classes[COMPARE_CLASSES] = {
    [COMPARE_AGREES] = {"agrees", "say what ComplyCube's API says now", true},
    [COMPARE_CHANGED] = {"changed", "say something else, and the object changed after them", false},
    [COMPARE_DELETED] = {"deleted", "are of an object that was there, and is deleted", false},
    [COMPARE_GONE] = {"gone", "are of an object that is not there; the audit log cannot be asked whether it was",
                      false},
    [COMPARE_EMPTIED] = {"emptied", "were erased or pruned here: nothing is left to compare", false},
    [COMPARE_UNASKED] = {"unasked", "are of something that the API cannot be asked for", false},
    [COMPARE_UNKNOWN] = {"unknown", "are of an object of which ComplyCube has no trace", true},
    [COMPARE_DIFFERS] = {"differs", "say something else, and the object has not changed since", true},
};

const char *compare_name(enum compare_class c) { return classes[c].name; }
const char *compare_words(enum compare_class c) { return classes[c].words; }

static int allow_class(struct span name, uint32_t *allowed, struct err *e)
{
    for (int c = 0; c < COMPARE_CLASSES; c++)
        if (!classes[c].never && span_equal(name, span_of(classes[c].name))) {
            *allowed |= (uint32_t)1 << c;
            return 0;
        }
    return err_set(e, ERR_USAGE,
                   "with --api, --allow takes of these, with commas: changed, deleted, gone, emptied, unasked");
}

int compare_allow(const char *list, uint32_t *allowed, struct err *e)
{
    *allowed = 0;
    while (list) {
        size_t len = strcspn(list, ",");
        if (allow_class((struct span){list, len}, allowed, e) != 0)
            return -1;
        list = list[len] ? list + len + 1 : NULL;
    }
    return 0;
}

/* ---- what differs ---- */

struct comparison {
    const struct store_event *event;
    const struct vendor_object *object;
    int64_t said_ms; /* when the event's state was the object's, by its own words */
    enum compare_class found;
    const char *what;
    struct same_members has; /* of the object */
    int same;                /* of the last member */
    struct err *e;
};

static void note_difference(struct comparison *k, enum compare_class c, const char *what)
{
    if (c <= k->found)
        return;
    k->found = c;
    k->what = what;
}

static void note_state(struct comparison *k, const char *what)
{
    note_difference(k, k->object->updated_ms > k->said_ms ? COMPARE_CHANGED : COMPARE_DIFFERS, what);
}

/* The time of the last change only rises. */
static void note_updated(struct comparison *k, int64_t said_ms)
{
    if (said_ms < 0)
        note_state(k, "updatedAt");
    else if (said_ms > k->object->updated_ms + COMPARE_MARGIN_MS)
        note_difference(k, COMPARE_DIFFERS, "updatedAt");
}

static void note_member(struct comparison *k, const struct json_member *m)
{
    static const char *const constant[] = {"id", "clientId", "createdAt"}, *const state[] = {"status", "outcome"};
    for (size_t i = 0; i < sizeof constant / sizeof *constant; i++)
        if (json_spells(m->name, constant[i])) {
            note_difference(k, COMPARE_DIFFERS, constant[i]);
            return;
        }
    if (json_spells(m->name, "updatedAt")) {
        note_updated(k, vendor_time(m->value));
        return;
    }
    size_t i = 0;
    while (i < sizeof state / sizeof *state && !json_spells(m->name, state[i]))
        i++;
    note_state(k, i < sizeof state / sizeof *state ? state[i] : "details");
}

static const char *compare_member(void *ctx, const struct json_member *m)
{
    struct comparison *k = ctx;
    bool inside = k->object->outcome.at && json_spells(m->name, "outcome"); /* of the result */
    k->same = same_value(m->value, inside ? k->object->outcome : same_find(&k->has, m->name), k->e);
    if (k->same == 0)
        note_member(k, m);
    return k->same < 0 ? "out of memory" : NULL;
}

/* A type says a state too, "check.completed.clear"; an event without a status says no more. */
static void compare_type(struct comparison *k)
{
    const struct store_event *v = k->event;
    struct span outcome;
    const char *status = vendor_type_state(k->object->kind, v->type, &outcome);
    if (status && !v->status.at && !span_equal(k->object->status_text, span_of(status)))
        note_state(k, "status");
    if (outcome.len && !span_equal(k->object->outcome_text, outcome))
        note_state(k, "outcome");
}

static void compare_times(struct comparison *k)
{
    if (k->object->created_ms > 0 && k->event->created_ms < k->object->created_ms - COMPARE_MARGIN_MS)
        note_difference(k, COMPARE_DIFFERS, "createdAt");
}

static int compare_payload(struct comparison *k, struct span object)
{
    if (same_read(&k->has, object, k->e) != 0)
        return -1;
    json_scan(k->event->payload, compare_member, k);
    same_release(&k->has);
    return k->same < 0 ? -1 : 0;
}

int compare_event(const struct store_event *v, enum vendor_kind kind, struct span object, enum compare_class *c,
                  const char **what, struct err *e)
{
    struct vendor_object o;
    struct json_wanted updated = {.name = "updatedAt"};
    if (vendor_read(&o, kind, object, e) != 0)
        return -1;
    json_pick(v->payload, &updated, 1);
    int64_t said_ms = vendor_time(updated.value);
    struct comparison k = {.event = v, .object = &o, .found = COMPARE_AGREES, .same = 1, .e = e};
    k.said_ms = said_ms >= 0 ? said_ms : v->created_ms - COMPARE_MARGIN_MS;
    if (compare_payload(&k, object) != 0)
        return -1;
    compare_type(&k);
    compare_times(&k);
    if (compare_is_deletion(v))
        note_difference(&k, COMPARE_DIFFERS, "deletion");
    *c = k.found;
    *what = k.what;
    return 0;
}

bool compare_is_deletion(const struct store_event *v)
{
    static const char end[] = ".deleted";
    size_t n = sizeof end - 1;
    return v->type.len > n && memcmp(v->type.at + v->type.len - n, end, n) == 0;
}

enum compare_class compare_deletion(const struct store_event *v, int64_t deleted_ms, const char **what)
{
    bool later = v->created_ms > deleted_ms + COMPARE_MARGIN_MS;
    *what = NULL;
    if (compare_is_deletion(v))
        return COMPARE_AGREES;
    if (later)
        *what = "createdAt";
    return later ? COMPARE_DIFFERS : COMPARE_DELETED;
}
