/* SPDX-License-Identifier: MIT
 * cmd_verify: are signatures right: that of standard input, or all that is stored? What was changed behind our back shows. */
#include "base/print.h"
#include "base/seqs.h"
#include "cmd.h"
#include "cmd_spool.h"
#include "compare.h"
#include "event/decode.h"
#include "json_out.h"
#include "progress.h"
#include "store/store_file.h"
#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>

enum { TOLD_MAX = 20, DAY_MS = 86400000, PRUNED_WITHIN_MS = 2 * DAY_MS /* of the history's row */ };
#define YEAR_MS (INT64_C(365) * DAY_MS) /* nothing waits for longer, or nobody would see it */

/* What the history has on record. */
struct past {
    struct seqs erased, pruned_ms; /* events, and times; sorted */
    int64_t next_id;               /* of the row before; rows come the newest first */
    bool out_of_memory;
};

struct verification {
    const struct cmd *cmd;
    struct verifier *verifier;
    struct progress progress;
    struct past past;
    struct verdict verdict;
    int64_t rows, last;
    bool unreadable; /* what its tables are cannot be told: no row is read */
};

/* ---- one event ---- */

static bool has_secret(const struct config *c, struct span endpoint, struct span name)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t s = 0; s < c->endpoint[i].secrets.n && span_equal(endpoint, span_of(c->endpoint[i].name)); s++)
            if (span_equal(name, span_of(c->endpoint[i].secrets.list[s].name)))
                return true;
    return false;
}

/* NULL, or the column that is not what the body says. */
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

/* The same of a body, whoever vouches for it. */
static const char *differs_from_body(const struct store_event *v, const struct verified *body)
{
    struct event event;
    struct err e = {0};
    return decode_event(body, &event, &e) == 0 ? differs(v, &event) : "body";
}

/* Of one that nothing is left of, NULL or the column that is left all the same. */
static const char *left_over(const struct store_event *v)
{
    return v->resource_id.at                     ? "resource_id"
           : v->client_id.at                     ? "client_id"
           : v->status.at                        ? "status"
           : v->outcome.at                       ? "outcome"
           : v->signature.at && v->signature.len ? "signature"
                                                 : NULL;
}

static bool was_pruned(const struct past *past, int64_t at_ms)
{
    for (size_t i = 0; i < past->pruned_ms.n; i++)
        if (past->pruned_ms.at[i] >= at_ms && past->pruned_ms.at[i] - at_ms < PRUNED_WITHIN_MS)
            return true;
    return false;
}

/* Taken in by the tool, not by a receiver. */
static bool was_brought_in(const struct store_event *v)
{
    return span_equal(v->source, span_of("imported")) || span_equal(v->source, span_of("reconciled"));
}

static enum verdict_class judge_emptied(struct verification *k, const struct store_event *v, const char **what)
{
    *what = v->erased_ms ? left_over(v) : "body";
    if (*what)
        return VERDICT_ALTERED;
    k->verdict.n[VERDICT_DIGEST] += !v->payload_sha256.len;
    if (seqs_has(&k->past.erased, v->seq) || was_brought_in(v))
        return VERDICT_ERASED;
    return was_pruned(&k->past, v->erased_ms) ? VERDICT_PRUNED : VERDICT_EMPTIED;
}

/* Nobody vouches for its body, but columns must say what it says. */
static enum verdict_class judge_unproven(struct verification *k, const struct store_event *v, enum verdict_class c,
                                         const char **what)
{
    *what = differs_from_body(v, verify_trusted(k->verifier, 1, "", "", NULL, v->body));
    return *what ? VERDICT_ALTERED : c;
}

static enum verdict_class judge_signed(struct verification *k, const struct store_event *v, const char **what)
{
    struct err e = {0};
    const struct verified *good = verify_body(k->verifier, 0, v->signature, v->body, &e);
    if (!good || !span_equal(v->endpoint, span_of(verified_endpoint(good)))) {
        *what = "body or signature";
        return has_secret(k->cmd->config, v->endpoint, v->secret) ? VERDICT_ALTERED
                                                                  : judge_unproven(k, v, VERDICT_UNKNOWN, what);
    }
    *what = differs_from_body(v, good);
    return *what                                                    ? VERDICT_ALTERED
           : !span_equal(v->secret, span_of(verified_secret(good))) ? VERDICT_RENAMED
           : span_equal(v->source, span_of("reconciled"))           ? VERDICT_RECONCILED
                                                                    : VERDICT_GOOD;
}

static enum verdict_class judge_row(struct verification *k, const struct store_row *row, const char **what)
{
    const struct store_event *v = &row->event;
    *what = row->odd;
    if (row->odd)
        return VERDICT_ALTERED;
    if (!v->body.at)
        return judge_emptied(k, v, what);
    *what = v->erased_ms ? "erased_ms" : v->payload_sha256.at ? "payload_sha256" : NULL;
    if (*what)
        return VERDICT_ALTERED;
    if (v->signature.len)
        return judge_signed(k, v, what);
    *what = "signature";
    return was_brought_in(v) ? judge_unproven(k, v, VERDICT_UNSIGNED, what) : VERDICT_ALTERED;
}

/* ---- reporting ---- */

static void report_event(const struct verification *k, const struct store_event *v, enum verdict_class c,
                         const char *what)
{
    if (k->cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_number(j, "seq", v->seq);
        json_out_text(j, "finding", span_of(verdict_name(c)));
        if (c == VERDICT_ALTERED)
            json_out_text(j, "what", span_of(what));
        json_out_print(j);
        return;
    }
    print_out("event %lld, ", (long long)v->seq);
    print_text(stdout, v->id, 0);
    if (c == VERDICT_ALTERED)
        print_out(": its %s is not what was signed\n", what);
    else
        print_out(": %s\n", verdict_words(c));
}

/* Count it. Is it to be reported? */
static bool count(struct verification *k, enum verdict_class c)
{
    k->verdict.n[c]++;
    if (!verdict_fails(&k->verdict, c) || (!k->cmd->json && k->verdict.n[c] > TOLD_MAX))
        return false;
    progress_end(&k->progress);
    return true;
}

static void note_finding(struct verification *k, const struct store_event *v, enum verdict_class c, const char *what)
{
    if (count(k, c))
        report_event(k, v, c, what);
}

static void report_row(const struct verification *k, int64_t id)
{
    if (!k->cmd->json) {
        print_out("row %lld of quarantine: it is not what was signed\n", (long long)id);
        return;
    }
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "quarantine", id);
    json_out_text(j, "finding", span_of(verdict_name(VERDICT_ALTERED)));
    json_out_text(j, "what", span_of("body or signature"));
    json_out_print(j);
}

static void report_file(const struct verification *k, const struct store_file_odd *odd)
{
    char name[300];
    snprintf(name, sizeof name, "%s/%s", odd->endpoint, odd->name);
    if (!k->cmd->json) {
        print_out("file ");
        print_text(stdout, span_of(name), 0);
        print_out(": the log has no event of it\n");
        return;
    }
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "file", span_of(name));
    json_out_text(j, "finding", span_of(verdict_name(VERDICT_FILE)));
    json_out_print(j);
}

/* When it came can be bounded only, since nobody has signed it. */
static bool time_is_odd(const struct verification *k, const struct store_event *v)
{
    return v->received_ms > k->cmd->now_ms + DAY_MS || v->received_ms < v->created_ms - DAY_MS;
}

static bool lacks_inbox(const struct verification *k, const struct store_row *row)
{
    const struct store_event *v = &row->event;
    return row->odd_inbox || (v->state < 0 && !k->cmd->config->files) ||
           (v->state == STORE_STATE_WAITING && v->due_ms > k->cmd->now_ms + YEAR_MS);
}

static void verify_one(void *ctx, const struct store_row *row)
{
    struct verification *k = ctx;
    const struct store_event *v = &row->event;
    const char *what = NULL;
    if (v->seq > k->last) {
        k->verdict.n[VERDICT_MISSING] += v->seq - k->last - 1;
        k->last = v->seq;
    }
    k->rows++;
    enum verdict_class found = judge_row(k, row, &what);
    note_finding(k, v, found, what);
    if (time_is_odd(k, v))
        note_finding(k, v, VERDICT_TIME, NULL);
    if (lacks_inbox(k, row))
        note_finding(k, v, VERDICT_INBOX, NULL);
}

/* ---- all that is stored ---- */

static void note_past(void *ctx, const struct store_past *p)
{
    struct verification *k = ctx;
    struct past *past = &k->past;
    if (past->next_id)
        k->verdict.n[VERDICT_HISTORY] += past->next_id - p->id - 1;
    past->next_id = p->id;
    if (span_equal(p->action, span_of("sql")))
        k->verdict.n[p->detail.at ? VERDICT_SQL : VERDICT_MOVED]++;
    else if (span_equal(p->action, span_of("erase")) && p->seq)
        past->out_of_memory |= seqs_add(&past->erased, p->seq, NULL) != 0;
    else if (span_equal(p->action, span_of("prune")))
        past->out_of_memory |= seqs_add(&past->pruned_ms, p->at_ms, NULL) != 0;
}

static int read_past(struct verification *k, struct store *s, struct err *e)
{
    if (store_history(s, 0, 0, 0, -1, note_past, k, e) != 0)
        return e->code == ERR_SCHEMA ? 0 : -1; /* an old database without one, as the schema tells */
    if (k->past.out_of_memory)
        return err_set(e, ERR_MEMORY, "reading the history: out of memory");
    k->verdict.n[VERDICT_HISTORY] += k->past.next_id > 1 ? k->past.next_id - 1 : 0;
    seqs_sort(&k->past.erased);
    return 0;
}

static int verify_log(struct verification *k, struct store *s, struct err *e)
{
    struct store_facts facts;
    struct store_odd odd;
    int64_t from = INT64_MIN;
    if (store_read_facts(s, k->cmd->now_ms, &facts, e) != 0)
        return -1;
    int more = 1;
    k->progress = progress_begin(facts.events);
    while (more > 0) {
        more = store_audit(s, &from, verify_one, k, e);
        progress_draw(&k->progress, k->rows, NULL);
    }
    progress_end(&k->progress);
    if (more < 0 || store_odd_rows(s, &odd, e) != 0)
        return -1;
    k->verdict.n[VERDICT_INBOX] += odd.inbox;
    k->verdict.n[VERDICT_SETTING] += odd.setting + odd.names;
    return 0;
}

static void verify_quarantined(void *ctx, const struct store_quarantined *row)
{
    struct verification *k = ctx;
    struct err e = {0};
    const struct verified *good = verify_body(k->verifier, 0, row->signature, row->body, &e);
    bool right = good && span_equal(row->endpoint, span_of(verified_endpoint(good)));
    if (right || !has_secret(k->cmd->config, row->endpoint, row->secret))
        k->verdict.n[VERDICT_QUARANTINED]++;
    else if (count(k, VERDICT_ALTERED))
        report_row(k, row->id);
}

static int verify_quarantine(struct verification *k, struct store *s, struct err *e)
{
    int64_t after = INT64_MIN;
    while (after != INT64_MAX)
        if (store_walk_quarantine(s, &after, 0, verify_quarantined, k, e) != 0)
            return -1;
    return 0;
}

static void report_object(struct verification *k, const char *kind, const char *name, const char *what)
{
    k->verdict.n[VERDICT_SCHEMA]++;
    if (k->cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_text(j, "kind", span_of(kind));
        json_out_text(j, "name", span_of(name));
        json_out_text(j, "finding", span_of(verdict_name(VERDICT_SCHEMA)));
        json_out_text(j, "what", span_of(what));
        json_out_print(j);
        return;
    }
    print_text(stdout, span_of(kind), 0);
    print_out(" ");
    print_text(stdout, span_of(name), 0);
    print_out(" %s\n", what);
}

static void note_alteration(void *ctx, const struct store_alteration *one)
{
    struct verification *k = ctx;
    k->unreadable |= one->stops;
    report_object(k, one->kind, one->name, store_altered_words(one->what));
}

static void note_lack(void *ctx, const struct store_step *step)
{
    if (!step->remade) /* that is an alteration */
        report_object(ctx, step->kind, step->name, "is missing");
}

static int verify_schema(struct verification *k, struct store *s, struct err *e)
{
    return store_altered(s, note_alteration, k, e) < 0 || store_missing(s, note_lack, k, e) < 0 ? -1 : 0;
}

static void verify_file(void *ctx, const struct store_file_odd *odd)
{
    struct verification *k = ctx;
    const struct store_event v = {.seq = odd->seq, .id = odd->id};
    if (odd->seq)
        note_finding(k, &v, VERDICT_ALTERED, "file");
    else if (count(k, VERDICT_FILE))
        report_file(k, odd);
}

static int verify_rows(struct verification *k, struct store *s, struct err *e)
{
    return read_past(k, s, e) == 0 && verify_log(k, s, e) == 0 && verify_quarantine(k, s, e) == 0 &&
                   (!k->cmd->config->files || store_check_files(s, verify_file, k, e) == 0)
               ? 0
               : -1;
}

static int verify_stored(struct verification *k, struct store *s, struct err *e)
{
    if (verdict_allow(&k->verdict, k->cmd->allow, e) != 0 || verify_schema(k, s, e) != 0)
        return -1;
    if (!k->unreadable && verify_rows(k, s, e) != 0)
        return -1;
    verdict_print(&k->verdict, k->cmd->json);
    return verdict_end(&k->verdict, e);
}

/* ---- one body ---- */

static int verify_input(const struct verification *k, struct err *e)
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
    struct verdict v = {0};
    uint32_t allowed;
    if (cmd->stored + cmd->api + (cmd->operand != NULL) != 1)
        return err_set(e, ERR_USAGE, "verify takes a signature, for standard input, or --stored, or --api");
    if (cmd->allow && !cmd->stored && !cmd->api)
        return err_set(e, ERR_USAGE, "--allow goes with --stored and --api");
    if (cmd->api && (!cmd->secret || !cmd->since_ms))
        return err_set(e, ERR_USAGE,
                       "verify --api takes --secret NAME and --since TIME: with which secret, and since when");
    if (!cmd->api && cmd_selects(cmd))
        return err_set(e, ERR_USAGE, "--endpoint, --secret, --since and --before go with --api");
    return cmd->api ? compare_allow(cmd->allow, &allowed, e) : verdict_allow(&v, cmd->allow, e);
}

int cmd_verify(const struct cmd *cmd, struct err *e)
{
    struct verification k = {.cmd = cmd};
    struct store *s = NULL;
    int result = -1;
    if (cmd->api)
        return cmd_verify_api(cmd, e);
    if (cmd->stored && !(s = cmd_store(cmd->config, false, e)))
        return -1;
    if (s)
        cmd_spool_try(cmd, cmd->config, s);
    if (cmd_verifier(cmd->config, &k.verifier, e) == 0)
        result = s ? verify_stored(&k, s, e) : verify_input(&k, e);
    seqs_release(&k.past.erased);
    seqs_release(&k.past.pruned_ms);
    verify_close(k.verifier);
    store_close(s);
    return result;
}
