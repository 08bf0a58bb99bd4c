/* SPDX-License-Identifier: MIT
 * cmd_quarantine: what was put aside: signed, but no event, or a known one with another payload. */
#include "base/clock.h"
#include "base/hex.h"
#include "base/print.h"
#include "base/when.h"
#include "cmd.h"
#include "event/decode.h"
#include "json_out.h"

#include <stdlib.h>

/* ---- looking ---- */

static void put_json(const struct store_quarantined *q, bool with_body)
{
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "id", q->id);
    json_out_text(j, "endpoint", q->endpoint);
    json_out_text(j, "secret", q->secret);
    json_out_text(j, "event_id", q->event_id);
    json_out_text(j, "reason", q->reason);
    json_out_number(j, "first_ms", q->first_ms);
    json_out_number(j, "last_ms", q->last_ms);
    json_out_number(j, "times", q->times);
    json_out_text(j, "signature", q->signature);
    if (with_body)
        json_out_bytes(j, "body", q->body);
    json_out_print(j);
}

static void list_json(void *ctx, const struct store_quarantined *q)
{
    (void)ctx;
    put_json(q, false);
}

static void list_row(void *ctx, const struct store_quarantined *q)
{
    char time[32];
    int64_t *rows = ctx;
    if ((*rows)++ == 0)
        print_out("%6s  %-19s  %5s  %-8s  %s\n", "ID", "LAST RECEIVED", "TIMES", "ENDPOINT", "REASON");
    print_out("%6lld  %.19s  %5lld  ", (long long)q->id, when_time(q->last_ms, time), (long long)q->times);
    print_text(stdout, q->endpoint, 8);
    print_out("  ");
    print_wrapped(stdout, q->reason, 45);
    print_out("\n");
}

static int list_quarantine(const struct cmd *cmd, struct err *e)
{
    int64_t rows = 0;
    if (store_list_quarantine(cmd->store, 0, cmd->endpoint, cmd->json ? list_json : list_row, &rows, e) != 0)
        return -1;
    if (rows == 0 && !cmd->json)
        print_out("nothing is in quarantine\n");
    return 0;
}

static void print_quarantined(void *ctx, const struct store_quarantined *q)
{
    const struct cmd *cmd = ctx;
    char time[32];
    if (cmd->json) {
        put_json(q, true);
        return;
    }
    const char *const names[] = {"endpoint", "secret", "event_id", "reason", "body"};
    const struct span texts[] = {q->endpoint, q->secret, q->event_id, q->reason, q->body};
    print_out("%-14s %lld\n%-14s %s\n", "id", (long long)q->id, "first", when_time(q->first_ms, time));
    print_out("%-14s %s\n%-14s %lld\n", "last", when_time(q->last_ms, time), "times", (long long)q->times);
    for (int i = 0; i < 5; i++) {
        print_out("%-14s ", names[i]);
        print_text(stdout, texts[i].at ? texts[i] : span_of("-"), 0);
        print_out("\n");
    }
}

/* ---- deciding ---- */

/* A row of quarantine that outlives its statement. */
struct kept {
    char *body, endpoint[64], secret[64];
    size_t len;
    int64_t first_ms;
    char signature[2 * VERIFY_DIGEST + 1]; /* in hex */
    bool out_of_memory;
};

static void keep_row(void *ctx, const struct store_quarantined *q)
{
    struct kept *k = ctx;
    k->len = q->body.len;
    k->body = malloc(k->len + 1);
    k->out_of_memory = !k->body;
    if (k->out_of_memory)
        return;
    memcpy(k->body, q->body.at, k->len);
    snprintf(k->signature, sizeof k->signature, "%.*s", (int)q->signature.len, q->signature.at);
    snprintf(k->endpoint, sizeof k->endpoint, "%.*s", (int)q->endpoint.len, q->endpoint.at);
    snprintf(k->secret, sizeof k->secret, "%.*s", (int)q->secret.len, q->secret.at ? q->secret.at : "");
    k->first_ms = q->first_ms;
}

/* The body as one that is verified: again, since whoever can change the database could have changed it. With --unverified its
 * owner vouches for it instead. It lives until the next one is verified, in the same slot. */
static const struct verified *verify_kept(const struct cmd *cmd, struct verifier *v, const struct kept *k,
                                          struct err *e)
{
    uint8_t signature[VERIFY_DIGEST];
    struct span body = {k->body, k->len};
    if (cmd->unverified)
        return verify_trusted(v, 0, k->endpoint, k->secret,
                              hex_decode(span_of(k->signature), signature, VERIFY_DIGEST) == 0 ? signature : NULL,
                              body);
    const struct verified *good = verify_body(v, 0, span_of(k->signature), body, e);
    if (good && strcmp(verified_endpoint(good), k->endpoint) == 0)
        return good;
    err_set(e, ERR_SIGNATURE,
            "its body is not what was signed, or its secret is in no file any more: add that one, retired; where you "
            "vouch for it yourself, say --unverified");
    return NULL;
}

static int accept_with(const struct cmd *cmd, struct verifier *v, int64_t id, const struct kept *k, struct err *e)
{
    struct cmd_who who;
    struct store_actor by = cmd_actor(cmd, &who);
    struct event event;
    int64_t seq = 0;
    const struct verified *body = verify_kept(cmd, v, k, e);
    if (!body)
        return err_prefix(e, "number %lld", (long long)id);
    const struct record_past past = {.received_ms = k->first_ms, .state = -1};
    struct record r = {.verified = body, .event = &event, .past = &past};
    int result = decode_event(body, &event, e);
    if (result != 0)
        err_prefix(e, "number %lld is no event and cannot become one", (long long)id);
    else
        result = store_accept(cmd->store, id, &r, &by, clock_time_ms(), &seq, e);
    if (result == 0 && cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_number(j, "id", id);
        json_out_number(j, "seq", seq);
        json_out_print(j);
    } else if (result == 0) {
        print_out("%lld is event %lld now, and waits\n", (long long)id, (long long)seq);
    }
    return result;
}

static int accept_row(const struct cmd *cmd, int64_t id, struct err *e)
{
    struct kept k = {0};
    struct config *c = NULL;
    struct verifier *v = NULL;
    int result = -1;
    if (store_list_quarantine(cmd->store, id, NULL, keep_row, &k, e) != 0)
        goto out;
    if (k.out_of_memory) {
        err_set(e, ERR_MEMORY, "accepting an event: out of memory");
        goto out;
    }
    if (!cmd->unverified && !(c = cmd_load_config(cmd, e)))
        goto out;
    if ((c ? cmd_verifier(c, &v, e) : verify_open_keyless(&v, e)) == 0)
        result = accept_with(cmd, v, id, &k, e);
out:
    verify_close(v);
    config_free(c);
    free(k.body);
    return result;
}

static int drop_row(const struct cmd *cmd, int64_t id, struct err *e)
{
    struct cmd_who who;
    struct store_actor by = cmd_actor(cmd, &who);
    if (store_drop(cmd->store, id, &by, clock_time_ms(), e) != 0)
        return -1;
    if (!cmd->json)
        return print_out("%lld is dropped\n", (long long)id) < 0;
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "id", id);
    json_out_print(j);
    return 0;
}

static int show_row(const struct cmd *cmd, int64_t id, struct err *e)
{
    return store_list_quarantine(cmd->store, id, NULL, print_quarantined, (void *)(uintptr_t)cmd, e);
}

struct verb {
    const char *name;
    int (*run)(const struct cmd *cmd, int64_t id, struct err *e);
    bool needs_reason;
};

static const struct verb verbs[] = {
    {"show", show_row, false}, {"accept", accept_row, false}, {"drop", drop_row, true}};

static const struct verb *find_quarantine_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

int cmd_quarantine_arguments(const struct cmd *cmd, struct err *e)
{
    const struct verb *verb = cmd->operand ? find_quarantine_verb(cmd->operand) : NULL;
    if (cmd->operand && (!verb || !cmd->operands[1]))
        return err_set(e, ERR_USAGE, "quarantine alone lists; else it is quarantine show|accept|drop ID ...");
    if (verb && verb->needs_reason && !cmd->reason)
        return err_set(e, ERR_USAGE, "what is dropped is gone; say why with --reason");
    return 0;
}

int cmd_quarantine(const struct cmd *cmd, struct err *e)
{
    const struct verb *verb = cmd->operand ? find_quarantine_verb(cmd->operand) : NULL; /* as checked before */
    if (!verb)
        return list_quarantine(cmd, e);
    for (char *const *id = cmd->operands + 1; *id; id++) {
        char *end;
        int64_t number = strtoll(*id, &end, 10);
        if (end == *id || *end || number < 1)
            return err_set(e, ERR_USAGE, "%.40s is no number of a row; complycube-inbox quarantine lists them", *id);
        if (verb->run(cmd, number, e) != 0)
            return -1;
    }
    return 0;
}
