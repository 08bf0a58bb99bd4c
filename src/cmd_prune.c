/* SPDX-License-Identifier: MIT
 * cmd_prune: remove what is done and older than `retain`. */
#include "cmd.h"
#include "cmd_json.h"

#include <stdio.h>

static int prune(const struct cmd *cmd, const struct config *c, struct err *e)
{
    if (!c->files)
        return err_set(e, ERR_CONFIG,
                       "inbox = \"table\" has no files of done events; prune is for the directory form");
    if (!c->retain_ms)
        return err_set(e, ERR_CONFIG, "retain is empty, so all is kept; write retain = \"90d\"");
    struct store *s = cmd_store(c, false, e);
    int64_t n = s ? store_prune(s, cmd->now_ms - c->retain_ms, e) : -1;
    store_close(s);
    if (n < 0)
        return -1;
    if (!cmd->json)
        return printf("%lld removed from %s\n", (long long)n, c->directory) < 0 ? -1 : 0;
    struct cmd_json *j = cmd_json_new();
    cmd_json_number(j, "schema", 1);
    cmd_json_number(j, "removed", n);
    cmd_json_end(j);
    return 0;
}

int cmd_prune(const struct cmd *cmd, struct err *e)
{
    struct config *c = cmd_config_public(cmd, e);
    int result = c ? prune(cmd, c, e) : -1;
    config_free(c);
    return result;
}
