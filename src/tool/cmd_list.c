/* SPDX-License-Identifier: MIT
 * cmd_list: the newest events, ids and types only. */
#include "cmd.h"
#include "event_row.h"

int cmd_list(const struct cmd *cmd, struct err *e)
{
    struct event_row row = {cmd->json, cmd->wide, cmd->now_ms, 0};
    if (cmd->n_types > 1)
        return err_set(e, ERR_USAGE, "list takes one --type");
    struct config *c = cmd_config_public(cmd, e);
    struct store *s = c ? cmd_store(c, false, e) : NULL;
    struct store_query query = cmd_query(cmd);
    int result = s ? store_read(s, &query, event_row_print, &row, e) : -1;
    if (result == 0 && row.rows == 0 && cmd->endpoint && !event_row_knows(c, cmd->endpoint))
        result = err_set(e, ERR_NOT_FOUND, "there is no endpoint %s, and no event of it", cmd->endpoint);
    else if (result == 0 && row.rows == 0 && !cmd->json)
        printf("no events\n");
    store_close(s);
    config_free(c);
    return result;
}
