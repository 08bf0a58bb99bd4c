/* SPDX-License-Identifier: MIT
 * neighbours: what stands beside a file, and would be within reach if its folder was. */
#include "sandbox_impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_same(const char *path, const struct stat *st)
{
    struct stat own;
    return path && *path && stat(path, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino;
}

/* The receiver may use these anyway. */
static bool is_of_config(const struct config *c, const struct stat *st)
{
    char folder[PATH_MAX] = "";
    files_folder(c->database, folder, sizeof folder);
    bool named = is_same(c->path, st) || is_same(folder, st) || is_same(c->spool, st) ||
                 (c->files && is_same(c->directory, st));
    for (size_t i = 0; i < c->n_endpoints && !named; i++)
        named = is_same(c->endpoint[i].secret_file, st);
    return named;
}

/* Landlock judges what a link leads to. What every user may read is no secret; what this one may not needs no rule. */
static bool may_be_read(int folder, const char *name, const struct config *c)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISLNK(st.st_mode) || is_of_config(c, &st))
        return true;
    return S_ISREG(st.st_mode) && (st.st_mode & S_IROTH || faccessat(folder, name, R_OK, AT_EACCESS) != 0);
}

/* NAME, NAME.1, NAME.2.gz, NAME-20261130 */
static bool is_of_log(const char *name, const char *log)
{
    size_t len = strlen(log);
    if (strncmp(name, log, len) != 0)
        return false;
    name += len;
    return !*name || ((*name == '.' || *name == '-') && name[1] >= '0' && name[1] <= '9');
}

bool sandbox_is_alone(const struct config *c, const char *path, enum sandbox_use use)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    DIR *dir = slash && files_folder(path, folder, sizeof folder) == 0 ? opendir(folder) : NULL;
    bool alone = dir;
    const struct dirent *entry;
    while (alone && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            alone =
                use == SANDBOX_LOG ? is_of_log(entry->d_name, slash + 1) : may_be_read(dirfd(dir), entry->d_name, c);
    if (dir)
        closedir(dir);
    return alone;
}
