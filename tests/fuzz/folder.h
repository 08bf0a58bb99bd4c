/* SPDX-License-Identifier: MIT
 *
 * folder: a folder of a target's own, in memory where it can be. It goes when the process does, however that ends; with KEEP=1
 * it stays. */
#ifndef FOLDER_H
#define FOLDER_H

#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_PATH = 200 };

static char folder_name[64];

static inline int folder_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

/* A child waits for the end of this process, and removes the folder then. */
static inline void folder_remove_at_end(void)
{
    int ends[2];
    char none;
    FUZZ_CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t child = fork();
    FUZZ_CHECK(child >= 0);
    close(ends[child ? 0 : 1]);
    if (child)
        return;
    setsid(); /* what ends this process and all of its group spares the child */
    for (int standard = 0; standard < 3; standard++)
        close(standard); /* whoever reads our output waits for its end */
    while (read(ends[0], &none, 1) < 0 && errno == EINTR)
        ;
    nftw(folder_name, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    _exit(0);
}

/* The path of a name in it; made at the first call. */
static inline const char *folder_path(char path[FOLDER_PATH], const char *name)
{
    if (!*folder_name) {
        snprintf(folder_name, sizeof folder_name, "%s/complycube-fuzz-%d-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
        FUZZ_CHECK(mkdtemp(folder_name));
        if (!getenv("KEEP"))
            folder_remove_at_end();
    }
    snprintf(path, FOLDER_PATH, "%s/%s", folder_name, name);
    return path;
}

static inline void folder_write(const char *path, struct span text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    FUZZ_CHECK(fd >= 0 && write(fd, text.at ? text.at : "", text.len) == (ssize_t)text.len && close(fd) == 0);
}

#endif
