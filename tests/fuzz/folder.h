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
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_PATH = 200 };

static char folder_name[64];

static inline int folder_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void folder_make(pid_t owner)
{
    snprintf(folder_name, sizeof folder_name, "%s/complycube-fuzz-%d-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)owner);
    FUZZ_CHECK(mkdtemp(folder_name));
}

/* A child makes the folder, waits for the end of this process, and removes it then: from its first moment on it has both. */
static inline void folder_keep_until_end(void)
{
    int ends[2], made[2];
    char none;
    FUZZ_CHECK(pipe2(ends, O_CLOEXEC) == 0 && pipe2(made, O_CLOEXEC) == 0);
    pid_t owner = getpid(), child = fork();
    FUZZ_CHECK(child >= 0);
    if (child) {
        close(ends[0]);
        close(made[1]);
        FUZZ_CHECK(read(made[0], folder_name, sizeof folder_name) == (ssize_t)sizeof folder_name);
        close(made[0]);
        return;
    }
    close(ends[1]);
    setsid(); /* what ends this process and all of its group spares the child */
    signal(SIGPIPE, SIG_IGN);
    folder_make(owner);
    if (write(made[1], folder_name, sizeof folder_name) < 0)
        errno = 0; /* the process has ended by now */
    close(made[1]);
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
    if (!*folder_name && getenv("KEEP"))
        folder_make(getpid());
    else if (!*folder_name)
        folder_keep_until_end();
    snprintf(path, FOLDER_PATH, "%s/%s", folder_name, name);
    return path;
}

static inline void folder_write(const char *path, struct span text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    FUZZ_CHECK(fd >= 0 && write(fd, text.at ? text.at : "", text.len) == (ssize_t)text.len && close(fd) == 0);
}

#endif
