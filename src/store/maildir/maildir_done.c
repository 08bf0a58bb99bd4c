/* SPDX-License-Identifier: MIT
 * maildir_done: the folders of days in done/, one for each day on which an event was acknowledged. */
#include "maildir_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { DAY_MS = 86400000 };

/* The names in a folder that is one itself, not by a link. */
static DIR *open_real(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder && fd >= 0)
        close(fd);
    return folder;
}

/* The days of an endpoint, from a folder that may be absent: 0 and *days, NULL if it is; or -1 and *e. */
static int open_days(const struct maildir *d, const char *endpoint, DIR **days, struct err *e)
{
    int fd = maildir_enter(d, endpoint, "", e);
    *days = fd >= 0 ? open_real(fd, "done") : NULL;
    bool absent = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    int failed = *days || absent ? 0 : fd < 0 ? -1 : maildir_fail_reading(d, endpoint, "done", e);
    if (fd >= 0)
        close(fd);
    return failed;
}

/* Events only: whatever else is there was put there by somebody. */
static int64_t prune_day(int done, const char *day, struct err *e)
{
    struct maildir_name name;
    int64_t n = 0;
    DIR *folder = open_real(done, day);
    if (!folder)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0
                                                                     : maildir_error("reading the folder", day, e);
    for (struct dirent *p; n >= 0 && (p = readdir(folder));)
        if (maildir_parse(p->d_name, &name))
            n = unlinkat(dirfd(folder), p->d_name, 0) == 0 ? n + 1
                : errno == ENOENT                          ? n
                                                           : maildir_error("removing", p->d_name, e);
    closedir(folder);
    if (n >= 0 && unlinkat(done, day, AT_REMOVEDIR) != 0 && errno != ENOTEMPTY && errno != ENOENT)
        return maildir_error("removing the folder", day, e);
    return n;
}

/* The end of the day that a folder "YYYYMMDD" stands for, in ms since the Epoch; 0 when it is none. */
static int64_t end_of_day(const char *name)
{
    struct tm tm = {0};
    const char *end = strlen(name) == 8 && strspn(name, "0123456789") == 8 ? strptime(name, "%Y%m%d", &tm) : NULL;
    return end && *end == '\0' ? (int64_t)timegm(&tm) * 1000 + DAY_MS : 0;
}

static int64_t prune_endpoint(const struct maildir *d, const char *endpoint, int64_t before_ms, struct err *e)
{
    int64_t n = 0, more = 0;
    DIR *folder;
    if (open_days(d, endpoint, &folder, e) != 0)
        return -1;
    for (struct dirent *p; folder && more >= 0 && (p = readdir(folder)); n += more > 0 ? more : 0) {
        int64_t end = end_of_day(p->d_name);
        more = end && end <= before_ms ? prune_day(dirfd(folder), p->d_name, e) : 0;
        if (more < 0)
            err_prefix(e, "%s/%s/done", d->path, endpoint);
    }
    if (folder)
        closedir(folder);
    return more < 0 ? -1 : n;
}

int64_t maildir_prune(const struct maildir *d, int64_t before_ms, struct err *e)
{
    int64_t n = 0;
    for (size_t i = 0; i < d->n_endpoints; i++) {
        int64_t more = prune_endpoint(d, d->endpoint[i], before_ms, e);
        if (more < 0)
            return -1;
        n += more;
    }
    return n;
}

int maildir_list_done(const struct maildir *d, int64_t since_ms, maildir_each *each, void *ctx, struct err *e)
{
    char day[MAILDIR_PLAIN_SIZE];
    int failed = 0;
    for (size_t i = 0; i < d->n_endpoints && !failed; i++) {
        DIR *days = NULL;
        failed = open_days(d, d->endpoint[i], &days, e);
        for (struct dirent *p; days && !failed && (p = readdir(days));)
            if (end_of_day(p->d_name) > (since_ms > 0 ? since_ms : 0)) { /* 0: it is no day */
                snprintf(day, sizeof day, "done/%.8s", p->d_name);
                failed = maildir_list_folder(d, d->endpoint[i], day, each, ctx, e);
            }
        if (days)
            closedir(days);
    }
    return failed ? -1 : 0;
}

bool maildir_remove_from_days(const struct maildir *d, const char *endpoint, const char *base,
                              char left[MAILDIR_PLAIN_SIZE])
{
    bool gone = true;
    DIR *days;
    if (open_days(d, endpoint, &days, NULL) != 0)
        return false;
    for (struct dirent *p; days && gone && (p = readdir(days));) {
        if (!end_of_day(p->d_name))
            continue;
        int day = openat(dirfd(days), p->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        gone = day >= 0 ? unlinkat(day, base, 0) == 0 || errno == ENOENT
                        : errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
        int why = errno;
        if (day >= 0)
            close(day);
        if (!gone)
            snprintf(left, MAILDIR_PLAIN_SIZE, "done/%.8s", p->d_name);
        errno = why;
    }
    int why = errno;
    if (days)
        closedir(days);
    errno = why;
    return gone;
}
