/* SPDX-License-Identifier: MIT
 * named: descriptors by their paths. */
#include "named.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPARE = 64 /* descriptors for all else */ };

static struct {
    struct one {
        char *path;
        int fd;
    } * list;
    size_t n, cap;
} opened;

static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || opened.n + SPARE < limit.rlim_cur)
        return;
    limit.rlim_cur = 2 * (opened.n + SPARE);
    if (limit.rlim_max < limit.rlim_cur)
        limit.rlim_max = limit.rlim_cur;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* The descriptor, -1 where there is none. */
static int open_path(int folder, const char *name, const char *path, int how)
{
    raise_limit();
    if (opened.n == opened.cap) {
        size_t cap = opened.cap ? 2 * opened.cap : 16;
        struct one *list = realloc(opened.list, cap * sizeof *list);
        if (!list)
            return -1;
        opened.list = list;
        opened.cap = cap;
    }
    char *copy = strdup(path);
    int fd = copy ? openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | how) : -1;
    if (fd >= 0)
        opened.list[opened.n++] = (struct one){copy, fd};
    else
        free(copy);
    return fd;
}

static bool is_imported(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && *name != '.' && (strcmp(dot, ".json") == 0 || strcmp(dot, ".sig") == 0 || strcmp(dot, ".tsv") == 0);
}

static void open_below(int fd, const char *path)
{
    char below[PATH_MAX];
    int again = dup(fd);
    DIR *folder = again >= 0 ? fdopendir(again) : NULL;
    for (const struct dirent *p; folder && (p = readdir(folder));)
        if (is_imported(p->d_name) && snprintf(below, sizeof below, "%s/%s", path, p->d_name) < (int)sizeof below)
            open_path(fd, p->d_name, below, 0);
    if (folder)
        closedir(folder);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct one *)a)->path, ((const struct one *)b)->path);
}

static void sort_opened(void)
{
    if (opened.n)
        qsort(opened.list, opened.n, sizeof *opened.list, by_path);
}

void named_open(char *const *paths)
{
    struct stat st;
    for (; paths && *paths; paths++) {
        int fd = strcmp(*paths, "-") == 0 ? -1 : open_path(AT_FDCWD, *paths, *paths, 0);
        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
            open_below(fd, *paths);
    }
    sort_opened();
}

void named_open_secret(const char *path)
{
    open_path(AT_FDCWD, path, path, O_NONBLOCK);
    sort_opened();
}

/* A descriptor of its own, at the beginning; -1 with errno: it was not opened before. */
static int find_opened(const char *path)
{
    struct one key = {(char *)(uintptr_t)path, -1};
    const struct one *one = opened.n ? bsearch(&key, opened.list, opened.n, sizeof key, by_path) : NULL;
    errno = ENOENT;
    if (!one)
        return -1;
    lseek(one->fd, 0, SEEK_SET); /* of a pipe there is no other beginning */
    return fcntl(one->fd, F_DUPFD_CLOEXEC, 3);
}

int named_secret(const char *path) { return find_opened(path); }

FILE *named_file(const char *path)
{
    int fd = find_opened(path);
    return fd >= 0 ? fdopen(fd, "r") : fopen(path, "re");
}

DIR *named_folder(const char *path)
{
    int fd = find_opened(path);
    DIR *folder = fd >= 0 ? fdopendir(fd) : opendir(path);
    if (folder)
        rewinddir(folder);
    else if (fd >= 0)
        close(fd);
    return folder;
}
