/* SPDX-License-Identifier: MIT
 * beside: the folder of the receiver's own files. */
#include "beside.h"

#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MODE = 02750, LOCK_MODE = 0600, FILE_MODE = 0640 };

/* What these names end with: moved when the folder is made. */
static const struct {
    const char *suffix; /* and whatever follows, where it ends in '-' or '.' */
    mode_t mode;
} kinds[] = {{".refused", FILE_MODE}, {".missed", FILE_MODE}, {".before-", 0600}, {".deleted-", 0600}};

static int refuse_planted(const char *own, const char *what, struct err *e)
{
    return err_set(e, ERR_READONLY, "%s %s; only the receiver's user may have made it: look at it and remove it", own,
                   what);
}

/* Is it a folder that only the owner of the database's folder may write? 1; 0: there is none; -1 and *e. */
static int look_for_own(const char *database, const char *own, struct err *e)
{
    char folder[PATH_MAX];
    struct stat st, above;
    if (lstat(own, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES
                   ? 0
                   : err_set(e, ERR_READONLY, "looking at %s: %s", own, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return refuse_planted(own, "is no folder", e);
    if (files_folder(database, folder, sizeof folder) != 0 || stat(folder, &above) != 0)
        return 0;
    if (st.st_uid != above.st_uid && st.st_uid != 0)
        return refuse_planted(own, "belongs to another user than the folder that it is in", e);
    return st.st_mode & (S_IWGRP | S_IWOTH) ? refuse_planted(own, "may be written by others", e) : 1;
}

static const char *own_name_of(const char *database)
{
    const char *slash = strrchr(database, '/');
    return slash ? slash + 1 : database;
}

static int own_of(const char *database, char *own, struct err *e)
{
    return snprintf(own, PATH_MAX, "%s" BESIDE_OWN, database) < PATH_MAX
               ? 0
               : err_set(e, ERR_CONFIG, "the database's path is too long");
}

int beside_base(const char *database, char *base, struct err *e)
{
    char own[PATH_MAX];
    int there = own_of(database, own, e) == 0 ? look_for_own(database, own, e) : -1;
    const char *name = own_name_of(database);
    if (there == 1 && snprintf(base, PATH_MAX, "%s/%s", own, name) >= PATH_MAX)
        there = err_set(e, ERR_CONFIG, "the database's path is too long");
    if (there != 1)
        snprintf(base, PATH_MAX, "%s", database);
    return there < 0 ? -1 : 0;
}

/* ---- making it ---- */

/* A file that this user owns under one name, and nothing else: 0 and its descriptor in *fd, or -1. */
static int open_ours(int folder, const char *name, nlink_t names, int *fd)
{
    struct stat st;
    *fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd >= 0 && fstat(*fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink <= names && st.st_uid == geteuid())
        return 0;
    if (*fd >= 0)
        close(*fd);
    return -1;
}

/* Whatever cannot be moved stays where it is: it is of no use to whoever follows the new name. */
static void move_into_own(int folder, int own, const char *name, mode_t mode, bool *changed)
{
    int fd;
    if (open_ours(folder, name, 1, &fd) != 0)
        return;
    if (fchmod(fd, mode) == 0 && renameat(folder, name, own, name) == 0)
        *changed = true;
    close(fd);
}

static void share_lock(int folder, int own, const char *database, bool *changed)
{
    char name[NAME_MAX + 1];
    int fd;
    if (snprintf(name, sizeof name, "%s.lock", own_name_of(database)) >= (int)sizeof name ||
        open_ours(folder, name, 1, &fd) != 0)
        return;
    if (fchmod(fd, LOCK_MODE) == 0 && linkat(folder, name, own, name, 0) == 0)
        *changed = true;
    close(fd);
}

static void move_all(int folder, int own, const char *database, bool *changed)
{
    const char *base = own_name_of(database);
    size_t n = strlen(base);
    int again = dup(folder);
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    for (const struct dirent *p; list && (p = readdir(list));)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            size_t m = strlen(kinds[i].suffix);
            bool begins = strncmp(p->d_name, base, n) == 0 && strncmp(p->d_name + n, kinds[i].suffix, m) == 0;
            if (begins && (kinds[i].suffix[m - 1] == '-' || p->d_name[n + m] == '\0'))
                move_into_own(folder, own, p->d_name, kinds[i].mode, changed);
        }
    if (list)
        closedir(list);
    else if (again >= 0)
        close(again);
}

/* Made under another name and with the lock in it: whoever sees the folder finds the lock there. */
static int make_own(const char *database, const char *own, int folder, gid_t group, struct err *e)
{
    char new[PATH_MAX];
    bool made = false;
    if (snprintf(new, sizeof new, "%s.new", own) >= (int)sizeof new)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    if (files_make_dir(new, MODE, group, NULL, e) != 0 || look_for_own(database, new, e) < 0)
        return -1;
    int into = open(new, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (into < 0)
        return err_set(e, ERR_READONLY, "opening %s: %s", new, strerror(errno));
    share_lock(folder, into, database, &made);
    fsync(into);
    close(into);
    if (rename(new, own) != 0 && errno != EEXIST && errno != ENOTEMPTY) /* another process was first */
        return err_set(e, ERR_READONLY, "naming %s: %s", own, strerror(errno));
    return 0;
}

int beside_make(const char *database, gid_t group, bool *changed, struct err *e)
{
    char own[PATH_MAX], above[PATH_MAX];
    struct stat st;
    bool any = false;
    if (group == (gid_t)-1)
        return 0;
    if (own_of(database, own, e) != 0 || files_folder(database, above, sizeof above) != 0)
        return -1;
    if (stat(above, &st) == 0 && st.st_uid != geteuid()) /* its owner could put another in its place */
        return 0;
    int there = look_for_own(database, own, e), into = -1;
    int folder = there < 0 ? -1 : open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC), failed = -1;
    if (there < 0)
        return -1;
    if (folder < 0 || (there == 0 && make_own(database, own, folder, group, e) != 0) ||
        (into = open(own, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0) {
        if (folder < 0 || there)
            err_set(e, ERR_READONLY, "opening %s: %s", folder < 0 ? above : own, strerror(errno));
        goto out;
    }
    any = there == 0;
    move_all(folder, into, database, &any);
    failed =
        fsync(into) != 0 || fsync(folder) != 0 ? err_set(e, ERR_SYSTEM, "flushing %s: %s", own, strerror(errno)) : 0;
    if (changed)
        *changed |= any;
out:
    if (into >= 0)
        close(into);
    if (folder >= 0)
        close(folder);
    return failed;
}
