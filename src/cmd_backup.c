/* SPDX-License-Identifier: MIT
 * cmd_backup: copy everything into one file, while the receiver runs. */
#include "cmd.h"
#include "cmd_json.h"
#include "cmd_spool.h"
#include "cmd_tell.h"

#include <errno.h>
#include <stdlib.h>

/* "x/" is a folder, whatever is there: a backup must not become a file that was meant to hold many. */
static int check_folder(const char *name, bool inside, struct err *e)
{
    int why = errno;
    size_t len = strlen(name);
    if (inside || !len || name[len - 1] != '/')
        return 0;
    if (why == ENOENT)
        return err_set(e, ERR_USAGE, "the folder %s is not there; make it: mkdir -m 700 %s", name, name);
    return err_set(e, ERR_USAGE, "%s is no folder that can be used: %s; name another", name, strerror(why));
}

/* The file's absolute name: in a folder one of its own, with the time. */
static int name_of(const struct cmd *cmd, char *path, struct err *e)
{
    struct stat st;
    char stamp[32], folder[PATH_MAX];
    bool inside = stat(cmd->operand, &st) == 0 && S_ISDIR(st.st_mode);
    if (check_folder(cmd->operand, inside, e) != 0)
        return -1;
    if (inside ? snprintf(folder, PATH_MAX, "%s", cmd->operand) >= PATH_MAX
               : files_folder(cmd->operand, folder, PATH_MAX) != 0)
        return err_set(e, ERR_USAGE, "the path is too long");
    char *real = realpath(folder, NULL);
    if (!real)
        return err_set(e, ERR_USAGE, "the folder %s: %s; name one that is there", folder, strerror(errno));
    const char *slash = strrchr(cmd->operand, '/');
    int n = inside ? snprintf(path, PATH_MAX, "%s/inbox-%s.db", real, cmd_tell_stamp(cmd->now_ms, stamp))
                   : snprintf(path, PATH_MAX, "%s/%s", real, slash ? slash + 1 : cmd->operand);
    free(real);
    return n < PATH_MAX ? 0 : err_set(e, ERR_USAGE, "the path is too long");
}

static void print_json(const char *path, const struct store_backup *b)
{
    struct cmd_json *j = cmd_json_new();
    cmd_json_number(j, "schema", 1);
    cmd_json_text(j, "file", span_of(path));
    cmd_json_number(j, "bytes", b->bytes);
    cmd_json_number(j, "events", b->events);
    cmd_json_number(j, "last_seq", b->last);
    cmd_json_number(j, "waiting", b->waiting);
    cmd_json_number(j, "dead", b->dead);
    cmd_json_number(j, "quarantined", b->quarantined);
    cmd_json_number(j, "inbox_without_event", b->stray);
    cmd_json_end(j);
}

static void print(const char *path, const struct store_backup *b)
{
    char size[32];
    printf("%s\n%lld events, %lld waiting, %lld dead, %lld in quarantine; %s, checked\n", path, (long long)b->events,
           (long long)b->waiting, (long long)b->dead, (long long)b->quarantined, cmd_tell_size(b->bytes, size));
    if (b->stray)
        printf("%lld rows of inbox are of no event, in the database too: somebody removed them by hand\n",
               (long long)b->stray);
}

/* What waits in the spool and cannot be recorded now is so in the copy; where events are files, these would be missing. */
static int take_along(const struct cmd *cmd, const struct config *c, const char *path, const struct err *left,
                      struct err *e)
{
    int64_t n = c->files ? -1 : cmd_spool_copy(cmd, c, path, e);
    if (n >= 0)
        fprintf(stderr, "%lld events of the spool, which cannot be recorded now, are in the backup too\n",
                (long long)n);
    if (n >= 0)
        return 0;
    if (c->files)
        *e = *left;
    return err_prefix(e, "the backup is made, but without what waits in the spool");
}

int cmd_backup(const struct cmd *cmd, struct err *e)
{
    char path[PATH_MAX];
    struct cmd_tell t = {.doing = NULL};
    struct store_backup made;
    struct config *c = name_of(cmd, path, e) == 0 ? cmd_config_public(cmd, e) : NULL;
    struct store *s = c ? cmd_store(c, false, e) : NULL;
    struct err left = {0};
    bool whole = s && cmd_spool_first(cmd, c, s, &left) == 0;
    int result = s ? cmd_tell_begin(&t, e) : -1;
    if (result == 0) {
        struct store_teller teller = cmd_tell_teller(&t);
        result = store_backup(s, path, &teller, cmd->now_ms, &made, e);
    }
    cmd_tell_end(&t);
    if (result == 0)
        (cmd->json ? print_json : print)(path, &made);
    if (result == 0 && !whole)
        result = take_along(cmd, c, path, &left, e);
    store_close(s);
    config_free(c);
    return result;
}
