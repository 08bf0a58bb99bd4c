/* SPDX-License-Identifier: MIT
 * cmd_erase: what is stored of a person is emptied, in the database, the directory and quarantine. */
#include "base/clock.h"
#include "base/print.h"
#include "cmd_spool.h"
#include "json_out.h"
#include "person.h"
#include "progress.h"
#include "store/store_file.h"

#include <stdlib.h>

enum { PASSES_MAX = 20 };

struct erase {
    const struct cmd *cmd;
    struct store *store;
    struct person person;
    struct store_actor by;
    int64_t now_ms; /* of the whole run, by which it is known again */
    int64_t n[STORE_MISSING + 1], quarantined;
    int64_t ids[500], n_ids; /* rows of quarantine that are to go */
};

static void report_erased(void *ctx, int64_t seq, enum store_changed result)
{
    struct erase *x = ctx;
    x->n[result]++;
    if (!x->cmd->json || result != STORE_CHANGED)
        return;
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "seq", seq);
    json_out_text(j, "result", span_of("erased"));
    json_out_print(j);
}

static int erase_events(struct erase *x, const int64_t *seqs, int64_t n, struct err *e)
{
    struct progress progress = progress_begin(n);
    int64_t done = 0, more = 0;
    while (done < n && more >= 0) {
        int64_t begun_ms = clock_ms();
        more = store_erase(x->store, STORE_ERASE, seqs + done, n - done, &x->by, x->now_ms, report_erased, x, e);
        done += more > 0 ? more : 0;
        progress_draw(&progress, done, NULL);
        if (done < n && more > 0)
            cmd_let_others(clock_ms() - begun_ms);
    }
    progress_end(&progress);
    if (more < 0 && done)
        return err_prefix(e, "after %lld of %lld events", (long long)done, (long long)n);
    return more < 0 ? -1 : 0;
}

/* ---- quarantine ---- */

static void report_quarantined(struct erase *x, int64_t id, const char *result)
{
    x->quarantined++;
    if (!x->cmd->json)
        return;
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "quarantine", id);
    json_out_text(j, "result", span_of(result));
    json_out_print(j);
}

static void choose_quarantined(void *ctx, const struct store_quarantined *row)
{
    struct erase *x = ctx;
    if (x->n_ids < (int64_t)(sizeof x->ids / sizeof *x->ids) && person_means_row(&x->person, row))
        x->ids[x->n_ids++] = row->id;
}

static int empty_rows(struct erase *x, struct err *e)
{
    int64_t begun_ms = clock_ms();
    if (x->n_ids == 0)
        return 0;
    if (!x->cmd->dry_run && store_erase_quarantined(x->store, x->ids, x->n_ids, &x->by, x->now_ms, e) < 0)
        return -1;
    for (int64_t i = 0; i < x->n_ids; i++)
        report_quarantined(x, x->ids[i], x->cmd->dry_run ? "chosen" : "erased");
    cmd_let_others(clock_ms() - begun_ms);
    return 0;
}

static int erase_quarantined(struct erase *x, struct err *e)
{
    for (int64_t at = INT64_MIN; at != INT64_MAX;) {
        x->n_ids = 0;
        if (store_walk_quarantine(x->store, &at, x->now_ms, choose_quarantined, x, e) != 0 || empty_rows(x, e) != 0)
            return -1;
    }
    return 0;
}

/* ---- a look before ---- */

static void print_chosen(void *ctx, const struct store_event *v)
{
    struct erase *x = ctx;
    if (v->erased_ms)
        return;
    x->n[STORE_CHANGED]++;
    if (x->cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_number(j, "seq", v->seq);
        json_out_text(j, "event_id", v->id);
        json_out_text(j, "type", v->type);
        json_out_text(j, "result", span_of("chosen"));
        json_out_print(j);
        return;
    }
    print_out("%6lld  %-7s  ", (long long)v->seq, cmd_state_word(v->state));
    print_text(stdout, v->type, 25);
    print_out("  ");
    print_text(stdout, v->id, 0);
    print_out("\n");
}

static int show_chosen(struct erase *x, const int64_t *seqs, int64_t n, struct err *e)
{
    struct store_query q = {.state = -1, .seqs = seqs, .n_seqs = n, .log_only = true};
    int more = n > 0;
    while (more > 0)
        more = store_read(x->store, &q, print_chosen, x, e);
    if (more < 0 || erase_quarantined(x, e) != 0)
        return -1;
    if (!x->cmd->json)
        print_out("%lld events and %lld of quarantine chosen; nothing was changed\n", (long long)x->n[STORE_CHANGED],
                  (long long)x->quarantined);
    return 0;
}

/* ---- the whole ---- */

/* The database's own files hold what was there until they are written over. */
static int scrub(struct store *s, struct err *e)
{
    struct err why = {0};
    struct progress progress = progress_begin(0);
    int64_t at = 0, begun_ms = clock_ms();
    int more;
    while ((more = store_scrub(s, &at, &why)) > 0) {
        progress_draw(&progress, at, " pages looked through");
        cmd_let_others(clock_ms() - begun_ms);
        begun_ms = clock_ms();
    }
    progress_end(&progress);
    if (more == 0)
        return 0;
    if (why.code == ERR_BUSY)
        return err_set(e, ERR_BUSY,
                       "emptied, but a program that reads the database keeps its log, which still has it; end that "
                       "program (fuser DATABASE names it) and run the same command again");
    *e = why;
    return err_prefix(e, "emptied, but the database's files may still have it");
}

/* Of a resource that was the client's, events that came since nothing names the client any more. */
static int erase_resource(struct erase *x, const char *id, struct err *e)
{
    struct store_query f = cmd_query(x->cmd);
    int64_t *seqs = NULL;
    f.client_id = NULL;
    f.resource_id = id;
    f.limit = INT64_MAX;
    int64_t n = store_select(x->store, STORE_MATCHING, &f, &seqs, e);
    int result = n < 0 ? -1 : erase_events(x, seqs, n, e);
    free(seqs);
    return result;
}

/* What has come meanwhile. */
static int erase_more(struct erase *x, struct err *e)
{
    struct person more;
    int64_t *seqs = NULL, n = person_select(&more, x->cmd, x->store, true, &seqs, e);
    int result = n < 0 || erase_quarantined(x, e) != 0 || erase_events(x, seqs, n, e) != 0 ? -1 : 0;
    if (n >= 0 && person_add(&x->person, &more) != 0)
        result = err_set(e, ERR_MEMORY, "choosing events: out of memory");
    for (size_t i = 0; i < x->person.n && result == 0 && x->cmd->client_id; i++)
        result = erase_resource(x, x->person.ids[i], e);
    free(seqs);
    if (n >= 0)
        person_release(&more);
    return result;
}

/*
 * Quarantine goes first, and what names the client last: should this be broken off, whatever is left is found again. Then
 * again, until nothing has come meanwhile.
 */
static int erase_person(struct erase *x, const int64_t *seqs, int64_t n, struct err *e)
{
    bool ids = x->cmd->client_id || x->cmd->resource_id;
    if (erase_quarantined(x, e) != 0 || erase_events(x, seqs, n, e) != 0 || erase_quarantined(x, e) != 0)
        return -1;
    int64_t before = ids && n ? -1 : x->n[STORE_CHANGED];
    for (int i = 0; i < PASSES_MAX && before != x->n[STORE_CHANGED]; i++) {
        before = x->n[STORE_CHANGED];
        if (erase_more(x, e) != 0)
            return -1;
    }
    return before == x->n[STORE_CHANGED]
               ? 0
               : err_set(e, ERR_BUSY, "events of it go on coming; run the same command again when they have ended");
}

/* Nothing of an id comes back from ComplyCube's API, even if no event has it. */
static int forget_names(struct erase *x, struct err *e)
{
    const char *const ids[] = {x->cmd->client_id, x->cmd->resource_id};
    const struct config *c = x->cmd->config;
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; ids[i] && k < c->n_endpoints; k++)
            if ((!x->cmd->endpoint || strcmp(x->cmd->endpoint, c->names[k]) == 0) &&
                store_forget(x->store, c->names[k], ids[i], &x->by, x->now_ms, e) != 0)
                return -1;
    return 0;
}

static int erase_or_show(struct erase *x, const int64_t *seqs, int64_t n, struct err *e)
{
    if (x->cmd->dry_run)
        return show_chosen(x, seqs, n, e);
    int result = erase_person(x, seqs, n, e);
    if (result == 0)
        result = forget_names(x, e);
    if (result == 0)
        result = scrub(x->store, e);
    else
        store_flush(x->store, NULL); /* what was emptied so far */
    if (x->cmd->json)
        return result;
    print_out("%lld events and %lld of quarantine erased", (long long)x->n[STORE_CHANGED], (long long)x->quarantined);
    if (x->n[STORE_ERASED])
        print_out(", %lld were already", (long long)x->n[STORE_ERASED]);
    print_out("\n");
    if ((x->cmd->client_id || x->cmd->resource_id) && !x->n[STORE_CHANGED] && !x->quarantined)
        print_out("nothing here names that id; where it was not erased before, compare the id\n");
    return result;
}

/* What waits in the spool may be of that person too. */
static int record_first(const struct cmd *cmd, struct err *e)
{
    struct err why = {0};
    if (cmd->dry_run && cmd_spool_expect_empty(cmd->config, &why) != 0)
        print_err("complycube-inbox: without what waits in the spool: %s\n", why.msg);
    if (cmd->dry_run || cmd_spool_first(cmd, cmd->config, cmd->store, e) == 0)
        return 0;
    return err_prefix(e, "nothing is erased while events wait outside the database");
}

/* Either events by name or a filter; and a reason, which is kept for ever, so it must not hold what is to be forgotten. */
int cmd_erase_arguments(const struct cmd *cmd, struct err *e)
{
    const char *const ids[] = {cmd->client_id, cmd->resource_id};
    bool selects = cmd->client_id || cmd->resource_id || cmd->before_ms;
    if (cmd->operand ? selects || cmd->since_ms || cmd->endpoint : !selects)
        return err_set(e, ERR_USAGE, "say whose events: --client ID, --resource ID or --before TIME; or name them");
    if (!cmd->dry_run && (!cmd->reason || !*cmd->reason))
        return err_set(e, ERR_USAGE, "what is erased never comes back: say why, with --reason TEXT, for the history");
    for (int i = 0; i < 2; i++) {
        if (ids[i] && !*ids[i])
            return err_set(e, ERR_USAGE, "an empty id is none");
        if (ids[i] && cmd->reason && strstr(cmd->reason, ids[i]))
            return err_set(e, ERR_USAGE,
                           "the reason names the id that is to be forgotten, and is kept; name a ticket, say");
    }
    return 0;
}

int cmd_erase(const struct cmd *cmd, struct err *e)
{
    struct cmd_who who;
    int64_t *seqs = NULL, n;
    int result = -1;
    struct erase *x = calloc(1, sizeof *x);
    if (!x)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    *x = (struct erase){.cmd = cmd, .store = cmd->store, .now_ms = cmd->now_ms, .by = cmd_actor(cmd, &who)};
    if (record_first(cmd, e) != 0 || (n = person_select(&x->person, cmd, x->store, true, &seqs, e)) < 0 ||
        erase_or_show(x, seqs, n, e) != 0)
        goto out;
    cmd_spool_foreign(cmd->config);
    if (!cmd->dry_run && cmd_spool_expect_empty(cmd->config, e) != 0) {
        e->code = ERR_BUSY;
        err_prefix(e, "erased, but events came meanwhile; run the same command again");
        goto out;
    }
    result = 0;
out:
    free(seqs);
    person_release(&x->person);
    free(x);
    return result;
}
