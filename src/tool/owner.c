/* SPDX-License-Identifier: MIT
 * owner: finding and becoming it. */
#include "owner.h"

#include "base/core.h"
#include "base/trust.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const how[] = {"belongs to another user", "may be written by a group", "may be written by anyone"};

static int refuse_root(const char *path, const struct trust_weak *weak, struct err *e)
{
    return err_set(
        e, ERR_READONLY,
        "root does not act on %s: %s %s, who could lead it elsewhere; run this as the receiver's user, or give "
        "the database's folder to that user",
        path, weak->path, how[weak->why]);
}

/* Root itself acts where only root could have arranged what it will find. */
static int check_path(const char *path, bool leaf, struct err *e)
{
    const struct trust root = trust_in(0, 0);
    struct trust_weak weak;
    int found = trust_walk(path, &root, leaf, &weak);
    if (found < 0)
        return err_set(e, ERR_READONLY, "looking at the folders of %s: %s", path, strerror(errno));
    return found ? refuse_root(path, &weak, e) : 0;
}

/* A folder where others may add names is not root's alone, sticky or not. */
static int check_shared(const char *folder, const struct stat *st, struct err *e)
{
    struct trust_weak weak = {.st = *st, .why = st->st_mode & S_IWOTH ? TRUST_OTHERS : TRUST_GROUP};
    bool shared = st->st_mode & S_IWOTH || (st->st_mode & S_IWGRP && st->st_gid != 0);
    snprintf(weak.path, sizeof weak.path, "%s", folder);
    return shared ? refuse_root(folder, &weak, e) : 0;
}

static int check_config(const struct config *c, struct err *e)
{
    struct stat file;
    struct trust_weak weak = {.why = TRUST_OWNER};
    if (!*c->path)
        return 0; /* the environment is root's own */
    snprintf(weak.path, sizeof weak.path, "%s", c->path);
    if (stat(c->path, &file) == 0 && file.st_uid != 0)
        return refuse_root(c->path, &weak, e);
    return check_path(c->path, false, e);
}

/* Events lie in these too. */
static int check_others(const struct config *c, struct err *e)
{
    if (c->files && check_path(c->directory, true, e) != 0)
        return -1;
    return *c->spool ? check_path(c->spool, true, e) : 0;
}

static int check_root(const struct config *c, const char *folder, const struct stat *st, struct err *e)
{
    return check_shared(folder, st, e) != 0 || check_path(folder, true, e) != 0 || check_others(c, e) != 0 ||
                   check_config(c, e) != 0
               ? -1
               : 0;
}

/* Only root gives a user a group that it is no member of, and only if root wrote that down. */
static gid_t group_of(const struct config *c, bool named)
{
    const struct group *group = *c->group && named ? getgrnam(c->group) : NULL;
    return group ? group->gr_gid : (gid_t)-1;
}

static int take_groups(const struct owner *o)
{
    gid_t list[NGROUPS_MAX];
    int n = NGROUPS_MAX - 1;
    if (!*o->name)
        n = 0;
    else if (getgrouplist(o->name, o->gid, list, &n) < 0)
        return -1;
    if (o->group != (gid_t)-1)
        list[n++] = o->group;
    return setgroups((size_t)n, list);
}

int owner_find(const struct config *c, const char *database, struct owner *o, struct err *e)
{
    char folder[PATH_MAX], above[PATH_MAX];
    struct stat st;
    *o = (struct owner){.uid = 0};
    if (!database || !*database || files_folder(database, folder, sizeof folder) != 0)
        return 0;
    while (stat(folder, &st) != 0) { /* it is still to be made */
        if (errno != ENOENT || strcmp(folder, "/") == 0 || strcmp(folder, ".") == 0)
            return err_set(e, ERR_READONLY, "the folder %s: %s", folder, strerror(errno));
        files_folder(folder, above, sizeof above);
        memcpy(folder, above, sizeof folder);
    }
    if (st.st_uid == 0)
        return check_root(c, folder, &st, e);
    const struct passwd *user = getpwuid(st.st_uid);
    o->uid = st.st_uid;
    o->named = check_config(c, NULL) == 0;
    o->group = group_of(c, o->named);
    o->gid = user ? user->pw_gid : st.st_gid;
    if (user && strlen(user->pw_name) < sizeof o->name)
        memcpy(o->name, user->pw_name, strlen(user->pw_name) + 1);
    return 0;
}

int owner_become(const struct owner *o, struct err *e)
{
    bool failed = take_groups(o) != 0 || setresgid(o->gid, o->gid, o->gid) != 0 ||
                  setresuid(o->uid, o->uid, o->uid) != 0 || core_forbid() != 0;
    if (failed)
        return err_set(e, ERR_SYSTEM, "becoming the owner of the database's folder, user %u: %s", (unsigned)o->uid,
                       strerror(errno));
    return setuid(0) == 0 ? err_set(e, ERR_SYSTEM, "user %u can become root again", (unsigned)o->uid) : 0;
}
