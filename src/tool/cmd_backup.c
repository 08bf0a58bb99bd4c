/* SPDX-License-Identifier: MIT
 * cmd_backup: copy everything into one file, while the receiver runs. */
#include "as_root.h"
#include "base/print.h"
#include "base/shared.h"
#include "cmd.h"
#include "cmd_spool.h"
#include "copy_progress.h"
#include "json_out.h"
#include "store/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* "x/" is a folder, whatever is there: a backup must not become a file that was meant to hold many. */
static int refuse_missing_folder(const char *name, int why, struct err *e)
{
    size_t len = strlen(name);
    if (!len || name[len - 1] != '/')
        return 0;
    if (why == ENOENT)
        return err_set(e, ERR_USAGE, "the folder %s is not there; make it: mkdir -m 700 %s", name, name);
    return err_set(e, ERR_USAGE, "%s is no folder that can be used: %s; name another", name, strerror(why));
}

int cmd_backup_name(const struct cmd *cmd, char *path, struct err *e)
{
    struct stat st;
    char stamp[32], folder[PATH_MAX];
    bool there = stat(cmd->operand, &st) == 0, is_folder = there && S_ISDIR(st.st_mode);
    if (!is_folder && refuse_missing_folder(cmd->operand, there ? ENOTDIR : errno, e) != 0)
        return -1;
    if (is_folder ? snprintf(folder, PATH_MAX, "%s", cmd->operand) >= PATH_MAX
                  : files_folder(cmd->operand, folder, PATH_MAX) != 0)
        return err_set(e, ERR_USAGE, "the path is too long");
    char *real = realpath(folder, NULL);
    if (!real)
        return err_set(e, ERR_USAGE, "the folder %s: %s; name one that is there", folder, strerror(errno));
    const char *slash = strrchr(cmd->operand, '/');
    int n = is_folder ? snprintf(path, PATH_MAX, "%s/inbox-%s.db", real, copy_progress_stamp(cmd->now_ms, stamp))
                      : snprintf(path, PATH_MAX, "%s/%s", real, slash ? slash + 1 : cmd->operand);
    free(real);
    return n < PATH_MAX ? 0 : err_set(e, ERR_USAGE, "the path is too long");
}

static void print_backup_json(const char *path, const struct store_backup *b)
{
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "file", span_of(path));
    json_out_number(j, "bytes", b->bytes);
    json_out_number(j, "events", b->events);
    json_out_number(j, "last_seq", b->last);
    json_out_number(j, "waiting", b->waiting);
    json_out_number(j, "dead", b->dead);
    json_out_number(j, "quarantined", b->quarantined);
    json_out_number(j, "inbox_without_event", b->stray);
    json_out_print(j);
}

static void print_backup(const char *path, const struct store_backup *b)
{
    char size[32];
    print_out("%s\n%lld events, %lld waiting, %lld dead, %lld in quarantine; %s, checked\n", path,
              (long long)b->events, (long long)b->waiting, (long long)b->dead, (long long)b->quarantined,
              copy_progress_size(b->bytes, size));
    if (b->stray)
        print_out("%lld rows of inbox are of no event, in the database too: somebody removed them by hand\n",
                  (long long)b->stray);
}

/* What waits in the spool and cannot be recorded now is so in the copy; where events are files, these would be missing. */
static int take_along(const struct cmd *cmd, const char *path, const struct err *left, struct err *e)
{
    int64_t n = cmd->config->files ? -1 : cmd_spool_copy(cmd, cmd->config, path, e);
    if (n >= 0)
        print_err("%lld events of the spool, which cannot be recorded now, are in the backup too\n", (long long)n);
    if (n >= 0)
        return 0;
    if (cmd->config->files)
        *e = *left;
    return err_prefix(e, "the backup is made, but without what waits in the spool");
}

/* Root may have opened the file where its owner cannot: then it is made beside the database, and copied into that. */
static int name_work(const struct cmd *cmd, const char *path, char *work, struct err *e)
{
    char base[PATH_MAX];
    if (beside_base(cmd->config->database, base, e) != 0)
        return -1;
    int n = cmd->output ? snprintf(work, PATH_MAX, "%s.backup-%ld", base, (long)getpid())
                        : snprintf(work, PATH_MAX, "%s", path);
    return n < PATH_MAX ? 0 : err_set(e, ERR_CONFIG, "the path is too long");
}

static int hand_over(const struct cmd_output *o, const char *work, struct err *e)
{
    char bytes[65536];
    struct stat st;
    int from = shared_open(AT_FDCWD, work, O_RDONLY, &st);
    bool ours = from >= 0 && st.st_uid == geteuid();
    ssize_t n = -1;
    while (ours && (n = read(from, bytes, sizeof bytes)) > 0)
        if (write(o->fd, bytes, (size_t)n) != n)
            break;
    bool whole = ours && n == 0 && fsync(o->fd) == 0;
    if (!whole)
        err_set(e, err_is_full(errno) ? ERR_FULL : ERR_SYSTEM, "writing %s: %s", o->path, strerror(errno));
    if (from >= 0)
        close(from);
    unlink(work);
    *o->complete = whole;
    return whole ? 0 : -1;
}

static int copy_store(const struct cmd *cmd, const char *work, struct store_backup *made, struct err *e)
{
    struct copy_progress t;
    if (copy_progress_begin(&t, e) != 0)
        return -1;
    struct store_teller teller = copy_progress_teller(&t);
    int result = store_backup(cmd->store, work, &teller, cmd->now_ms, made, e);
    copy_progress_end(&t);
    return result;
}

int cmd_backup(const struct cmd *cmd, struct err *e)
{
    char path[PATH_MAX], work[PATH_MAX];
    struct store_backup made;
    struct err left = {0}, why = {0};
    if (cmd->output)
        memcpy(path, cmd->output->path, sizeof path);
    else if (cmd_backup_name(cmd, path, e) != 0)
        return -1;
    bool whole = cmd_spool_first(cmd, cmd->config, cmd->store, &left) == 0;
    if (name_work(cmd, path, work, e) != 0 || copy_store(cmd, work, &made, e) != 0)
        return -1;
    int along = whole ? 0 : take_along(cmd, work, &left, &why);
    if (cmd->output && hand_over(cmd->output, work, e) != 0)
        return -1;
    (cmd->json ? print_backup_json : print_backup)(path, &made);
    if (along != 0) /* the backup is made all the same */
        *e = why;
    return along;
}
