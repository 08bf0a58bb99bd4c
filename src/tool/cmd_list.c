/* SPDX-License-Identifier: MIT
 * cmd_list: the newest events, ids and types only. */
#include "base/print.h"
#include "cmd.h"
#include "event_row.h"

#include <unistd.h>

int cmd_list_arguments(const struct cmd *cmd, struct err *e)
{
    return cmd_form_arguments(cmd, e) == 0 ? cmd_type_arguments(cmd, e) : -1;
}

int cmd_list(const struct cmd *cmd, struct err *e)
{
    struct event_row row = {
        .json = cmd->json, .csv = cmd->csv, .wide = cmd->wide, .now_ms = cmd->now_ms, .notes = isatty(STDOUT_FILENO)};
    struct store_query query = cmd_query(cmd);
    if (cmd->csv)
        event_row_print_names();
    if (store_read(cmd->store, &query, event_row_print, &row, e) != 0)
        return -1;
    if (row.rows == 0 && cmd->endpoint && !config_has_endpoint(cmd->config, cmd->endpoint))
        return err_set(e, ERR_NOT_FOUND, "there is no endpoint %s, and no event of it", cmd->endpoint);
    if (row.rows == 0 && !cmd->json && !cmd->csv)
        print_out("no events\n");
    return 0;
}
