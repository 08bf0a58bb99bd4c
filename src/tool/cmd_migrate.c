/* SPDX-License-Identifier: MIT
 * cmd_migrate: bring the database up to this program's schema, after a backup, while the receiver runs. */
#include "base/clock.h"
#include "base/print.h"
#include "cmd.h"
#include "copy_progress.h"
#include "json_out.h"
#include "store/beside.h"

static void print_migrate_step(const struct cmd *cmd, const struct store_step *step)
{
    if (!cmd->json) {
        print_out("%-8s  %-7s  %s\n", step->remade ? "replaced" : "made", step->kind, step->name);
        return;
    }
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "kind", span_of(step->kind));
    json_out_text(j, "name", span_of(step->name));
    json_out_bool(j, "replaced", step->remade);
    json_out_print(j);
}

static void warn_of_index(void *ctx, const struct store_step *step)
{
    (void)ctx;
    if (step->rows > 100000)
        print_err("the index %s is made of %lld rows; events wait meanwhile, or come again\n", step->name,
                  (long long)step->rows);
}

static int back_up_first(const struct cmd *cmd, struct err *e)
{
    char base[PATH_MAX], path[PATH_MAX], stamp[32];
    struct copy_progress t;
    struct store_backup made;
    beside_base(cmd->config->database, base, NULL);
    if (snprintf(path, sizeof path, "%s.before-migrate-%s", base, copy_progress_stamp(cmd->now_ms, stamp)) >=
        (int)sizeof path)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    if (copy_progress_begin(&t, e) != 0)
        return -1;
    struct store_teller teller = copy_progress_teller(&t);
    int failed = store_backup(cmd->store, path, &teller, cmd->now_ms, &made, e);
    copy_progress_end(&t);
    if (failed)
        return e->code == ERR_FULL ? err_prefix(e, "a backup first, or --no-backup")
                                   : err_prefix(e, "a backup first");
    if (!cmd->json)
        print_out("%-8s  %-7s  %s\n", "made", "backup", path);
    return 0;
}

int cmd_migrate(const struct cmd *cmd, struct err *e)
{
    struct cmd_who who;
    struct store_actor by = cmd_actor(cmd, &who);
    struct store_step step;
    int more, missing = store_missing(cmd->store, warn_of_index, NULL, e);
    if (missing == 0 && !cmd->json)
        print_out("nothing to do: the database has this program's schema\n");
    if (missing <= 0)
        return missing;
    if (!cmd->no_backup && back_up_first(cmd, e) != 0)
        return -1;
    do {
        int64_t begun_ms = clock_ms();
        more = store_migrate(cmd->store, &by, clock_time_ms(), &step, e);
        if (more > 0) {
            print_migrate_step(cmd, &step);
            cmd_let_others(clock_ms() - begun_ms);
        }
    } while (more > 0);
    return more;
}
