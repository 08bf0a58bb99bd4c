/* SPDX-License-Identifier: MIT
 *
 * webhook: the webhooks of an account, as the API has them, and what is wrong with those of an endpoint.
 *
 * A `secret` in an answer is read by webhook_create alone.
 *
 * source: docs.complycube.com, "Webhooks", "Create a webhook", "Update a webhook"
 */
#ifndef WEBHOOK_H
#define WEBHOOK_H

#include "account.h"

enum {
    WEBHOOK_MAX = 64,     /* of a list; the vendor allows 20 */
    WEBHOOK_ALLOWED = 20, /* to an account */
    WEBHOOK_EVENTS_MAX = 64,
    WEBHOOK_TYPE = 96,
    WEBHOOK_URL = 1024,
    WEBHOOK_TEXT = 256,
    WEBHOOK_SECRET = 256
};

struct webhook {
    char id[API_ID_MAX + 1], url[WEBHOOK_URL], description[WEBHOOK_TEXT];
    bool enabled;
    char events[WEBHOOK_EVENTS_MAX][WEBHOOK_TYPE];
    size_t n_events;
    int64_t created_ms, updated_ms; /* -1: not said */
};

struct webhooks {
    size_t n;
    struct webhook list[WEBHOOK_MAX];
};

/* All of an account. errors: of a request; ERR_REMOTE too, if one of them is of another form */
int webhook_list(struct account *a, struct webhooks *all, struct err *e);

int webhook_get(struct account *a, const char *id, struct webhook *w, struct err *e);

/* What a request to create or to change one says; what is NULL, or 0, is left out, and stays as it is. */
struct webhook_change {
    const char *url, *description;
    const bool *enabled;
    const char *const *events; /* n_events of them, in the place of all */
    size_t n_events;
};

/* The JSON of such a request; to be freed. */
char *webhook_json(const struct webhook_change *c);

/* Change one, and read it back: *w is what the second answer says. */
int webhook_update(struct account *a, const char *id, const struct webhook_change *c, struct webhook *w,
                   struct err *e);

/* Make one. secret: of WEBHOOK_SECRET bytes, to be wiped. *made: whether one may be there after -1. */
int webhook_create(struct account *a, const struct webhook_change *c, struct webhook *w, char *secret, bool *made,
                   struct err *e);

int webhook_delete(struct account *a, const char *id, struct err *e);

/* Is it this URL? A slash at the end does not matter. */
bool webhook_is_at(const struct webhook *w, const char *url);

/* Does it send this type? */
bool webhook_sends(const struct webhook *w, const char *type);

/* ---- what is wrong ---- */

enum webhook_fault {
    WEBHOOK_NO_URL,   /* the endpoint has no url in the configuration, so that its webhook is not known */
    WEBHOOK_MISSING,  /* no webhook has its URL */
    WEBHOOK_DISABLED, /* the one that has is disabled, and no other one is enabled */
    WEBHOOK_LACKS,    /* it does not send a type that the endpoint asks for */
    WEBHOOK_TWICE,    /* two are enabled with one URL, and neither is new: each event comes twice */
    WEBHOOK_FULL      /* the account has room for one more at most */
};

/* Words for it, without the endpoint's name, and its word for a program. w: the webhook, NULL where it is about none. */
typedef void webhook_say(void *ctx, enum webhook_fault fault, const struct webhook *w, const char *words);
void webhook_judge(const struct webhooks *all, const struct config_endpoint *p, int64_t now_ms, webhook_say *say,
                   void *ctx);
const char *webhook_fault_word(enum webhook_fault fault);

#endif
