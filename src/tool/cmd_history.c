/* SPDX-License-Identifier: MIT
 * cmd_history: what was changed by hand: when, by whom, why. */
#include "base/print.h"
#include "base/when.h"
#include "cmd.h"
#include "csv.h"
#include "json_out.h"

#include <stdlib.h>

struct view {
    const struct cmd *cmd;
    int64_t rows;
};

static void put_state(struct json_out *j, const char *name, int state)
{
    json_out_text(j, name, state >= 0 ? span_of(cmd_state_word(state)) : (struct span){0});
}

static void print_history_json(const struct store_past *p)
{
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "id", p->id);
    json_out_number(j, "at_ms", p->at_ms);
    json_out_text(j, "action", p->action);
    if (p->seq)
        json_out_number(j, "seq", p->seq);
    else
        json_out_text(j, "seq", (struct span){0});
    json_out_text(j, "endpoint", p->endpoint);
    json_out_text(j, "event_id", p->event_id);
    json_out_text(j, "type", p->type);
    put_state(j, "from_state", p->from);
    put_state(j, "to_state", p->to);
    json_out_number(j, "n", p->n);
    json_out_text(j, "os_user", p->user);
    json_out_text(j, "sudo_user", p->sudo_user);
    json_out_text(j, "host", p->host);
    json_out_text(j, "reason", p->reason);
    json_out_text(j, "detail", p->detail);
    json_out_print(j);
}

static void print_history_names(void)
{
    static const char *const names[] = {"id",   "at",         "action",   "seq",    "endpoint", "event_id",
                                        "type", "from_state", "to_state", "events", "os_user",  "sudo_user",
                                        "host", "reason",     "detail",   NULL};
    csv_names(names);
}

static void print_history_csv(const struct store_past *p)
{
    struct csv c = {0};
    csv_number(&c, p->id);
    csv_time(&c, p->at_ms);
    csv_text(&c, p->action);
    csv_number(&c, p->seq ? p->seq : -1);
    csv_text(&c, p->endpoint);
    csv_text(&c, p->event_id);
    csv_text(&c, p->type);
    csv_text(&c, span_of(p->from >= 0 ? cmd_state_word(p->from) : NULL));
    csv_text(&c, span_of(p->to >= 0 ? cmd_state_word(p->to) : NULL));
    csv_number(&c, p->n);
    csv_text(&c, p->user);
    csv_text(&c, p->sudo_user);
    csv_text(&c, p->host);
    csv_text(&c, p->reason);
    csv_text(&c, p->detail);
    csv_end(&c);
}

/* "alice (root)@host": who became that user, where it was by sudo. */
static void print_who(const struct store_past *p)
{
    char who[160];
    if (!p->user.at)
        snprintf(who, sizeof who, "plain SQL");
    else if (p->sudo_user.at)
        snprintf(who, sizeof who, "%.*s (%.*s)@%.*s", (int)p->sudo_user.len, p->sudo_user.at, (int)p->user.len,
                 p->user.at, (int)p->host.len, p->host.at);
    else
        snprintf(who, sizeof who, "%.*s@%.*s", (int)p->user.len, p->user.at, (int)p->host.len, p->host.at);
    print_text(stdout, span_of(who), 0);
}

/* Two lines: what, and below it by whom and why, which may be long. */
static void print_history_text(const struct store_past *p)
{
    char time[32];
    print_out("%.19s  ", when_time(p->at_ms, time));
    print_text(stdout, p->action, 8);
    if (p->seq)
        print_out("  %8lld  ", (long long)p->seq);
    else
        print_out("  %8s  ", p->n > 1 ? "many" : "-");
    if (p->to >= 0 && p->from >= 0)
        print_out("%s to %s", cmd_state_word(p->from), cmd_state_word(p->to));
    else if (p->to >= 0)
        print_out("%s", cmd_state_word(p->to));
    if (p->n > 1)
        print_out("%lld events", (long long)p->n);
    if (p->detail.at) {
        print_out("%s", p->to >= 0 || p->n > 1 ? "; " : "");
        print_text(stdout, p->detail, 0);
    }
    print_out("\n%19s  ", "by");
    print_who(p);
    if (p->reason.at) {
        print_out(": ");
        print_text(stdout, p->reason, 0);
    }
    print_out("\n");
}

static void print_history_row(void *ctx, const struct store_past *p)
{
    struct view *v = ctx;
    if (v->cmd->json)
        print_history_json(p);
    else if (v->cmd->csv)
        print_history_csv(p);
    else {
        if (v->rows == 0)
            print_out("%-19s  %-8s  %8s  %s\n", "WHEN", "ACTION", "EVENT", "CHANGE");
        print_history_text(p);
    }
    v->rows++;
}

int cmd_history(const struct cmd *cmd, struct err *e)
{
    struct view v = {.cmd = cmd};
    int64_t *seqs = NULL, n = cmd->operand ? cmd_select(cmd, cmd->store, NULL, &seqs, e) : 1;
    int result = n < 0 ? -1 : 0;
    if (cmd->csv && result == 0)
        print_history_names();
    for (int64_t i = 0; i < n && result == 0; i++)
        result = store_history(cmd->store, seqs ? seqs[i] : 0, cmd->since_ms, cmd->before_ms, cmd->limit,
                               print_history_row, &v, e);
    free(seqs);
    if (result == 0 && v.rows == 0 && !cmd->json && !cmd->csv)
        print_out("nothing was changed by hand\n");
    return result;
}
