/* SPDX-License-Identifier: MIT
 * cmd_init: make the database and its folder, and say what was made. */
#include "base/print.h"
#include "cmd.h"
#include "cmd_spool.h"
#include "json_out.h"
#include "receiver/begun.h"
#include "receiver/receiver.h"
#include "store/beside.h"
#include "store/maildir/maildir.h"
#include "store/store_file.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

static void print_made(const struct cmd *cmd, const char *path, bool made, bool changed)
{
    struct stat st;
    char mode[16];
    if (stat(path, &st) != 0)
        return;
    const struct passwd *user = getpwuid(st.st_uid);
    const struct group *group = getgrgid(st.st_gid);
    const char *owner = user ? user->pw_name : "?", *group_name = group ? group->gr_name : "?";
    snprintf(mode, sizeof mode, "%04o", (unsigned)(st.st_mode & 07777));
    if (!cmd->json) {
        print_out("%-13s  %s  %s:%s  %s\n",
                  made      ? "made"
                  : changed ? "changed"
                            : "already there",
                  mode, owner, group_name, path);
        return;
    }
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "path", span_of(path));
    json_out_bool(j, "made", made);
    json_out_bool(j, "changed", changed);
    json_out_text(j, "mode", span_of(mode));
    json_out_text(j, "owner", span_of(owner));
    json_out_text(j, "group", span_of(group_name));
    json_out_print(j);
}

/* What its owner cannot write, SQLite gives its side files too. */
static int make_writable(const char *path, bool *changed, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) != 0 || (st.st_mode & 0600) == 0600)
        return 0;
    return files_fit(path, (st.st_mode & 07777) | 0600, st.st_gid, changed, e);
}

/* Whoever may replace a secret file may give it any name beside the database: no mode is widened then. */
static bool keeps_modes(const struct config *c)
{
    struct trust_weak weak;
    return config_first_exposed(c, &weak) != NULL;
}

/*
 * The folder that consumers share. The sticky bit keeps each user from replacing what is another's there: SQLite's side files
 * stay where a consumer cannot remove them, as they do with SQLITE_FCNTL_PERSIST_WAL.
 */
enum { SHARED = 03770 };

/* The receiver's own files leave the folder that consumers share. */
static int init_own(const struct cmd *cmd, const struct config *c, const char *folder, gid_t group, struct err *e)
{
    char own[PATH_MAX];
    struct stat st;
    bool changed = false;
    if (group == (gid_t)-1 || keeps_modes(c) || (stat(folder, &st) == 0 && st.st_uid != geteuid()))
        return 0;
    if (files_fit(folder, SHARED, group, &changed, e) != 0)
        return -1;
    if (changed)
        print_made(cmd, folder, false, true);
    bool there = snprintf(own, sizeof own, "%s" BESIDE_OWN, c->database) < (int)sizeof own && access(own, F_OK) == 0;
    changed = false;
    if (beside_make(c->database, group, &changed, e) != 0)
        return -1;
    print_made(cmd, own, !there, changed);
    return 0;
}

/* A group that was configured after the files were made is theirs from now on. */
static int fit_group(const struct cmd *cmd, const struct config *c, bool made, gid_t group, struct err *e)
{
    const char *path = c->database;
    if (keeps_modes(c)) {
        print_made(cmd, path, made, false);
        return 0;
    }
    char name[PATH_MAX + 8];
    for (size_t i = 0; store_files[i]; i++) {
        bool changed = false;
        snprintf(name, sizeof name, "%s%s", path, store_files[i]);
        if (group != (gid_t)-1 ? files_fit(name, 0660, group, &changed, e) != 0
                               : make_writable(name, &changed, e) != 0)
            return -1;
        if (i == 0 || changed)
            print_made(cmd, name, i == 0 && made, changed);
    }
    return 0;
}

/* The folders of the directory form: the open store has made them. */
static int init_directory(const struct cmd *cmd, const struct config *c, bool made, gid_t group, struct err *e)
{
    char path[PATH_MAX];
    bool changed = false;
    if (group != (gid_t)-1 && !keeps_modes(c) && maildir_fit(c->directory, group, &changed, e) != 0)
        return -1;
    print_made(cmd, c->directory, made, changed);
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (snprintf(path, sizeof path, "%s/%s", c->directory, c->names[i]) < (int)sizeof path)
            print_made(cmd, path, made, changed);
    return 0;
}

static int init_spool(const struct cmd *cmd, const struct config *c, gid_t group, struct err *e)
{
    bool made = false, changed = false;
    if (!*c->spool)
        return 0;
    if (cmd_spool_make(c, group, &made, &changed, e) != 0)
        return -1;
    print_made(cmd, c->spool, made, changed);
    return 0;
}

int cmd_init(const struct cmd *cmd, struct err *e)
{
    const struct config *c = cmd->config;
    char folder[PATH_MAX];
    struct store_options o;
    bool made_folder = false;
    if (receiver_store_options(c, true, &o, e) != 0 || config_may_begin(c, e) != 0)
        return -1;
    if (files_folder(c->database, folder, sizeof folder) != 0)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    if (files_make_dir(folder, o.group == (gid_t)-1 ? 0700 : SHARED, o.group, &made_folder, e) != 0)
        return -1;
    if (keeps_modes(c))
        print_err("complycube-inbox: files keep their modes as long as secrets could be replaced (doctor)\n");
    struct files_stamp before = files_look(c->database), none = {0};
    struct files_stamp files_before = files_look(c->directory);
    print_made(cmd, folder, made_folder, false);
    if (store_probe(&o, e) != 0 && e->code != ERR_READONLY) /* what is not ours is left as it is */
        return -1;
    if (init_own(cmd, c, folder, o.group, e) != 0)
        return -1;
    if (!files_print_equal(&before, &none) && fit_group(cmd, c, false, o.group, e) != 0) /* or it cannot be opened */
        return -1;
    struct store *s = cmd_store(c, true, e);
    if (!s)
        return -1;
    store_close(s);
    begun_mark(c);
    if (files_print_equal(&before, &none) && fit_group(cmd, c, true, o.group, e) != 0)
        return -1;
    if (c->files && init_directory(cmd, c, files_print_equal(&files_before, &none), o.group, e) != 0)
        return -1;
    return init_spool(cmd, c, o.group, e);
}
