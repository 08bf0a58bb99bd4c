/* SPDX-License-Identifier: MIT
 *
 * vendor: the objects of ComplyCube's API that events are about. Of an object only what an event says of it is read; all
 * else, personal details above all, is passed over.
 *
 * source: docs.complycube.com, "Checks", "Clients", "Workflow sessions", "Documents", "Addresses"
 */
#ifndef VENDOR_H
#define VENDOR_H

#include "api/api.h"
#include "event/event.h"

enum vendor_kind {
    VENDOR_CHECK,
    VENDOR_CLIENT,
    VENDOR_SESSION,
    VENDOR_DOCUMENT,
    VENDOR_ADDRESS,
    VENDOR_KINDS /* none of them */
};

struct vendor_names {
    const char *path;   /* of the API */
    const char *type;   /* resourceType, of events and of audit logs */
    const char *prefix; /* of the types of its events */
    const char *plural; /* for a person */
};
extern const struct vendor_names vendor_names[VENDOR_KINDS];

/* The kind of a resourceType; VENDOR_KINDS: another, which has no path of its own. */
enum vendor_kind vendor_kind(struct span resource_type);

/* JSON of an object, borrowed: strings with their quotes; absent where it has none. And the same as text. */
struct vendor_object {
    enum vendor_kind kind;
    struct span id, client_id, status, outcome, created_at, updated_at;
    struct span id_text, client_text, status_text, outcome_text; /* into `text` */
    int64_t created_ms, updated_ms;
    char text[4][EVENT_FIELD_MAX + 1];
};

/* Read one. ERR_REMOTE: it has not the form that is documented */
int vendor_read(struct vendor_object *o, enum vendor_kind kind, struct span json, struct err *e);

/*
 * Ask for the object of this kind and id.
 * out: 1 and *object, valid until the next request; 0: there is none (any more); or -1 and *e
 */
int vendor_fetch(struct api *a, enum vendor_kind kind, const char *id, struct span *object, struct err *e);

/* A time of the API, with its quotes, in ms; -1: none. */
int64_t vendor_time(struct span value);

/*
 * The status that the type of an event says: "complete" of "check.completed.clear", with *outcome "clear"; NULL: it says none. An
 * absent *outcome: none
 */
const char *vendor_type_state(enum vendor_kind kind, struct span type, struct span *outcome);

/* What the type of an event of this state is called: "check.completed"; NULL: the state is not known. */
const char *vendor_state_type(const struct vendor_object *o);

#endif
