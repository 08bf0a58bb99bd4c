/* SPDX-License-Identifier: MIT
 * shared: opening what lies in a folder that others may write. */
#include "shared.h"

#include "files.h"
#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static int fail_closed(int fd, int why)
{
    if (fd >= 0)
        close(fd);
    errno = why;
    return -1;
}

int shared_open(int at, const char *name, int how, struct stat *st)
{
    int fd = openat(at, name, how | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0) /* a socket, or a FIFO that nobody reads; a folder that was to be written */
        return fail_closed(fd, errno == ENXIO || errno == EISDIR ? ELOOP : errno);
    if (fstat(fd, st) != 0)
        return fail_closed(fd, errno);
    return S_ISREG(st->st_mode) ? fd : fail_closed(fd, ELOOP);
}

int shared_make(int at, const char *name)
{
    return openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
}

/* What stands above a name: an open folder of the caller's, or the folder part of a path. */
static int stat_above(int at, const char *name, struct stat *above)
{
    char folder[PATH_MAX];
    if (at != AT_FDCWD)
        return fstat(at, above);
    return files_folder(name, folder, sizeof folder) == 0 ? stat(folder, above) : -1;
}

/* By a descriptor: its text cannot change, while its name may be another's by now. */
int shared_link(int at, const char *name, char text[PATH_MAX])
{
    struct stat st, above;
    int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool follow = fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode) && stat_above(at, name, &above) == 0 &&
                  trust_link(&above, &st);
    ssize_t n = follow ? readlinkat(fd, "", text, PATH_MAX - 1) : -1;
    fail_closed(fd, ELOOP);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    return 0;
}

static int follow_to_folder(int at, const char *name)
{
    char text[PATH_MAX], folder[PATH_MAX];
    if (shared_link(at, name, text) != 0)
        return -1;
    int above = at == AT_FDCWD && files_folder(name, folder, sizeof folder) == 0
                    ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                    : at;
    int fd = openat(above, text, O_RDONLY | O_DIRECTORY | O_CLOEXEC), why = errno;
    if (above != at && above >= 0)
        close(above);
    errno = why;
    return fd;
}

int shared_folder(int at, const char *name)
{
    struct stat st;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 || (errno != ELOOP && errno != ENOTDIR))
        return fd;
    bool link = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    errno = ENOTDIR;
    return link ? follow_to_folder(at, name) : -1;
}

DIR *shared_names(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = fd >= 0 ? fdopendir(fd) : NULL;
    if (!names && fd >= 0)
        fail_closed(fd, errno);
    return names;
}

const char *shared_planted(mode_t mode)
{
    return S_ISREG(mode) || S_ISDIR(mode) ? NULL
           : S_ISLNK(mode)                ? "a symbolic link"
           : S_ISFIFO(mode)               ? "a FIFO"
           : S_ISSOCK(mode)               ? "a socket"
                                          : "a device";
}
