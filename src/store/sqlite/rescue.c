/* SPDX-License-Identifier: MIT
 * rescue: a database that was deleted while it was in use. This process still has it, and nobody else. */
#include "db.h"

#include "base/files.h"
#include "base/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/*
 * The descriptor that SQLite has of it; -1: none. Never to be closed: that would drop SQLite's locks. /proc is out of reach
 * of a receiver that has confined itself, and 1024 is the most it can have open.
 */
static int find_descriptor(const struct db *s, struct stat *st)
{
    enum { DESCRIPTORS = 1024 };
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (fstat(fd, st) == 0 && st->st_dev == s->dev && st->st_ino == s->ino)
            return fd;
    return -1;
}

/* Its name says when it was last written to. */
static int name_of_copy(const struct db *s, const struct stat *st, char *name, size_t size)
{
    struct tm tm;
    char time[32];
    gmtime_r(&st->st_mtim.tv_sec, &tm);
    strftime(time, sizeof time, "%Y%m%dT%H%M%SZ", &tm);
    return snprintf(name, size, "%s.deleted-%s", s->base, time) < (int)size ? 0 : -1;
}

static int copy(int from, int to, off_t size)
{
    char bytes[65536];
    for (off_t at = 0; at < size;) {
        ssize_t n = pread(from, bytes, sizeof bytes, at);
        if (n <= 0 || pwrite(to, bytes, (size_t)n, at) != n)
            return -1;
        at += n;
    }
    return fsync(to);
}

int sqlite_rescue(struct db *s, struct err *e)
{
    struct stat st;
    char name[PATH_MAX];
    int from = find_descriptor(s, &st);
    if (from < 0 || st.st_nlink > 0 || st.st_size == 0)
        return 0;
    if (name_of_copy(s, &st, name, sizeof name) != 0)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    int to = shared_make(AT_FDCWD, name);
    if (to < 0 && errno == EEXIST) /* another process has saved it */
        return 0;
    if (to < 0)
        return err_set(e, ERR_READONLY, "%s was deleted or replaced while in use; saving what it held as %s: %s",
                       s->path, name, strerror(errno));
    bool failed = copy(from, to, st.st_size) != 0 || files_sync_folder(name, NULL) != 0;
    if (failed)
        err_set(e, err_is_full(errno) ? ERR_FULL : ERR_DATABASE,
                "%s was deleted or replaced while in use; saving what it held as %s: %s", s->path, name,
                strerror(errno));
    else if (fchown(to, st.st_uid, st.st_gid) != 0 || fchmod(to, st.st_mode & 07777) != 0)
        errno = 0; /* as private as it can be, then */
    close(to);
    if (failed) {
        unlink(name);
        return -1;
    }
    err_set(e, ERR_DATABASE,
            "%s was deleted or replaced while in use; what it held is now %s: to have it back, run complycube-inbox "
            "restore with that file",
            s->path, name);
    return 1;
}
