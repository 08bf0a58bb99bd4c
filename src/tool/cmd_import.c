/* SPDX-License-Identifier: MIT
 * cmd_import: saved events are taken in, as the receiver would, with what they have behind them. */
#include "base/clock.h"
#include "base/hex.h"
#include "base/print.h"
#include "base/text.h"
#include "cmd.h"
#include "event/decode.h"
#include "export_line.h"
#include "import_read.h"
#include "json_out.h"
#include "progress.h"

#include <errno.h>
#include <stdlib.h>

enum { BATCH_BYTES = 4 << 20, TOLD_MAX = 20 };

enum result { IMPORTED, DUPLICATE, QUARANTINED, REFUSED, RESULTS };

struct item {
    struct export_line line;
    struct buf plain; /* a body that was UTF-16 */
    char where[300], secret[SECRETS_NAME_MAX + 1];
    struct event event;
    struct err why;
    struct record record;
    struct record_past past;
};

struct import {
    const struct cmd *cmd;
    struct verifier *verifier;
    struct progress progress;
    struct item *items; /* STORE_BATCH_MAX of them */
    size_t n, bytes;
    int64_t count[RESULTS], told;
    bool failed; /* a batch could not be recorded: *e says why */
    struct err e;
};

/* ---- telling ---- */

static void report_item(struct import *x, const char *where, struct span id, enum result result, const char *why)
{
    static const char *const words[] = {"imported", "duplicate", "quarantined", "refused"};
    x->count[result]++;
    if (x->cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_text(j, "from", span_of(where));
        json_out_text(j, "event_id", id);
        json_out_text(j, "result", span_of(words[result]));
        json_out_text(j, "why", span_of(why));
        json_out_print(j);
        return;
    }
    if (result == IMPORTED || (result != REFUSED && x->told >= TOLD_MAX))
        return;
    x->told++;
    progress_end(&x->progress);
    print_out("%s: %s%s%s\n", where, result == DUPLICATE ? "is here already" : words[result], why ? ": " : "",
              why ? why : "");
    if (x->told == TOLD_MAX && result != REFUSED)
        print_out("... and more, of which only what is refused is told\n");
}

/* ---- whose body it is ---- */

/* The endpoint's name as the configuration has it, which lives long enough. */
static const char *find_endpoint_name(const struct import *x, struct span named)
{
    struct span wanted = named.at ? named : span_of(x->cmd->endpoint);
    for (size_t i = 0; i < x->cmd->config->n_endpoints; i++)
        if (wanted.at ? span_equal(wanted, span_of(x->cmd->config->names[i])) : x->cmd->config->n_endpoints == 1)
            return x->cmd->config->names[i];
    return NULL;
}

/* Unverified, or erased, so that there is nothing to verify. */
static const struct verified *take_unverified(const struct import *x, struct item *item, size_t slot)
{
    const struct export_line *line = &item->line;
    uint8_t signature[VERIFY_DIGEST];
    const char *endpoint = find_endpoint_name(x, line->endpoint);
    bool has_signature =
        line->signature.at && hex_decode(span_trim(line->signature), signature, sizeof signature) == 0;
    *item->secret = '\0';
    if (line->erased_ms && text_is_name(line->secret)) /* it was verified when it came */
        snprintf(item->secret, sizeof item->secret, "%.*s", (int)line->secret.len, line->secret.at);
    if (endpoint)
        return verify_trusted(x->verifier, slot, endpoint, item->secret, has_signature ? signature : NULL,
                              line->body);
    err_set(&item->why, ERR_NOT_FOUND, "its endpoint is %s; name one that is, with --endpoint",
            line->endpoint.at ? "not in the configuration" : "not told");
    return NULL;
}

/*
 * Take back what an editor or a shell does to a body when it saves it: a byte order mark, UTF-16, a newline at the end. The
 * signature then says whether these are the bytes that came. False: there was nothing of that.
 */
static bool restore_body(struct item *item)
{
    struct span *body = &item->line.body;
    size_t mark, used, was = body->len;
    enum text_encoding encoding = text_encoding(*body, &mark);
    body->at += mark;
    body->len -= mark;
    if (encoding != TEXT_UTF8) {
        item->plain.len = 0;
        if (buf_room(&item->plain, text_utf8_size(*body) + 1, SIZE_MAX / 2) <= text_utf8_size(*body))
            return false;
        size_t len = text_from_utf16(*body, encoding, item->plain.at, &used);
        *body = (struct span){item->plain.at, len};
    }
    while (body->len && (body->at[body->len - 1] == '\n' || body->at[body->len - 1] == '\r'))
        body->len--;
    return encoding != TEXT_UTF8 || body->len != was;
}

static const struct verified *take_body(const struct import *x, struct item *item, size_t slot)
{
    if (x->cmd->unverified || item->line.erased_ms) {
        restore_body(item);
        return take_unverified(x, item, slot);
    }
    const struct verified *v = verify_body(x->verifier, slot, item->line.signature, item->line.body, &item->why);
    if (!v && item->why.code == ERR_SIGNATURE && restore_body(item))
        v = verify_body(x->verifier, slot, item->line.signature, item->line.body, &item->why);
    if (!v && item->why.code == ERR_SIGNATURE)
        err_set(&item->why, ERR_SIGNATURE, "%s; add the secret it was signed with, retired, or use --unverified",
                item->line.signature.len ? "its signature matches no configured secret" : "it has no signature");
    return v;
}

/* ---- the event in it ---- */

static bool is_field(struct span text) { return text.len >= 1 && text.len <= EVENT_FIELD_MAX; }

/* What was erased stands in its line only. */
static int decode_erased(struct item *item)
{
    const struct export_line *line = &item->line;
    if (!is_field(line->event_id) || !is_field(line->type) || line->resource_type.len > EVENT_FIELD_MAX)
        return err_set(&item->why, ERR_UNDECODABLE, "event_id and type have 1 to 255 bytes");
    item->event = (struct event){.id = line->event_id,
                                 .type = line->type,
                                 .resource_type = line->resource_type,
                                 .created_ms = line->created_ms ? line->created_ms : -1};
    item->past.payload_sha256 = (struct span){(const char *)line->digest, VERIFY_DIGEST};
    return 0;
}

static void decode_body(const struct import *x, struct item *item)
{
    struct record *r = &item->record;
    if (decode_event(r->verified, &item->event, &item->why) != 0)
        r->reason = item->why.msg;
    if (item->line.quarantined) {
        snprintf(item->why.msg, sizeof item->why.msg, "%.*s", (int)item->line.reason.len,
                 item->line.reason.at ? item->line.reason.at : "");
        r->reason = item->why.msg;
    }
    r->ignored = !r->reason && !config_wants(x->cmd->config, verified_endpoint(r->verified), item->event.type);
}

static int prepare_item(struct import *x, struct item *item, size_t slot)
{
    const struct export_line *line = &item->line;
    item->why = (struct err){0};
    item->past = (struct record_past){.received_ms = line->received_ms ? line->received_ms : clock_time_ms(),
                                      .state = line->state_number,
                                      .attempts = line->attempts,
                                      .done_ms = line->done_ms,
                                      .error = line->error,
                                      .erased_ms = line->erased_ms,
                                      .last_ms = line->last_ms,
                                      .times = line->times};
    item->record = (struct record){.event = &item->event, .past = &item->past};
    item->record.verified = take_body(x, item, slot);
    if (!item->record.verified || (line->erased_ms && decode_erased(item) != 0))
        return -1;
    if (!line->erased_ms)
        decode_body(x, item);
    struct record_past *past = &item->past;
    bool waits = past->state == STORE_STATE_WAITING || (past->state < 0 && !item->record.ignored);
    if (x->cmd->done && waits) {
        past->state = STORE_STATE_DONE;
        past->done_ms = clock_time_ms();
    }
    if (line->erased_ms && past->state != STORE_STATE_IGNORED)
        past->state = STORE_STATE_DONE; /* nothing is left to hand on */
    return 0;
}

/* ---- batches ---- */

static void report_outcome(struct import *x, const struct item *item)
{
    const struct record *r = &item->record;
    switch (r->outcome) {
    case STORE_DUPLICATE: report_item(x, item->where, r->event->id, DUPLICATE, NULL); break;
    case STORE_QUARANTINED:
        report_item(x, item->where, r->event->id, QUARANTINED, r->reason ? r->reason : r->err.msg);
        break;
    case STORE_REFUSED: report_item(x, item->where, r->event->id, REFUSED, r->err.msg); break;
    case STORE_NEW:
    case STORE_IGNORED: report_item(x, item->where, r->event->id, IMPORTED, NULL); break;
    default: report_item(x, item->where, r->event->id, REFUSED, "the store did not say that it has it");
    }
}

static void record_items(struct import *x)
{
    struct record *batch[STORE_BATCH_MAX];
    int64_t begun_ms = clock_ms();
    for (size_t i = 0; i < x->n; i++)
        batch[i] = &x->items[i].record;
    if (x->n && store_record(x->cmd->store, batch, x->n, clock_time_ms(), &x->e) != 0) {
        x->failed = true;
        err_prefix(&x->e, "%s", x->items[0].where);
    }
    int64_t took_ms = clock_ms() - begun_ms;
    for (size_t i = 0; i < x->n && !x->failed; i++)
        report_outcome(x, &x->items[i]);
    progress_draw(&x->progress, x->count[IMPORTED], NULL);
    if (x->n)
        cmd_let_others(took_ms);
    x->n = x->bytes = 0;
}

/* The item that is being read becomes one of the batch, when it is good. */
static void add_item(struct import *x)
{
    struct item *item = &x->items[x->n];
    if (prepare_item(x, item, x->n) != 0) {
        report_item(x, item->where, item->line.event_id, REFUSED, item->why.msg);
        return;
    }
    x->n++;
    x->bytes += item->line.body.len;
    if (x->n == STORE_BATCH_MAX || x->bytes > BATCH_BYTES)
        record_items(x);
}

static bool refuse_source(void *ctx, const char *from, const char *why)
{
    struct import *x = ctx;
    report_item(x, from, (struct span){0}, REFUSED, why);
    return !x->failed;
}

static bool take_exported_line(void *ctx, const char *from, int64_t number, struct span text)
{
    struct import *x = ctx;
    struct item *item = &x->items[x->n];
    struct err why = {0};
    snprintf(item->where, sizeof item->where, "%.250s:%lld", from, (long long)number);
    if (export_line_read(&item->line, text, &why) == 0)
        add_item(x);
    else
        report_item(x, item->where, (struct span){0}, REFUSED, why.msg);
    return !x->failed;
}

static bool take_exact_body(void *ctx, const char *path, struct span body, struct span signature)
{
    struct import *x = ctx;
    struct item *item = &x->items[x->n];
    struct buf *data = &item->line.data;
    data->len = 0;
    item->line = (struct export_line){.data = *data, .state_number = -1};
    snprintf(item->where, sizeof item->where, "%.298s", path);
    if (buf_room(&item->line.data, body.len + signature.len + 1, SIZE_MAX / 2) < body.len + signature.len)
        return refuse_source(x, path, "out of memory");
    char *at = item->line.data.at;
    memcpy(at, body.at ? body.at : "", body.len);
    memcpy(at + body.len, signature.at ? signature.at : "", signature.len);
    item->line.body = (struct span){at, body.len};
    if (signature.at)
        item->line.signature = (struct span){at + body.len, signature.len};
    add_item(x);
    return !x->failed;
}

/* ---- the whole ---- */

static int finish_import(struct import *x, struct err *e)
{
    struct cmd_who who;
    struct store_actor by = cmd_actor(x->cmd, &who);
    record_items(x);
    progress_end(&x->progress);
    int64_t n = x->count[IMPORTED] + x->count[QUARANTINED];
    const char *detail = x->cmd->unverified ? "unverified" : NULL;
    if (n && store_add_history(x->cmd->store, "import", n, detail, &by, clock_time_ms(), x->failed ? NULL : e) != 0 &&
        !x->failed)
        return -1;
    if (!x->cmd->json)
        print_out("%lld imported, %lld were here already, %lld are in quarantine, %lld refused\n",
                  (long long)x->count[IMPORTED], (long long)x->count[DUPLICATE], (long long)x->count[QUARANTINED],
                  (long long)x->count[REFUSED]);
    if (x->failed) {
        *e = x->e;
        return -1;
    }
    return x->count[REFUSED] == 0 ? 0
                                  : err_set(e, ERR_NOT_FOUND, "%lld were refused, and are not in the inbox",
                                            (long long)x->count[REFUSED]);
}

static int import_all(struct import *x, struct err *e)
{
    x->items = calloc(STORE_BATCH_MAX, sizeof *x->items);
    if (!x->items)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    if (x->cmd->endpoint && !find_endpoint_name(x, (struct span){0}))
        return err_set(e, ERR_NOT_FOUND, "there is no endpoint %.63s", x->cmd->endpoint);
    if ((x->cmd->unverified ? verify_open_keyless(&x->verifier, e) : cmd_verifier(x->cmd->config, &x->verifier, e)) !=
        0)
        return -1;
    x->progress = progress_begin(0);
    const struct import_taker taker = {x, take_exported_line, take_exact_body, refuse_source};
    for (char *const *path = x->cmd->operands; *path && !x->failed; path++)
        import_read(&taker, *path);
    return finish_import(x, e);
}

int cmd_import(const struct cmd *cmd, struct err *e)
{
    struct import x = {.cmd = cmd};
    int result = import_all(&x, e);
    for (size_t i = 0; x.items && i < STORE_BATCH_MAX; i++)
        buf_release(&x.items[i].line.data), buf_release(&x.items[i].plain);
    free(x.items);
    verify_close(x.verifier);
    return result;
}
