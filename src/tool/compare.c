/* SPDX-License-Identifier: MIT
 * compare: what an event says, compared with the object that ComplyCube has now. */
#include "compare.h"

#include "base/json.h"

#include <stdio.h>

enum { MEMBERS_MAX = 64, NAME_MAX_BYTES = 48 };

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

/* ---- what the object says ---- */

/* Members of the object, and what the event's payload says under the same names. */
struct members {
    size_t n;
    char name[MEMBERS_MAX][NAME_MAX_BYTES];
    struct span is[MEMBERS_MAX];
    struct json_wanted says[MEMBERS_MAX];
};

static void add_truth(struct members *m, struct span name, struct span value)
{
    if (m->n == MEMBERS_MAX || name.len >= NAME_MAX_BYTES || memchr(name.at, '\\', name.len))
        return;
    memcpy(m->name[m->n], name.at, name.len);
    m->name[m->n][name.len] = '\0';
    m->is[m->n] = value;
    m->says[m->n] = (struct json_wanted){.name = m->name[m->n]};
    m->n++;
}

static const char *note_member(void *ctx, const struct json_member *member)
{
    add_truth(ctx, member->name, member->value);
    return NULL;
}

/* ---- what differs ---- */

struct comparison {
    const struct store_event *event;
    const struct vendor_object *object;
    int64_t said_ms; /* when the event's state was the object's, by its own words */
    enum compare_class found;
    const char *what;
};

static void note_difference(struct comparison *k, enum compare_class c, const char *what)
{
    if (c <= k->found)
        return;
    k->found = c;
    k->what = what;
}

static bool is_scalar(struct span value) { return value.len && *value.at != '{' && *value.at != '['; }

static bool same_value(struct span a, struct span b)
{
    struct span x = json_string(a), y = json_string(b);
    return x.at && y.at ? json_same(x, y) : span_equal(a, b);
}

static void note_state(struct comparison *k, const char *what)
{
    note_difference(k, k->object->updated_ms > k->said_ms ? COMPARE_CHANGED : COMPARE_DIFFERS, what);
}

static void compare_member(struct comparison *k, const char *name, struct span says, struct span is)
{
    static const char *const constant[] = {"id", "clientId", "createdAt"}, *const state[] = {"status", "outcome"};
    if (!is_scalar(says) || !is_scalar(is) || same_value(says, is))
        return;
    for (size_t i = 0; i < sizeof constant / sizeof *constant; i++)
        if (strcmp(name, constant[i]) == 0) {
            note_difference(k, COMPARE_DIFFERS, constant[i]);
            return;
        }
    if (strcmp(name, "updatedAt") == 0) { /* it only rises */
        if (vendor_time(says) > k->object->updated_ms + COMPARE_MARGIN_MS)
            note_difference(k, COMPARE_DIFFERS, "updatedAt");
        return;
    }
    bool known = strcmp(name, state[0]) == 0 || strcmp(name, state[1]) == 0;
    note_state(k, !known ? "details" : strcmp(name, state[0]) == 0 ? state[0] : state[1]);
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

int compare_event(const struct store_event *v, enum vendor_kind kind, struct span object, enum compare_class *c,
                  const char **what, struct err *e)
{
    struct vendor_object o;
    struct members m = {0};
    struct json_wanted updated = {.name = "updatedAt"};
    if (vendor_read(&o, kind, object, e) != 0)
        return -1;
    json_pick(v->payload, &updated, 1);
    int64_t said_ms = vendor_time(updated.value);
    struct comparison k = {v, &o, said_ms >= 0 ? said_ms : v->created_ms - COMPARE_MARGIN_MS, COMPARE_AGREES, NULL};
    if (o.outcome.at)
        add_truth(&m, span_of("outcome"), o.outcome);
    json_scan(object, note_member, &m);
    json_pick(v->payload, m.says, m.n);
    for (size_t i = 0; i < m.n; i++)
        compare_member(&k, m.name[i], m.says[i].value, m.is[i]);
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
