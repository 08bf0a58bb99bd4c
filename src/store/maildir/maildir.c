/* SPDX-License-Identifier: MIT
 * maildir: writing the files of the inbox. */
#include "maildir.h"

#include "base/files.h"
#include "base/kernel.h"
#include "base/text.h"
#include "base/trust.h"
#include "maildir_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const folders[] = {"tmp", "new", "cur", "done", "dead"}; /* the receiver writes the first two */
enum { FOLDERS = sizeof folders / sizeof *folders, WRITTEN = 2 };

/* Does each part of a path name something in the part before it? A name of the database may be anything. */
static bool is_below(const char *path)
{
    for (const char *part = path;; part++) {
        size_t len = strcspn(part, "/");
        if (len == 0 || (len <= 2 && strspn(part, ".") >= len))
            return false;
        part += len;
        if (*part == '\0')
            return true;
    }
}

int maildir_path(const struct maildir *d, char *out, struct err *e, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int head = snprintf(out, PATH_MAX, "%s/", d->path);
    int tail = head < PATH_MAX ? vsnprintf(out + head, (size_t)(PATH_MAX - head), format, ap) : PATH_MAX;
    va_end(ap);
    if (head + tail >= PATH_MAX)
        return err_set(e, ERR_CONFIG, "%s: the path is too long", d->path);
    return is_below(out + head) ? 0 : err_set(e, ERR_DATABASE, "%s is the name of no endpoint", out + head);
}

int maildir_error(const char *doing, const char *path, struct err *e)
{
    int os = errno;
    enum err_code code = err_is_full(os)                              ? ERR_FULL
                         : os == ENOENT || os == ENOTDIR              ? ERR_DATABASE
                         : os == EACCES || os == EPERM || os == EROFS ? ERR_READONLY
                                                                      : ERR_SYSTEM;
    return err_set(e, code, "%s %s: %s; see complycube-inbox doctor", doing, path, strerror(os));
}

static mode_t folder_mode(const struct maildir *d) { return d->group == (gid_t)-1 ? 0700 : 02770; }
static mode_t file_mode(const struct maildir *d) { return d->group == (gid_t)-1 ? 0600 : 0640; }

gid_t maildir_group(const struct maildir *d) { return d->group; }

static int check_link(const char *path, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISLNK(st.st_mode) || trust_link(path, &st))
        return 0;
    return err_set(e, ERR_READONLY, "%s is a symbolic link of user %u: look at it and remove it", path,
                   (unsigned)st.st_uid);
}

int maildir_check_links(const struct maildir *d, const char *endpoint, const char *folder, struct err *e)
{
    char path[PATH_MAX];
    if (maildir_path(d, path, e, "%s", endpoint) != 0 || check_link(path, e) != 0)
        return -1;
    return maildir_path(d, path, e, "%s/%s", endpoint, folder) != 0 ? -1 : check_link(path, e);
}

/* One of ours that a crash left with less than its mode is put right. */
int maildir_make_folder(const struct maildir *d, const char *path, struct err *e)
{
    struct stat st;
    bool made, changed;
    if (check_link(path, e) != 0 || files_make_dir(path, folder_mode(d), d->group, &made, e) != 0)
        return -1;
    if (made || d->group == (gid_t)-1 || lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return 0;
    return files_fit(path, folder_mode(d), d->group, &changed, e);
}

void maildir_know(struct maildir *d, const char *endpoint)
{
    if (!text_is_name(span_of(endpoint))) /* the database says so; no configuration does */
        return;
    for (size_t i = 0; i < d->n_endpoints; i++)
        if (strcmp(d->endpoint[i], endpoint) == 0)
            return;
    if (d->n_endpoints < MAILDIR_ENDPOINTS_MAX)
        snprintf(d->endpoint[d->n_endpoints++], sizeof d->endpoint[0], "%s", endpoint);
}

int maildir_lock_path(const struct maildir *d, const char *endpoint, char *path, struct err *e)
{
    return maildir_check_links(d, endpoint, "lock", e) != 0 ? -1 : maildir_path(d, path, e, "%s/lock", endpoint);
}

int maildir_make(struct maildir *d, const char *endpoint, struct err *e)
{
    char path[PATH_MAX];
    maildir_know(d, endpoint);
    if (maildir_path(d, path, e, "%s", endpoint) != 0 || maildir_make_folder(d, path, e) != 0)
        return -1;
    for (size_t i = 0; i < FOLDERS; i++)
        if (maildir_path(d, path, e, "%s/%s", endpoint, folders[i]) != 0 || maildir_make_folder(d, path, e) != 0)
            return -1;
    if (maildir_lock_path(d, endpoint, path, e) != 0)
        return -1;
    return files_make_file(path, d->group == (gid_t)-1 ? 0600 : 0660, d->group, NULL, e);
}

/* The file that all workers read; made once, whole, and never changed by us again. */
static int make_setting(const struct maildir *d, struct err *e)
{
    char path[PATH_MAX], new[PATH_MAX], text[160];
    if (maildir_path(d, path, e, "setting") != 0 || maildir_path(d, new, e, "setting.new") != 0)
        return -1;
    if (access(path, F_OK) == 0)
        return 0;
    int n = snprintf(text, sizeof text, "max_attempts %lld\nlease_ms %lld\nbackoff_ms %lld\n",
                     (long long)d->first.max_attempts, (long long)d->first.lease_ms, (long long)d->first.backoff_ms);
    if (files_make_file(new, file_mode(d), d->group, NULL, e) != 0) /* what a crash left is written over */
        return -1;
    int fd = open(new, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    int failed = fd < 0 || write(fd, text, (size_t)n) != n || ftruncate(fd, n) != 0 || fsync(fd) != 0 ||
                 rename(new, path) != 0;
    failed = failed && access(path, F_OK) != 0; /* another process may have been first */
    if (failed)
        maildir_error("writing", new, e);
    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

static int make_top(const struct maildir *d, struct err *e)
{
    return maildir_make_folder(d, d->path, e) != 0 || make_setting(d, e) != 0 ? -1 : 0;
}

int maildir_open(struct maildir **out, const char *path, gid_t group, bool create,
                 const struct maildir_setting *first, struct err *e)
{
    struct maildir *d = calloc(1, sizeof *d);
    if (!d)
        return err_set(e, ERR_MEMORY, "opening %s: out of memory", path);
    d->group = group;
    d->create = create;
    d->first = *first;
    int failed = snprintf(d->path, sizeof d->path, "%s", path) >= (int)sizeof d->path
                     ? err_set(e, ERR_CONFIG, "the path of directory = is too long")
                 : files_check_link(path, e) ? -1
                 : create                    ? make_top(d, e)
                 : access(path, F_OK)
                     ? err_set(e, ERR_NOT_FOUND, "%s: %s; run complycube-inbox init", path, strerror(errno))
                     : 0;
    if (failed) {
        free(d);
        return -1;
    }
    *out = d;
    return 0;
}

void maildir_close(struct maildir *d)
{
    if (d)
        maildir_drop(d, true);
    free(d);
}

int maildir_fit(const char *path, gid_t group, bool *changed, struct err *e)
{
    char part[PATH_MAX];
    struct stat st;
    bool this = false;
    if (lstat(path, &st) != 0 || !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
        return 0;
    const char *name = strrchr(path, '/');
    mode_t mode = S_ISDIR(st.st_mode) ? 02770 : name && strcmp(name, "/lock") == 0 ? 0660 : 0640;
    if (files_fit(path, mode, group, &this, e) != 0)
        return -1;
    *changed |= this;
    DIR *folder = S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    int failed = 0;
    for (struct dirent *p; folder && !failed && (p = readdir(folder));)
        if (*p->d_name != '.' && snprintf(part, sizeof part, "%s/%s", path, p->d_name) < (int)sizeof part)
            failed = maildir_fit(part, group, changed, e);
    if (folder)
        closedir(folder);
    return failed;
}

static int check_writable_folder(const char *path, struct err *e)
{
    return access(path, R_OK | W_OK | X_OK) == 0
               ? 0
               : err_set(e, ERR_READONLY, "the folder %s: %s; it must be writable for this user", path,
                         strerror(errno));
}

int maildir_check(const char *path, struct err *e)
{
    struct maildir d = {0};
    char part[PATH_MAX];
    if (files_check_link(path, e) != 0)
        return -1;
    if (access(path, F_OK) != 0)
        return files_folder(path, part, sizeof part) == 0 ? check_writable_folder(part, e) : 0;
    if (check_writable_folder(path, e) != 0 || snprintf(d.path, sizeof d.path, "%s", path) >= (int)sizeof d.path)
        return -1;
    DIR *top = opendir(path);
    int failed = 0;
    for (struct dirent *p; top && !failed && (p = readdir(top));)
        for (size_t i = 0; i < WRITTEN && !failed && *p->d_name != '.'; i++)
            if (maildir_path(&d, part, NULL, "%s/%s", p->d_name, folders[i]) == 0 && access(part, F_OK) == 0)
                failed = check_writable_folder(part, e);
    if (top)
        closedir(top);
    return failed;
}

/* ---- writing ---- */

/* After the folder was moved away or removed. */
static int make_all(struct maildir *d, const char *endpoint, struct err *e)
{
    maildir_know(d, endpoint);
    int failed = make_top(d, e);
    for (size_t i = 0; i < d->n_endpoints && !failed; i++)
        failed = maildir_make(d, d->endpoint[i], e);
    return failed;
}

static int open_new_event_file(struct maildir *d, const char *endpoint, const char *path, struct err *e)
{
    for (int again = 0;; again++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0)
            return fd;
        if (again || (errno != EEXIST && errno != ENOENT))
            return maildir_error("making", path, e);
        if (errno == EEXIST) /* of a batch that failed: whatever had been committed is shown already */
            unlink(path);
        else if (!d->create || make_all(d, endpoint, e) != 0)
            return err_prefix(e, "making %s", path);
    }
}

static int fill_event_file(const struct maildir *d, int fd, const char *path, struct span body, int64_t now_ms,
                           struct err *e)
{
    while (body.len) {
        ssize_t n = write(fd, body.at, body.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return maildir_error("writing", path, e);
        body.at += n;
        body.len -= (size_t)n;
    }
    struct timespec at = {.tv_sec = (time_t)(now_ms / 1000), .tv_nsec = (long)(now_ms % 1000) * 1000000};
    struct stat st;
    uid_t owner;
    gid_t group = d->group;
    files_heir(path, &owner, &group);
    if (fchmod(fd, file_mode(d)) != 0 || fstat(fd, &st) != 0 ||
        (((owner != (uid_t)-1 && st.st_uid != owner) || (group != (gid_t)-1 && st.st_gid != group)) &&
         fchown(fd, owner, group) != 0) ||
        futimens(fd, (struct timespec[]){at, at}) != 0)
        return maildir_error("setting mode, owner or time of", path, e);
    return 0;
}

int maildir_write(struct maildir *d, const char *endpoint, int64_t created_ms, int64_t seq, struct span body,
                  int64_t now_ms, struct err *e)
{
    char path[PATH_MAX];
    struct written *w = &d->written[d->n];
    if (d->n == MAILDIR_BATCH_MAX)
        return err_set(e, ERR_SYSTEM, "more files than a batch has");
    for (size_t i = 0; i < d->n_endpoints; i++)
        if (d->stuck[i].code != ERR_NONE && strcmp(d->endpoint[i], endpoint) == 0) {
            *e = d->stuck[i];
            return -1;
        }
    for (size_t i = 0; i < WRITTEN; i++)
        if (maildir_check_links(d, endpoint, folders[i], e) != 0)
            return -1;
    snprintf(w->endpoint, sizeof w->endpoint, "%s", endpoint);
    snprintf(w->name, sizeof w->name, "%013lld.%012lld.json", (long long)created_ms, (long long)seq);
    if (maildir_path(d, path, e, "%s/tmp/%s", w->endpoint, w->name) != 0)
        return -1;
    w->fd = open_new_event_file(d, w->endpoint, path, e);
    if (w->fd < 0)
        return -1;
    if (fill_event_file(d, w->fd, path, body, now_ms, e) == 0) {
        d->n++;
        return 0;
    }
    close(w->fd);
    unlink(path);
    return -1;
}

static int sync_folder(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || (fsync(fd) != 0 && errno != EINVAL);
    if (failed)
        maildir_error("flushing the folder", path, e);
    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

int maildir_sync(struct maildir *d, struct err *e)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < d->n; i++) {
        struct written *w = &d->written[i];
        int failed = fsync(w->fd) != 0;
        failed |= close(w->fd) != 0;
        w->fd = -1;
        if (failed)
            return maildir_error("flushing", w->name, e);
    }
    for (size_t i = 0; i < d->n; i++) {
        bool done = false;
        for (size_t j = 0; j < i && !done; j++)
            done = strcmp(d->written[j].endpoint, d->written[i].endpoint) == 0;
        if (!done && (maildir_path(d, path, e, "%s/tmp", d->written[i].endpoint) != 0 || sync_folder(path, e) != 0))
            return -1;
    }
    return 0;
}

/* Without covering up another file; old kernels and file systems do not know how. */
static int rename_new(const char *from, const char *to)
{
    if (kernel_rename_new(from, to) == 0)
        return 0;
    return errno == EINVAL || errno == ENOSYS ? rename(from, to) : -1;
}

static int show_event_file(struct maildir *d, const char *endpoint, const char *name, struct err *e)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (maildir_path(d, from, e, "%s/tmp/%s", endpoint, name) != 0 ||
        maildir_path(d, to, e, "%s/new/%s", endpoint, name) != 0)
        return -1;
    if (rename_new(from, to) == 0)
        return 0;
    if (errno == ENOENT && d->create && maildir_make(d, endpoint, e) == 0 && rename_new(from, to) == 0)
        return 0;
    return maildir_error("showing", from, e);
}

void maildir_publish(struct maildir *d)
{
    for (size_t i = 0; i < d->n; i++)
        show_event_file(d, d->written[i].endpoint, d->written[i].name, NULL);
    d->n = 0;
}

void maildir_drop(struct maildir *d, bool uncertain)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < d->n; i++) {
        if (d->written[i].fd >= 0)
            close(d->written[i].fd);
        if (!uncertain && maildir_path(d, path, NULL, "%s/tmp/%s", d->written[i].endpoint, d->written[i].name) == 0)
            unlink(path);
    }
    d->n = 0;
}

struct sweep {
    struct maildir *d;
    maildir_logged *logged;
    void *ctx;
};

static int sweep_one(void *ctx, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    struct sweep *s = ctx;
    char path[PATH_MAX];
    int logged = s->logged(s->ctx, endpoint, name, e);
    if (logged)
        return logged < 0 ? -1 : show_event_file(s->d, endpoint, name->text, e);
    if (maildir_path(s->d, path, e, "%s/tmp/%s", endpoint, name->text) == 0)
        unlink(path);
    return 0;
}

void maildir_sweep(struct maildir *d, maildir_logged *logged, void *ctx)
{
    struct sweep s = {d, logged, ctx};
    for (size_t i = 0; i < d->n_endpoints; i++) {
        d->stuck[i].code = ERR_NONE;
        maildir_list(d, d->endpoint[i], "tmp", sweep_one, &s, &d->stuck[i]);
    }
}
