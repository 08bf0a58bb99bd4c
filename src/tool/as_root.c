/* SPDX-License-Identifier: MIT
 * as_root: root opens, becomes somebody else, and gives names. */
#include "as_root.h"

#include "base/files.h"
#include "base/print.h"
#include "account.h"
#include "named.h"
#include "owner.h"
#include "receiver/begun.h"
#include "root_helper.h"
#include "secret_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a file that is made ---- */

static const char *output_name(const struct cmd_output *o)
{
    const char *slash = strrchr(o->path, '/');
    return slash ? slash + 1 : o->path;
}

/* In o->folder. */
static int output_part(const struct cmd_output *o, char *part, struct err *e)
{
    return snprintf(part, PATH_MAX, "%s.tmp", output_name(o)) < PATH_MAX
               ? 0
               : err_set(e, ERR_USAGE, "the path is too long");
}

/* Where the folder is the owner's own, it makes the file itself. */
static bool is_owners(const char *path, const struct owner *owner)
{
    char folder[PATH_MAX];
    struct stat st;
    return files_folder(path, folder, sizeof folder) == 0 && stat(folder, &st) == 0 && st.st_uid == owner->uid;
}

/* The folder as it was named, from the root. */
static int absolute_folder(const char *given, char *folder, struct err *e)
{
    char below[PATH_MAX], here[PATH_MAX] = "";
    struct stat st;
    bool inside = stat(given, &st) == 0 && S_ISDIR(st.st_mode);
    if (*given != '/' && !getcwd(here, sizeof here))
        return err_set(e, ERR_SYSTEM, "looking for the current folder: %s", strerror(errno));
    if (!inside && files_folder(given, below, sizeof below) == 0)
        given = below;
    return snprintf(folder, PATH_MAX, "%s%s%s", here, *here ? "/" : "", given) < PATH_MAX
               ? 0
               : err_set(e, ERR_USAGE, "the path is too long");
}

/* Opened first and judged then: a link of strangers leads nowhere, and what they put there afterwards does not count. */
static int open_folder(struct cmd_output *o, const char *given, const struct owner *owner, struct err *e)
{
    char folder[PATH_MAX];
    struct trust_weak weak;
    struct stat st;
    if (absolute_folder(given, folder, e) != 0)
        return -1;
    o->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->folder < 0 || fstat(o->folder, &st) != 0)
        return err_set(e, ERR_USAGE, "the folder %s: %s; name one that is there", folder, strerror(errno));
    const struct trust with = trust_in(owner->uid, st.st_uid);
    int found = trust_walk(folder, &with, false, &weak);
    if (found < 0)
        return err_set(e, ERR_USAGE, "looking at the folders of %s: %s", folder, strerror(errno));
    return found
               ? err_set(e, ERR_READONLY,
                         "root makes no file in %s: others may change %s, and could lead it elsewhere; name another "
                         "folder, or run this as the receiver's user",
                         folder, weak.path)
               : 0;
}

static int make_output(struct cmd_output *o, struct err *e)
{
    char part[PATH_MAX];
    if (faccessat(o->folder, output_name(o), F_OK, 0) == 0)
        return err_set(e, ERR_USAGE, "%s is there already; name another file", o->path);
    o->complete = mmap(NULL, sizeof *o->complete, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (o->complete == MAP_FAILED)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    if (output_part(o, part, e) != 0)
        return -1;
    o->fd = openat(o->folder, part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (o->fd < 0)
        return err_set(e, errno == EEXIST ? ERR_USAGE : ERR_READONLY, "making %s.tmp: %s%s", o->path, strerror(errno),
                       errno == EEXIST ? "; another one is at work, or was broken off: remove it then" : "");
    if (files_ensure_mode(o->fd, o->path, 0600) == 0)
        return 0;
    err_set(e, ERR_READONLY, "setting the mode of %s.tmp: %s", o->path, strerror(errno));
    unlinkat(o->folder, part, 0);
    return -1;
}

/* ---- the process that stays root ---- */

/* Wait for the process that does the work, and hand on signals; its exit code. */
static int attend(pid_t pid, const sigset_t *signals)
{
    int status = 0, signal = 0;
    while (waitpid(pid, &status, WNOHANG) == 0)
        if (sigwait(signals, &signal) == 0 && signal != SIGCHLD)
            kill(pid, signal);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Give the file its name; never returns. */
static void finish_output(const struct cmd_output *o, pid_t pid, const sigset_t *signals)
{
    char part[PATH_MAX];
    struct err e = {0};
    close(o->fd);
    int code = attend(pid, signals);
    output_part(o, part, NULL);
    if (!*o->complete)
        unlinkat(o->folder, part, 0);
    else if (fchdir(o->folder) != 0 || files_name(part, output_name(o), &e) != 0) {
        print_err("complycube-inbox: %s\n", e.msg);
        code = err_exit(e.code);
    }
    _exit(code);
}

/* In the process that goes on with 0 root is no more; the one that stays root knows its number. -1: there is no other. */
static pid_t fork_off(sigset_t *signals, struct err *e)
{
    sigset_t before;
    sigemptyset(signals);
    sigaddset(signals, SIGCHLD);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigprocmask(SIG_BLOCK, signals, &before);
    pid_t pid = fork();
    if (pid <= 0)
        sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        err_set(e, ERR_SYSTEM, "starting a process: %s", strerror(errno));
    return pid;
}

/* The process that stays root touches nothing but the file. */
static int fork_for_output(struct cmd_output *o, struct err *e)
{
    sigset_t signals;
    o->root = getpid();
    pid_t pid = fork_off(&signals, e);
    if (pid > 0)
        finish_output(o, pid, &signals);
    close(o->folder);
    return pid;
}

static int prepare_output(unsigned needs, struct cmd *cmd, const struct owner *owner, struct err *e)
{
    static struct cmd_output output = {.fd = -1, .folder = -1}; /* the command's, which outlives this call */
    struct cmd_output *o = &output;
    bool backup = needs & CMD_MAKES_BACKUP;
    if (backup && cmd_backup_name(cmd, o->path, e) != 0)
        return -1;
    if (!backup && snprintf(o->path, sizeof o->path, "%s", cmd->file) >= (int)sizeof o->path)
        return err_set(e, ERR_USAGE, "the path is too long");
    if (is_owners(o->path, owner))
        return 0;
    if (open_folder(o, backup ? cmd->operand : cmd->file, owner, e) != 0 || make_output(o, e) != 0 ||
        fork_for_output(o, e) != 0)
        return -1;
    cmd->output = o;
    return 0;
}

/* ---- all of it ---- */

/* Whoever can change what the configuration says would have root read any file for him, and post it to any host. */
static bool is_roots_alone(const char *path, bool leaf)
{
    struct trust_weak weak;
    const struct trust root = trust_in(0, 0);
    return *path && trust_walk(path, &root, leaf, &weak) == 0;
}

static void open_keys(const struct config *c)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (*c->endpoint[i].api_key_file)
            named_open_secret(c->endpoint[i].api_key_file);
}

/* A secret file that the user whom root becomes cannot replace. */
static int keep_secret_file(const struct cmd *cmd, const struct config *c, struct err *e)
{
    struct stat st;
    const struct config_endpoint *p = account_endpoint(cmd, c, e);
    if (!p || !p->secret_file || stat(p->secret_file, &st) != 0 || st.st_uid != 0 ||
        !is_roots_alone(p->secret_file, false))
        return 0;
    return secret_keeper_begin(p->secret_file, &c->trusted, cmd->secret, e);
}

static struct config *read_public(const struct cmd *cmd)
{
    struct config_env env = *cmd->env;
    env.without_secrets = true;
    if (cmd->config_file)
        env.config = cmd->config_file;
    return config_load(&env, cmd->now_ms);
}

/* The mark of init beside secrets in a folder of root's, where the user that root becomes could not make it. */
static int fork_for_mark(const struct cmd *cmd, struct err *e)
{
    sigset_t signals;
    pid_t pid = fork_off(&signals, e);
    if (pid <= 0)
        return pid;
    int code = attend(pid, &signals);
    struct config *c = code == 0 ? read_public(cmd) : NULL;
    char folder[PATH_MAX];
    if (c && c->n_endpoints && c->endpoint[0].secret_file &&
        files_folder(c->endpoint[0].secret_file, folder, sizeof folder) == 0 && is_roots_alone(folder, true))
        begun_mark(c);
    _exit(code);
}

static int find_owner(const struct cmd *cmd, unsigned needs, struct owner *owner, struct err *e)
{
    struct config *c = read_public(cmd);
    if (!c)
        return err_set(e, ERR_MEMORY, "reading the configuration: out of memory");
    int result = owner_find(c, cmd->database ? cmd->database : c->database, owner, e);
    bool trusted = result == 0 && owner->uid != 0 && is_roots_alone(c->path, true);
    if (trusted && needs & CMD_KEYS)
        open_keys(c);
    if (trusted && needs & CMD_ADDS_SECRET && cmd->secret && !cmd->dry_run && text_is_name(span_of(cmd->secret)))
        result = keep_secret_file(cmd, c, e);
    config_free(c);
    return result;
}

int as_root_become(unsigned needs, struct cmd *cmd, struct err *e)
{
    struct owner owner = {.uid = 0};
    cmd->root = geteuid() == 0;
    if (cmd->root && find_owner(cmd, needs, &owner, e) != 0)
        return -1;
    if (owner.uid == 0)
        return 0;
    if (needs & CMD_READS) {
        char *const file[] = {(char *)(uintptr_t)cmd->file, NULL};
        named_open(cmd->file ? file : cmd->operands);
    }
    bool makes = needs & CMD_MAKES_BACKUP || (needs & CMD_MAKES_FILE && cmd->file);
    if ((makes && prepare_output(needs, cmd, &owner, e) != 0) ||
        (needs & CMD_MARKS && owner.named && fork_for_mark(cmd, e) != 0) ||
        (needs & CMD_ASKS_ROOT && root_helper_begin(e) != 0) || owner_become(&owner, e) != 0)
        return -1;
    /* Not sooner: a process that changes its user no longer gets its parent-death signal. */
    if (cmd->output && (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != cmd->output->root))
        return err_set(e, ERR_SYSTEM, "the process that stays root has ended");
    return 0;
}
