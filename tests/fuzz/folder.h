/* SPDX-License-Identifier: MIT
 *
 * folder: a folder of a target's own, in memory where it can be; removed when the process ends, and by fuzz.pl when it is killed. */
#ifndef FOLDER_H
#define FOLDER_H

#include "fuzz.h"

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

static inline void folder_remove(void) { nftw(folder_name, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* The path of a name in it; made at the first call. */
static inline const char *folder_path(char path[FOLDER_PATH], const char *name)
{
    if (!*folder_name) {
        snprintf(folder_name, sizeof folder_name, "%s/complycube-fuzz-%d-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
        FUZZ_CHECK(mkdtemp(folder_name));
        atexit(folder_remove);
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
