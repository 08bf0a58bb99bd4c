/* SPDX-License-Identifier: MIT
 * receive: the pipeline. */
#include "receive.h"

#include "event/decode.h"

#include <stdio.h>

static const char probe_type[] = "complycube-inbox.probe";

static bool span_is(struct span text, const char *word) { return span_equal(text, span_of(word)); }

/* The one way into failing, with x->err as its reason; -1. */
static int fail_batch(struct exchange *x)
{
    x->code = err_failure(&x->err);
    return -1;
}

/* The one way out of it: somebody has said that it succeeded. */
static void succeed(struct exchange *x) { x->code = ERR_NONE; }

/* Not even verified; the connection is drained all the same. */
static int refuse_request(struct exchange *x, enum err_code code, const char *why)
{
    err_set(&x->err, code, "%s", why);
    return fail_batch(x);
}

/* CONTENT_LENGTH that is a number and not that of the body: the body, not the secret, is at fault. */
static bool length_differs(const struct request *q)
{
    uint64_t said = 0;
    return request_length(q, &said) && said != q->body.len;
}

/* Was this GET a POST before? A redirect makes one of it, without its body; a probe sends no signature. */
static bool was_post(const struct request *q) { return q->signature.len || span_is(q->method_before, "POST"); }

static int check_method(struct receiver *r, struct exchange *x, int64_t now_ms)
{
    const struct request *q = &x->request;
    bool get = span_is(q->method, "GET") || span_is(q->method, "HEAD");
    if (get && was_post(q))
        return refuse_request(
            x, ERR_METHOD,
            "a POST arrived as a GET, without its event: a redirect or an ErrorDocument leads here; give "
            "ComplyCube the URL to which it redirects");
    x->state = get;
    if (x->state) {
        x->code = receiver_state(r, now_ms, &x->err);
        return -1;
    }
    return span_is(q->method, "POST") ? 0 : refuse_request(x, ERR_METHOD, "only GET, HEAD and POST are answered");
}

static int verify(struct receiver *r, struct exchange *x, size_t slot)
{
    const struct request *q = &x->request;
    if (q->end == REQUEST_TOO_LARGE)
        return refuse_request(x, ERR_TOO_LARGE, "the body is above max_body; raise it if such events are real");
    if (!r->verifier)
        return refuse_request(x, r->config->error.code, r->config->error.msg);
    if (q->signature_twice)
        return refuse_request(x, ERR_SIGNATURE, "the signature header came more than once");
    x->verified = verify_body(r->verifier, slot, q->signature, q->body, &x->err);
    if (x->verified)
        return 0;
    fail_batch(x);
    if (x->code == ERR_SIGNATURE && (q->end == REQUEST_CUT || length_differs(q)))
        refuse_request(x, ERR_INCOMPLETE,
                       "the body is not as long as it was said to be; see the web server's limits");
    return -1;
}

static int decode(struct receiver *r, struct exchange *x)
{
    struct record *record = &x->record;
    *record = (struct record){.verified = x->verified, .event = &x->event};
    if (decode_event(x->verified, &x->event, &record->err) != 0) {
        record->reason = record->err.msg;
        return 0;
    }
    x->probe = span_is(x->event.type, probe_type);
    if (x->probe)
        succeed(x);
    record->ignored = !config_wants(r->config, verified_endpoint(x->verified), x->event.type);
    return x->probe ? -1 : 0;
}

/* Is there something to record? Until it is, it has failed. */
static bool take_request(struct receiver *r, struct exchange *x, size_t slot, int64_t now_ms)
{
    x->code = ERR_SYSTEM;
    x->err.code = ERR_NONE;
    x->verified = NULL;
    x->probe = x->spooled = false;
    return check_method(r, x, now_ms) == 0 && verify(r, x, slot) == 0 && decode(r, x) == 0;
}

/* What would be answered 5xx though it is authentic waits in the spool, if it can. */
static void spool(struct receiver *r, struct exchange *const waiting[], size_t n, int64_t now_ms)
{
    const struct verified *list[RECEIVE_BATCH_MAX];
    struct exchange *failed[RECEIVE_BATCH_MAX];
    size_t failed_n = 0;
    for (size_t i = 0; i < n; i++)
        if (err_http(waiting[i]->code) >= 500) {
            list[failed_n] = waiting[i]->verified;
            failed[failed_n++] = waiting[i];
        }
    size_t done = failed_n ? receiver_spool(r, list, failed_n, now_ms) : 0;
    for (size_t i = 0; i < done; i++) {
        failed[i]->spooled = true;
        succeed(failed[i]);
    }
}

static void record(struct receiver *r, struct exchange *const waiting[], size_t n, int64_t now_ms)
{
    struct record *records[RECEIVE_BATCH_MAX];
    struct err e = {0};
    for (size_t i = 0; i < n; i++)
        records[i] = &waiting[i]->record;
    bool failed = receiver_record(r, records, n, now_ms, &e) != 0;
    for (size_t i = 0; i < n; i++) {
        struct exchange *x = waiting[i];
        if (!failed && store_is_recorded(x->record.outcome)) {
            succeed(x);
            continue;
        }
        x->err = failed ? e : x->record.err;
        fail_batch(x);
    }
    spool(r, waiting, n, now_ms);
}

static struct reply answer_get(const struct exchange *x)
{
    if (x->state)
        return reply_state(x->code);
    if (x->code != ERR_NONE)
        return reply_error(x->code);
    if (x->spooled)
        return reply_spooled(x->record.reason == NULL);
    return x->probe ? reply_probe() : reply_outcome(x->record.outcome);
}

static const char *word(const struct exchange *x)
{
    if (x->state)
        return x->code == ERR_NONE ? "ready" : err_word(x->code);
    if (x->spooled)
        return "spooled";
    return x->code != ERR_NONE ? err_word(x->code) : x->probe ? "probe" : store_outcome_word(x->record.outcome);
}

static enum err_level level(const struct exchange *x)
{
    if (x->code != ERR_NONE)
        return err_level(x->code);
    bool aside = x->verified && !x->probe && (x->spooled || x->record.outcome == STORE_QUARANTINED);
    return aside ? LEVEL_WARNING : LEVEL_INFO;
}

static void describe_failure(struct exchange *x, const struct log *log, int64_t now_ms)
{
    struct log_line *l = &x->line;
    l->level = level(x);
    l->len = 0;
    if (!log_wants(log, l->level))
        return;
    bool decoded = x->verified && !x->record.reason;
    const struct err *e = x->code != ERR_NONE || x->spooled ? &x->err : &x->record.err;
    bool explained = x->code != ERR_NONE || (x->verified && e->code != ERR_NONE);
    log_begin(l, now_ms, l->level, word(x));
    log_number(l, "status", x->reply.status);
    log_text(l, "remote", x->request.remote);
    log_number(l, "bytes", (int64_t)x->request.body.len);
    if (x->verified) {
        log_text(l, "endpoint", span_of(verified_endpoint(x->verified)));
        log_text(l, "secret", span_of(verified_secret(x->verified)));
    }
    log_text(l, "event", decoded ? x->event.id : (struct span){0});
    log_text(l, "type", decoded ? x->event.type : (struct span){0});
    log_text(l, "why", x->spooled ? span_of(err_word(e->code)) : (struct span){0});
    log_text(l, "msg", explained ? span_of(e->msg) : (struct span){0});
    log_end(l);
}

void receive_batch(struct receiver *r, struct exchange *const batch[], size_t n, int64_t now_ms)
{
    struct exchange *waiting[RECEIVE_BATCH_MAX];
    size_t waiting_n = 0;
    for (size_t i = 0; i < n; i++)
        if (take_request(r, batch[i], i, now_ms))
            waiting[waiting_n++] = batch[i];
    if (waiting_n)
        record(r, waiting, waiting_n, now_ms);
    for (size_t i = 0; i < n; i++) {
        batch[i]->reply = answer_get(batch[i]);
        describe_failure(batch[i], &r->log, now_ms);
        if (!batch[i]->state)
            refusals_add(&r->refusals, batch[i]->code);
    }
}
