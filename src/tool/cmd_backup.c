/* SPDX-License-Identifier: MIT
 * cmd_backup: copy everything into one file, while the receiver runs. */
#include "as_root.h"
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

int cmd_backup_name(const struct cmd *cmd, char *path, struct err *e)
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
    int n = inside ? snprintf(path, PATH_MAX, "%s/inbox-%s.db", real, copy_progress_stamp(cmd->now_ms, stamp))
                   : snprintf(path, PATH_MAX, "%s/%s", real, slash ? slash + 1 : cmd->operand);
    free(real);
    return n < PATH_MAX ? 0 : err_set(e, ERR_USAGE, "the path is too long");
}

static void print_json(const char *path, const struct store_backup *b)
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
    json_out_end(j);
}

static void print(const char *path, const struct store_backup *b)
{
    char size[32];
    printf("%s\n%lld events, %lld waiting, %lld dead, %lld in quarantine; %s, checked\n", path, (long long)b->events,
           (long long)b->waiting, (long long)b->dead, (long long)b->quarantined, copy_progress_size(b->bytes, size));
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

/* Root may have opened the file where its owner cannot: then it is made beside the database, and copied into that. */
static int name_work(const struct cmd *cmd, const struct config *c, const char *path, char *work, struct err *e)
{
    char base[PATH_MAX];
    if (beside_base(c->database, base, e) != 0)
        return -1;
    int n = cmd->output ? snprintf(work, PATH_MAX, "%s.backup-%ld", base, (long)getpid())
                        : snprintf(work, PATH_MAX, "%s", path);
    return n < PATH_MAX ? 0 : err_set(e, ERR_CONFIG, "the path is too long");
}

static int hand_over(const struct cmd_output *o, const char *work, struct err *e)
{
    char bytes[65536];
    struct stat st;
    int from = open(work, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool ours = from >= 0 && fstat(from, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
    ssize_t n = -1;
    while (ours && (n = read(from, bytes, sizeof bytes)) > 0)
        if (write(o->fd, bytes, (size_t)n) != n)
            break;
    bool whole = ours && n == 0 && fsync(o->fd) == 0;
    if (!whole)
        err_set(e, errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_SYSTEM, "writing %s: %s", o->path,
                strerror(errno));
    if (from >= 0)
        close(from);
    unlink(work);
    *o->complete = whole;
    return whole ? 0 : -1;
}

int cmd_backup(const struct cmd *cmd, struct err *e)
{
    char path[PATH_MAX], work[PATH_MAX];
    struct copy_progress t = {.doing = NULL};
    struct store_backup made;
    if (cmd->output)
        memcpy(path, cmd->output->path, sizeof path);
    else if (cmd_backup_name(cmd, path, e) != 0)
        return -1;
    struct config *c = cmd_config_public(cmd, e);
    struct store *s = c ? cmd_store(c, false, e) : NULL;
    struct err left = {0};
    bool whole = s && cmd_spool_first(cmd, c, s, &left) == 0;
    int result = s && name_work(cmd, c, path, work, e) == 0 ? copy_progress_begin(&t, e) : -1;
    if (result == 0) {
        struct store_teller teller = copy_progress_teller(&t);
        result = store_backup(s, work, &teller, cmd->now_ms, &made, e);
    }
    copy_progress_end(&t);
    int along = result == 0 && !whole ? take_along(cmd, c, work, &left, e) : 0; /* the backup is made all the same */
    struct err why;
    if (result == 0 && cmd->output && hand_over(cmd->output, work, &why) != 0) {
        *e = why;
        result = -1;
    }
    if (result == 0)
        (cmd->json ? print_json : print)(path, &made);
    if (result == 0)
        result = along;
    store_close(s);
    config_free(c);
    return result;
}
