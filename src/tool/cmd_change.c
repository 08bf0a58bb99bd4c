/* SPDX-License-Identifier: MIT
 * cmd_change: requeue, ack and dead: events change by hand, each with a line in the history. */
#include "base/clock.h"
#include "base/print.h"
#include "cmd.h"
#include "event_row.h"
#include "json_out.h"
#include "progress.h"

#include <stdlib.h>

enum { TOLD_MAX = 20 /* lines about events that stay as they are */ };

/* What a subcommand does, and to what where the command line only has a filter. */
struct verb {
    const char *name;
    enum store_change change;
    int standard; /* state */
    const char *did, *would, *unfit;
};

static const struct verb verbs[] = {
    {"requeue", STORE_REQUEUE, 2, "wait again", "would wait again", "waits already, or a worker has it"},
    {"ack", STORE_CHANGE_ACK, 0, "are done", "would be done", "is done already"},
    {"dead", STORE_CHANGE_DEAD, 0, "are dead", "would be dead", "does not wait"},
};

/* Of the subcommand, which is one of them. */
static const struct verb *find_change(const struct cmd *cmd)
{
    const struct verb *verb = verbs;
    while (strcmp(verb->name, cmd->name) != 0)
        verb++;
    return verb;
}

struct change {
    const struct cmd *cmd;
    const struct verb *verb;
    int64_t n[STORE_MISSING + 1];
};

static const char *reason_of(const struct change *c, enum store_changed result)
{
    switch (result) {
    case STORE_UNCHANGED: return c->verb->unfit;
    case STORE_ERASED: return "is erased: nothing is left to hand on";
    case STORE_MISSING: return "is not there any more";
    default: return "";
    }
}

static void report_change(void *ctx, int64_t seq, enum store_changed result)
{
    static const char *const words[] = {"changed", "unchanged", "erased", "missing"};
    struct change *c = ctx;
    int64_t told = c->n[STORE_UNCHANGED] + c->n[STORE_ERASED] + c->n[STORE_MISSING];
    c->n[result]++;
    if (c->cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_number(j, "seq", seq);
        json_out_text(j, "result", span_of(words[result]));
        json_out_print(j);
    } else if (result != STORE_CHANGED && told < TOLD_MAX) {
        print_out("%6lld  %s\n", (long long)seq, reason_of(c, result));
    } else if (result != STORE_CHANGED && told == TOLD_MAX) {
        print_out("   ...  and more\n");
    }
}

static int change_events(struct change *c, struct store *s, const int64_t *seqs, int64_t n, struct err *e)
{
    struct cmd_who who;
    struct store_actor by = cmd_actor(c->cmd, &who);
    struct progress progress = progress_begin(n);
    int64_t done = 0, more = 0;
    while (done < n && more >= 0) {
        int64_t begun_ms = clock_ms();
        more = store_change(s, c->verb->change, seqs + done, n - done, &by, clock_time_ms(), report_change, c, e);
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

/* What would be changed is told as it stands, and may be looked at with list. */
static void report_chosen(const struct change *c, const int64_t *seqs, int64_t n)
{
    for (int64_t i = 0; i < n && c->cmd->json; i++) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_number(j, "seq", seqs[i]);
        json_out_text(j, "result", span_of("chosen"));
        json_out_print(j);
    }
    if (c->cmd->json)
        return;
    for (int64_t i = 0; i < n && i < TOLD_MAX; i++)
        print_out("%6lld  %s\n", (long long)seqs[i], c->verb->would);
    if (n > TOLD_MAX)
        print_out("   ...\n");
    print_out("%lld chosen; nothing was changed\n", (long long)n);
}

static int finish_change(const struct change *c, struct err *e)
{
    int64_t left = c->n[STORE_UNCHANGED] + c->n[STORE_ERASED] + c->n[STORE_MISSING];
    if (!c->cmd->json && left)
        print_out("%lld %s, %lld stay as they were\n", (long long)c->n[STORE_CHANGED], c->verb->did, (long long)left);
    else if (!c->cmd->json)
        print_out("%lld %s\n", (long long)c->n[STORE_CHANGED], c->verb->did);
    if (!left || !c->cmd->operand)
        return 0;
    return err_set(e, ERR_NOT_FOUND, "%lld of the named events were not changed", (long long)left);
}

int cmd_change_arguments(const struct cmd *cmd, struct err *e)
{
    if (cmd->n_types > 1 || (cmd->ignored && cmd->state >= 0))
        return err_set(e, ERR_USAGE,
                       cmd->ignored ? "--ignored and --state exclude each other" : "one --type, please");
    if (cmd->operand ? cmd_selects(cmd) : !cmd_selects(cmd))
        return err_set(e, ERR_USAGE, "name the events, or say which with options, as --state %s",
                       cmd_state_word(find_change(cmd)->standard));
    return 0;
}

int cmd_change(const struct cmd *cmd, struct err *e)
{
    struct change c = {.cmd = cmd, .verb = find_change(cmd)};
    struct store_query f = cmd_query(cmd);
    f.limit = INT64_MAX;
    f.state = cmd->ignored ? 3 : cmd->state >= 0 ? cmd->state : c.verb->standard;
    int64_t *seqs = NULL, n = cmd_select(cmd, cmd->store, &f, &seqs, e);
    int result = n < 0 ? -1 : 0;
    if (n == 0 && cmd->endpoint && !config_has_endpoint(cmd->config, cmd->endpoint))
        result = err_set(e, ERR_NOT_FOUND, "there is no endpoint %.63s, and no event of it", cmd->endpoint);
    else if (n >= 0 && cmd->dry_run)
        report_chosen(&c, seqs, n);
    else if (n >= 0)
        result = change_events(&c, cmd->store, seqs, n, e) == 0 ? finish_change(&c, e) : -1;
    free(seqs);
    return result;
}
