/* SPDX-License-Identifier: MIT
 * cmd_list: the newest events, ids and types only. */
#include "cmd.h"
#include "cmd_json.h"

#include <stdio.h>

static void print_json(void *ctx, const struct store_event *v)
{
    (void)ctx;
    struct cmd_json *j = cmd_json_new();
    cmd_json_number(j, "schema", 1);
    cmd_json_number(j, "seq", v->seq);
    cmd_json_text(j, "endpoint", v->endpoint);
    cmd_json_text(j, "event_id", v->id);
    cmd_json_text(j, "type", v->type);
    cmd_json_text(j, "resource_type", v->resource_type);
    cmd_json_text(j, "resource_id", v->resource_id);
    cmd_json_text(j, "created_at", v->created_at);
    cmd_json_number(j, "received_ms", v->received_ms);
    cmd_json_text(j, "state", span_of(cmd_state_word(v->state)));
    cmd_json_number(j, "attempts", v->attempts);
    cmd_json_bool(j, "superseded", v->superseded);
    cmd_json_end(j);
}

static void print_row(void *ctx, const struct store_event *v)
{
    char time[32];
    int64_t *rows = ctx;
    if ((*rows)++ == 0)
        printf("%6s  %-19s  %-7s  %-8s  %-25s  %s\n", "SEQ", "RECEIVED", "STATE", "ENDPOINT", "TYPE", "EVENT ID");
    printf("%6lld  %.19s  %-7s  ", (long long)v->seq, cmd_time(v->received_ms, time), cmd_state_word(v->state));
    cmd_print_text(v->endpoint, 8);
    printf("  ");
    cmd_print_text(v->type, 25);
    printf("  ");
    cmd_print_text(v->id, 0);
    printf("\n");
}

static bool has_endpoint(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (strcmp(c->names[i], name) == 0)
            return true;
    return false;
}

int cmd_list(const struct cmd *cmd, struct err *e)
{
    int64_t rows = 0;
    if (cmd->n_types > 1)
        return err_set(e, ERR_USAGE, "list takes one --type");
    struct config *c = cmd_config_public(cmd, e);
    struct store *s = c ? cmd_store(c, false, e) : NULL;
    struct store_filter filter = cmd_filter(cmd);
    int result = s ? store_list(s, &filter, cmd->json ? print_json : print_row, &rows, e) : -1;
    if (result == 0 && rows == 0 && cmd->endpoint && !has_endpoint(c, cmd->endpoint))
        result = err_set(e, ERR_NOT_FOUND, "there is no endpoint %s, and no event of it", cmd->endpoint);
    else if (result == 0 && rows == 0 && !cmd->json)
        printf("no events\n");
    store_close(s);
    config_free(c);
    return result;
}
