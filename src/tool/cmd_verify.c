/* SPDX-License-Identifier: MIT
 * cmd_verify: are signatures right: that of standard input, or all that is stored? What was changed behind our back shows. */
#include "base/print.h"
#include "cmd.h"
#include "cmd_spool.h"
#include "event/decode.h"
#include "json_out.h"
#include "progress.h"

#include <stdlib.h>

enum { TOLD_MAX = 20 };

/* What an event turns out to be. */
enum finding { GOOD, ERASED, UNSIGNED, UNKNOWN, ALTERED, FINDINGS };

static const struct {
    const char *name, *words;
} findings[FINDINGS] = {
    [GOOD] = {"verified", "as they were signed"},
    [ERASED] = {"erased", "erased: nothing is left to verify"},
    [UNSIGNED] = {"unsigned", "imported without a signature"},
    [UNKNOWN] = {"unknown", "signed with a secret that is in no file any more"},
    [ALTERED] = {"altered", "not as they were signed"},
};

struct check {
    const struct cmd *cmd;
    struct verifier *verifier;
    int64_t n[FINDINGS], last, missing; /* missing: numbers that no event has */
};

static bool has_secret(const struct config *c, struct span endpoint, struct span name)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t s = 0; s < c->endpoint[i].secrets.n && span_equal(endpoint, span_of(c->endpoint[i].name)); s++)
            if (span_equal(name, span_of(c->endpoint[i].secrets.list[s].name)))
                return true;
    return false;
}

/* NULL, or the column that is not what the signed body says. */
static const char *differs(const struct store_event *v, const struct event *d)
{
    const struct {
        const char *name;
        struct span is, was;
    } columns[] = {{"event_id", v->id, d->id},
                   {"type", v->type, d->type},
                   {"resource_type", v->resource_type, d->resource_type},
                   {"resource_id", v->resource_id, d->resource_id},
                   {"client_id", v->client_id, d->client_id},
                   {"status", v->status, d->status},
                   {"outcome", v->outcome, d->outcome},
                   {"payload", v->payload, d->payload}};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if ((columns[i].is.at != NULL) != (columns[i].was.at != NULL) || !span_equal(columns[i].is, columns[i].was))
            return columns[i].name;
    return v->created_ms != (d->created_ms >= 0 ? d->created_ms : v->received_ms) ? "created_ms" : NULL;
}

static enum finding verify_stored(const struct check *k, const struct store_event *v, const char **what)
{
    struct event event;
    struct err e = {0};
    if (!v->body.at) {
        *what = "body";
        return v->erased_ms ? ERASED : ALTERED;
    }
    if (!v->signature.len)
        return span_equal(v->source, span_of("imported")) ? UNSIGNED : ALTERED;
    const struct verified *good = verify_body(k->verifier, 0, v->signature, v->body, &e);
    if (!good || !span_equal(v->endpoint, span_of(verified_endpoint(good)))) {
        *what = "body or signature";
        return has_secret(k->cmd->config, v->endpoint, v->secret) ? ALTERED : UNKNOWN;
    }
    *what = decode_event(good, &event, &e) == 0 ? differs(v, &event) : "body";
    return *what ? ALTERED : GOOD;
}

static void check_one(void *ctx, const struct store_event *v)
{
    struct check *k = ctx;
    const char *what = "signature";
    enum finding f = verify_stored(k, v, &what);
    k->missing += v->seq - k->last - 1;
    k->last = v->seq;
    k->n[f]++;
    if (f != ALTERED)
        return;
    if (k->cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_number(j, "seq", v->seq);
        json_out_text(j, "finding", span_of("altered"));
        json_out_text(j, "what", span_of(what));
        json_out_print(j);
    } else if (k->n[f] <= TOLD_MAX) {
        print_out("event %lld, ", (long long)v->seq);
        print_text(stdout, v->id, 0);
        print_out(": its %s is not what was signed\n", what);
    }
}

static void print_findings(const struct check *k)
{
    if (k->cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        for (int i = 0; i < FINDINGS; i++)
            json_out_number(j, findings[i].name, k->n[i]);
        json_out_number(j, "missing", k->missing);
        json_out_print(j);
        return;
    }
    for (int i = 0; i < FINDINGS; i++)
        if (k->n[i] || i == GOOD)
            print_out("%10lld  %s\n", (long long)k->n[i], findings[i].words);
    if (k->missing)
        print_out("%10lld  numbers that no event has: removed, or passed over by a restore\n", (long long)k->missing);
}

static int check_stored(struct check *k, struct store *s, struct err *e)
{
    struct store_query q = {.state = -1, .oldest_first = true, .log_only = true};
    if (store_newest(s, &q.to, e) != 0) /* what comes meanwhile is not waited for */
        return -1;
    int more = q.to > 0;
    struct progress progress = progress_begin(q.to);
    while (more > 0) {
        more = store_read(s, &q, check_one, k, e);
        progress_draw(&progress, q.after, NULL);
    }
    progress_end(&progress);
    if (more < 0)
        return -1;
    k->missing += q.to - k->last;
    print_findings(k);
    if (k->n[ALTERED])
        return err_set(
            e, ERR_NOT_FOUND,
            "%lld are not as they were signed; complycube-inbox history may tell of them; where the value of a "
            "secret was changed in its file, put the old one back under a name of its own, marked retired",
            (long long)k->n[ALTERED]);
    return 0;
}

static int check_input(const struct check *k, struct err *e)
{
    struct buf in = {0};
    int result = cmd_read_file("-", &in, e);
    const struct verified *good = result == 0 ? verify_body(k->verifier, 0, span_of(k->cmd->operand),
                                                            (struct span){in.at ? in.at : "", in.len}, e)
                                              : NULL;
    if (good)
        print_out("signed with the secret %s of %s\n", verified_secret(good), verified_endpoint(good));
    buf_release(&in);
    return good ? 0 : -1;
}

int cmd_verify_arguments(const struct cmd *cmd, struct err *e)
{
    return cmd->stored != (cmd->operand != NULL)
               ? 0
               : err_set(e, ERR_USAGE, "verify takes a signature, for standard input, or --stored");
}

int cmd_verify(const struct cmd *cmd, struct err *e)
{
    struct check k = {.cmd = cmd};
    struct store *s = NULL;
    int result = -1;
    if (cmd->stored && !(s = cmd_store(cmd->config, false, e)))
        return -1;
    if (s)
        cmd_spool_try(cmd, cmd->config, s);
    if (cmd_verifier(cmd->config, &k.verifier, e) == 0)
        result = s ? check_stored(&k, s, e) : check_input(&k, e);
    verify_close(k.verifier);
    store_close(s);
    return result;
}
