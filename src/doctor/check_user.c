/* SPDX-License-Identifier: MIT
 * check_user: for whom the report speaks, and what a user may do. */
#include "base/shared.h"
#include "doctor.h"
#include "tool/root_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int doctor_try(const struct passwd *who, struct doctor_path *paths, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (!who || who->pw_uid == geteuid())
            paths[i].error = faccessat(AT_FDCWD, paths[i].path, paths[i].mode, AT_EACCESS) == 0 ? 0 : errno;
        else if ((paths[i].error = root_helper_try(who, paths[i].path, paths[i].mode)) < 0)
            return err_set(e, ERR_SYSTEM, "no process could become the user %s", who->pw_name);
    return 0;
}

bool doctor_blocked(const struct passwd *who, const char *path, char *out)
{
    struct err e = {0};
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        struct doctor_path p = {.mode = X_OK};
        size_t len = slash == path ? 1 : (size_t)(slash - path);
        if (len >= PATH_MAX)
            return false;
        memcpy(p.path, path, len); /* the rest is zero */
        if (doctor_try(who, &p, 1, &e) != 0)
            return false;
        if (p.error == EACCES) {
            memcpy(out, p.path, len + 1);
            return true;
        }
    }
    return false;
}

bool doctor_member(const struct passwd *who, gid_t group)
{
    gid_t list[256];
    int n = sizeof list / sizeof *list;
    if (getgrouplist(who->pw_name, who->pw_gid, list, &n) < 0)
        n = sizeof list / sizeof *list; /* of more than these the rest is not known */
    for (int i = 0; i < n; i++)
        if (list[i] == group)
            return true;
    return false;
}

/* glibc's group_member, which other C libraries lack, and with the group that counts for files. */
static bool is_my_group(gid_t group)
{
    int n = getgroups(0, NULL);
    gid_t *list = n > 0 ? calloc((size_t)n, sizeof *list) : NULL;
    bool found = group == getegid();
    for (int i = list ? getgroups(n, list) : 0; i > 0 && !found; i--)
        found = list[i - 1] == group;
    free(list);
    return found;
}

void doctor_step_pass(const struct doctor *d, struct finding *f, const struct passwd *who, const char *folder)
{
    struct stat st;
    uid_t uid = who ? who->pw_uid : geteuid();
    bool seen = stat(folder, &st) == 0;
    bool member = seen && (who ? doctor_member(who, st.st_gid) : is_my_group(st.st_gid));
    bool may = d->cmd->root || (seen && st.st_uid == geteuid());
    finding_step(f, "chmod %s %q%s",
                 seen && st.st_uid == uid ? "u+x"
                 : member                 ? "g+x"
                                          : "o+x",
                 folder, may ? "" : "  # as root");
}

/* SQLite's files, the lock and the counts are never opened by a link, whoever made it, and the store names it. */
static bool is_refused(const struct doctor *d, const char *path, const struct stat *st)
{
    size_t n = strlen(d->database);
    bool side = strncmp(path, d->database, n) == 0 && path[n] == '-';
    return !S_ISREG(st->st_mode) || (side && st->st_nlink > 1);
}

bool doctor_is_planted(struct doctor *d, const char *path, bool folder)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return false;
    if (!folder)
        return is_refused(d, path, &st);
    char text[PATH_MAX];
    if (!S_ISLNK(st.st_mode) || shared_link(AT_FDCWD, path, text) == 0) /* a link that may be followed */
        return false;
    struct finding f =
        finding_of(FINDING_WRONG, "planted", "whoever made it may have meant another file to be changed");
    finding_step(&f,
                 "by hand: find out who put it there, and remove it; what it stands for may have another name now");
    doctor_tell(d, &f, "%s is a symbolic link of user %d", path, (int)st.st_uid);
    return true;
}

/* Root may do anything, so for root it is the owner of the folder that is judged: the receiver makes its files there. */
static void for_root(struct doctor *d)
{
    char folder[PATH_MAX];
    struct stat st;
    bool found = files_folder(d->database, folder, sizeof folder) == 0 && stat(folder, &st) == 0;
    const struct passwd *p = geteuid() != 0 ? getpwuid(geteuid()) : NULL;
    if (p && strlen(p->pw_name) < sizeof d->user_name) { /* what getpwuid gives is overwritten by the next call */
        memcpy(d->user_name, p->pw_name, strlen(p->pw_name) + 1);
        d->user_is = (struct passwd){.pw_name = d->user_name, .pw_uid = p->pw_uid, .pw_gid = p->pw_gid};
        d->user = &d->user_is;
        doctor_ok(d, "user", "rights are judged for %s, the owner of %s, since root may do anything", d->user_name,
                  folder);
        return;
    }
    struct finding f =
        finding_of(FINDING_WARNING, "user", "root may do anything, so this tells nothing about the receiver's user");
    finding_step(
        &f, "by hand: run it as the web server's user: su -s /bin/sh www-data -c '...', or sudo -u www-data ...");
    doctor_tell(d, &f, "rights are judged for root, and %s belongs to root too", found ? folder : d->database);
}

static bool is_other(const struct stat *st)
{
    return st->st_uid != 0 && st->st_uid != geteuid() && !is_my_group(st->st_gid);
}

/* A user who neither owns the database's folder nor belongs to its group cannot be the receiver. A folder owned by root
 * says nothing, but the file in it may; without one the folder is to be given to whoever runs this. If a folder on the way
 * cannot be passed, its owner is taken for the receiver. */
static bool is_stranger(const struct doctor *d, struct stat *st)
{
    char folder[PATH_MAX], blocked[PATH_MAX];
    if (d->cmd->root || files_folder(d->database, folder, sizeof folder) != 0)
        return false;
    if (doctor_blocked(NULL, d->database, blocked))
        return stat(blocked, st) == 0 && is_other(st);
    if (stat(folder, st) != 0)
        return false;
    return st->st_uid == 0 ? stat(d->database, st) == 0 && is_other(st) : is_other(st);
}

/* Its report on rights would be useless, and its cures would give the receiver's files away. */
static void tell_stranger(struct doctor *d, uid_t owner)
{
    char name[40], you[40], sudo[60], command[80];
    struct finding f =
        finding_of(FINDING_WRONG, "user", "what is right for this user would be wrong for the receiver");
    snprintf(sudo, sizeof sudo, "sudo -u %s ", doctor_owner(owner, name));
    doctor_step_run(d, &f, sudo, "doctor", NULL);
    finding_step(&f, "by hand: for the rights of a consumer's user:");
    snprintf(command, sizeof command, "doctor --as %s", doctor_owner(geteuid(), name));
    doctor_step_run(d, &f, "sudo ", command, NULL);
    doctor_tell(d, &f, "you are %s; the receiver's files belong to %s", doctor_owner(geteuid(), you),
                doctor_owner(owner, name));
}

int doctor_user(struct doctor *d, struct err *e)
{
    struct stat st;
    char name[40];
    const char *as = d->cmd->as;
    if (as && !getpwnam(as))
        return err_set(e, ERR_USAGE, "--as %s: there is no such user", as);
    if (as && !d->cmd->root && getpwnam(as)->pw_uid != geteuid())
        return err_set(e, ERR_USAGE, "--as %s: only root can try what another user may do; run this as root", as);
    if (is_stranger(d, &st)) {
        tell_stranger(d, st.st_uid);
        return 1;
    }
    if (d->cmd->root)
        for_root(d);
    else
        doctor_ok(d, "user", "rights are judged for %s, who runs this", doctor_owner(geteuid(), name));
    return 0;
}
