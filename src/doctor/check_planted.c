/* SPDX-License-Identifier: MIT
 * check_planted: links, FIFOs and the like in folders that others may write. The store names those in place of its files. */
#include "base/shared.h"
#include "doctor.h"
#include "store/beside.h"
#include "store/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TOLD_MAX = 20, DEPTH = 4 /* directory/endpoint/done/DAY */ };

struct scan {
    struct doctor *d;
    int found;
};

static void tell_planted(struct scan *s, const char *path, const struct stat *st)
{
    char owner[40];
    const char *kind = S_ISDIR(st->st_mode) ? "a folder" : shared_planted(st->st_mode);
    if (s->found++ >= TOLD_MAX)
        return;
    struct finding f =
        finding_of(FINDING_WRONG, "planted", "whoever made it may have meant another file to be read or changed");
    finding_step(&f, "by hand: look at it, and find out who put it there; then remove it:");
    finding_step(&f, S_ISDIR(st->st_mode) ? "rmdir -- %q" : "rm -- %q", path);
    doctor_tell(s->d, &f, "%s is %s of user %s, planted", path, kind, doctor_owner(st->st_uid, owner));
}

/* Is this where a folder belongs? Elsewhere than in the directory there are files only. */
static bool wants_folder(const char *path, int depth)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    return depth == DEPTH       ? strncmp(slash, "/setting", 8) != 0
           : depth == DEPTH - 1 ? strcmp(slash, "/lock") != 0
                                : depth == DEPTH - 2 && len >= 5 && strncmp(path + len - 5, "/done", 5) == 0;
}

static void scan_names(struct scan *s, const char *folder, int depth);

static void scan_one_name(struct scan *s, int at, const char *name, const char *path, int depth)
{
    char text[PATH_MAX];
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISREG(st.st_mode))
        return;
    bool wanted = wants_folder(path, depth);
    if (wanted && depth == DEPTH && S_ISDIR(st.st_mode) &&
        !config_has_endpoint(s->d->config, name)) /* it may be anybody's */
        return;
    if (wanted && (S_ISDIR(st.st_mode) || (S_ISLNK(st.st_mode) && shared_link(at, name, text) == 0)))
        scan_names(s, path, depth - 1);
    else if (!S_ISDIR(st.st_mode) || !wanted)
        tell_planted(s, path, &st);
}

static void scan_names(struct scan *s, const char *folder, int depth)
{
    char path[PATH_MAX];
    int fd = shared_folder(AT_FDCWD, folder);
    DIR *names = fd >= 0 ? shared_names(fd) : NULL;
    for (const struct dirent *p; names && (p = readdir(names));)
        if (p->d_type != DT_REG && strcmp(p->d_name, ".") != 0 && strcmp(p->d_name, "..") != 0 &&
            snprintf(path, sizeof path, "%s/%s", folder, p->d_name) < (int)sizeof path)
            scan_one_name(s, fd, p->d_name, path, depth);
    if (names)
        closedir(names);
    if (fd >= 0)
        close(fd);
}

static bool has_suffix(const char *suffix, const char *const list[])
{
    for (size_t i = 0; list[i]; i++)
        if (strcmp(suffix, list[i]) == 0)
            return true;
    return false;
}

/* Does a name that goes on so stand in the way of a file of the receiver's? An administrator's own folder or link does not. */
static bool is_in_the_way(int at, const char *name, const char *suffix, const struct stat *st)
{
    static const char *const files[] = {".lock", ".refused", ".missed", ".restoring", ".restored-from", NULL};
    char text[PATH_MAX];
    if (S_ISREG(st->st_mode) || has_suffix(suffix, store_files) || strcmp(suffix, BESIDE_OWN) == 0)
        return false;
    if (has_suffix(suffix, files))
        return true;
    return !S_ISDIR(st->st_mode) && !(S_ISLNK(st->st_mode) && shared_link(at, name, text) == 0);
}

/* Beside the database lies what others put there for themselves, so only names that begin with its own count. */
static void scan_beside(struct scan *s, const char *base)
{
    char folder[PATH_MAX], path[PATH_MAX];
    struct stat st;
    const char *slash = strrchr(base, '/');
    int fd = slash && files_folder(base, folder, sizeof folder) == 0 ? shared_folder(AT_FDCWD, folder) : -1;
    DIR *names = fd >= 0 ? shared_names(fd) : NULL;
    for (const struct dirent *p; names && (p = readdir(names));) {
        const size_t n = strlen(slash + 1);
        bool ours = strlen(p->d_name) > n && memcmp(p->d_name, slash + 1, n) == 0 && strchr(".-", p->d_name[n]);
        if (ours && fstatat(fd, p->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            is_in_the_way(fd, p->d_name, p->d_name + n, &st) &&
            snprintf(path, sizeof path, "%s/%s", folder, p->d_name) < (int)sizeof path)
            tell_planted(s, path, &st);
    }
    if (names)
        closedir(names);
    if (fd >= 0)
        close(fd);
}

void doctor_planted_names(struct doctor *d)
{
    char base[PATH_MAX];
    struct scan s = {.d = d};
    scan_beside(&s, d->database);
    if (beside_base(d->database, base, NULL) == 0 && strcmp(base, d->database) != 0)
        scan_beside(&s, base);
    if (d->config->files)
        scan_names(&s, d->config->directory, DEPTH);
    if (*d->config->spool)
        scan_names(&s, d->config->spool, 0);
    if (s.found <= TOLD_MAX)
        return;
    struct finding f = finding_of(FINDING_WRONG, "planted", "");
    doctor_tell(d, &f, "%d more names are planted", s.found - TOLD_MAX);
}
