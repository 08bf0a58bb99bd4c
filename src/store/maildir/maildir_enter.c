/* SPDX-License-Identifier: MIT
 * maildir_enter: the way to a folder, one step at a time, since others may put a link in the place of each. */
#include "base/shared.h"
#include "base/text.h"
#include "maildir_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int maildir_path(const struct maildir *d, char *out, struct err *e, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int head = snprintf(out, PATH_MAX, "%s/", d->path);
    int tail = head < PATH_MAX ? vsnprintf(out + head, (size_t)(PATH_MAX - head), format, ap) : PATH_MAX;
    va_end(ap);
    return head + tail < PATH_MAX ? 0 : err_set(e, ERR_CONFIG, "%s: the path is too long", d->path);
}

int maildir_error(const char *doing, const char *path, struct err *e)
{
    int os = errno;
    struct stat st;
    if (os == ELOOP && lstat(path, &st) == 0 && shared_planted(st.st_mode))
        return err_set(e, ERR_READONLY, "%s is %s of user %u: look at it, then remove it", path,
                       shared_planted(st.st_mode), (unsigned)st.st_uid);
    enum err_code code = err_is_full(os)                                             ? ERR_FULL
                         : os == ENOENT || os == ENOTDIR                             ? ERR_DATABASE
                         : os == EACCES || os == EPERM || os == EROFS || os == ELOOP ? ERR_READONLY
                                                                                     : ERR_SYSTEM;
    return err_set(e, code, "%s %s: %s; see complycube-inbox doctor", doing, path, strerror(os));
}

/* Below an open folder; what messages call it is at `path`. */
static int enter_step(int at, const char *name, const char *path, struct err *e)
{
    int fd = shared_folder(at, name), why = errno;
    if (fd < 0)
        maildir_error("opening the folder", path, e);
    errno = why;
    return fd;
}

int maildir_enter(const struct maildir *d, const char *endpoint, const char *folder, struct err *e)
{
    char path[PATH_MAX];
    if (*endpoint && !text_is_name(span_of(endpoint))) { /* a name of the database may be anything */
        errno = EINVAL;
        return err_set(e, ERR_DATABASE, "%s is the name of no endpoint", endpoint);
    }
    errno = ENAMETOOLONG;
    if (maildir_path(d, path, e, "%s/%s", endpoint, folder) != 0)
        return -1;
    int fd = enter_step(AT_FDCWD, d->path, d->path, e);
    for (char *step = path + strlen(d->path) + 1, *end; fd >= 0 && *(step += strspn(step, "/")); step = end) {
        end = step + strcspn(step, "/");
        const char slash = *end;
        *end = '\0';
        int next = enter_step(fd, step, path, e), why = errno;
        close(fd);
        errno = why;
        fd = next;
        *end = slash;
    }
    return fd;
}

bool maildir_has(int folder, const char *name)
{
    struct stat st;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
