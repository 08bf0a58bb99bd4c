/* SPDX-License-Identifier: MIT
 * cmd_show: one event whole, its payload included. */
#include "base/json.h"
#include "base/print.h"
#include "base/when.h"
#include "cmd.h"
#include "json_out.h"

#include <stdio.h>

enum { TEXTS = 15 };

/* The text fields, in the order they are shown; the payload and the body come last. */
static void texts_of(const struct store_event *v, const char **names, struct span *texts)
{
    static const char *const all[TEXTS] = {"endpoint",  "event_id",  "type",    "resource_type", "resource_id",
                                           "client_id", "status",    "outcome", "created_at",    "source",
                                           "secret",    "signature", "state",   "owner",         "error"};
    const struct span values[TEXTS] = {v->endpoint,
                                       v->id,
                                       v->type,
                                       v->resource_type,
                                       v->resource_id,
                                       v->client_id,
                                       v->status,
                                       v->outcome,
                                       v->created_at,
                                       v->source,
                                       v->secret,
                                       v->signature,
                                       span_of(cmd_state_word(v->state)),
                                       v->owner,
                                       v->error};
    for (int i = 0; i < TEXTS; i++) {
        names[i] = all[i];
        texts[i] = values[i];
    }
}

static const char *accept_member(void *ctx, const struct json_member *m)
{
    (void)ctx, (void)m;
    return NULL;
}

static void print_event_json(void *ctx, const struct store_event *v)
{
    const char *names[TEXTS];
    struct span texts[TEXTS];
    (void)ctx;
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "seq", v->seq);
    texts_of(v, names, texts);
    for (int i = 0; i < TEXTS; i++)
        json_out_text(j, names[i], texts[i]);
    json_out_number(j, "received_ms", v->received_ms);
    json_out_number(j, "due_ms", v->due_ms);
    json_out_number(j, "done_ms", v->done_ms);
    json_out_number(j, "attempts", v->attempts);
    json_out_bool(j, "superseded", v->superseded);
    if (v->payload.at && json_scan(v->payload, accept_member, NULL) != NULL) /* it was changed in the database */
        json_out_bytes(j, "payload", v->payload);
    else
        json_out_raw(j, "payload", v->payload);
    json_out_bytes(j, "body", v->body);
    json_out_print(j);
}

static void print_event_text(void *ctx, const struct store_event *v)
{
    const char *names[TEXTS];
    struct span texts[TEXTS];
    char time[32];
    (void)ctx;
    print_out("%-14s %lld\n", "seq", (long long)v->seq);
    texts_of(v, names, texts);
    for (int i = 0; i < TEXTS; i++) {
        print_out("%-14s ", names[i]);
        print_text(stdout, texts[i].at ? texts[i] : span_of("-"), 0);
        print_out("\n");
    }
    print_out("%-14s %s\n", "received", when_time(v->received_ms, time));
    print_out("%-14s %s\n", "due", when_time(v->due_ms, time));
    print_out("%-14s %s\n", "done", when_time(v->done_ms, time));
    print_out("%-14s %lld\n%-14s %s\n%-14s ", "attempts", (long long)v->attempts, "superseded",
              v->superseded ? "yes" : "no", "payload");
    print_text(stdout, v->payload.at ? v->payload : span_of("-"), 0);
    print_out("\n");
}

int cmd_show(const struct cmd *cmd, struct err *e)
{
    return store_find(cmd->store, span_of(cmd->operand), cmd->json ? print_event_json : print_event_text, NULL, e);
}
