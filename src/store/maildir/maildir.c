/* SPDX-License-Identifier: MIT
 * maildir: writing the files of the inbox. */
#include "maildir.h"

#include "base/kernel.h"
#include "base/shared.h"
#include "base/text.h"
#include "maildir_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const folders[] = {"tmp", "new", "cur", "done", "dead"}; /* the receiver writes the first two */
enum { FOLDERS = sizeof folders / sizeof *folders, WRITTEN = 2 };

static mode_t folder_mode(const struct maildir *d) { return d->group == (gid_t)-1 ? 0700 : 02770; }
static mode_t file_mode(const struct maildir *d) { return d->group == (gid_t)-1 ? 0600 : 0640; }

int maildir_make_folder(const struct maildir *d, const struct files_place *p, struct err *e)
{
    struct stat st;
    bool made, changed;
    if (files_make_dir_at(p, folder_mode(d), d->group, &made, e) != 0)
        return -1;
    int fd = made ? -1 : shared_folder(p->at, p->name);
    if (made || (fd < 0 && errno != ELOOP)) /* what cannot be used is found when it is */
        return 0;
    if (fd < 0)
        return maildir_error("opening the folder", p->path, e);
    bool ours = d->group != (gid_t)-1 && fstat(fd, &st) == 0 && st.st_uid == geteuid();
    int failed = ours ? files_fit_open(fd, p->path, folder_mode(d), d->group, &changed, e) : 0;
    close(fd);
    return failed;
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

static int make_below(const struct maildir *d, int at, const char *endpoint, const char *name, struct err *e)
{
    char path[PATH_MAX];
    if (maildir_path(d, path, e, "%s%s%s", endpoint, *endpoint ? "/" : "", name) != 0)
        return -1;
    return maildir_make_folder(d, &(struct files_place){at, name, path}, e);
}

int maildir_lock(const struct maildir *d, const char *endpoint, struct lock *lock, struct err *e)
{
    char path[PATH_MAX];
    *lock = (struct lock){.fd = -1};
    int fd = maildir_path(d, path, e, "%s/lock", endpoint) == 0 ? maildir_enter(d, endpoint, "", e) : -1;
    if (fd < 0)
        return -1;
    int failed = lock_open_at(lock, &(struct files_place){fd, "lock", path}, d->group, e);
    close(fd);
    return failed;
}

int maildir_make(struct maildir *d, const char *endpoint, struct err *e)
{
    struct lock lock;
    maildir_know(d, endpoint);
    int top = maildir_enter(d, "", "", e);
    int failed = top < 0 || make_below(d, top, "", endpoint, e) != 0;
    int fd = failed ? -1 : maildir_enter(d, endpoint, "", e);
    failed |= fd < 0;
    for (size_t i = 0; i < FOLDERS && !failed; i++)
        failed = make_below(d, fd, endpoint, folders[i], e) != 0;
    if (top >= 0)
        close(top);
    if (fd >= 0)
        close(fd);
    if (failed || maildir_lock(d, endpoint, &lock, e) != 0)
        return -1;
    lock_close(&lock);
    return 0;
}

static int fill_setting(const struct maildir *d, int top, struct err *e)
{
    char path[PATH_MAX], text[160];
    struct stat st;
    if (maildir_path(d, path, e, "setting.new") != 0)
        return -1;
    int n = snprintf(text, sizeof text, "max_attempts %lld\nlease_ms %lld\nbackoff_ms %lld\n",
                     (long long)d->first.max_attempts, (long long)d->first.lease_ms, (long long)d->first.backoff_ms);
    const struct files_place new = {top, "setting.new", path};
    if (files_make_file_at(&new, file_mode(d), d->group, NULL, e) != 0) /* what a crash left is written over */
        return -1;
    int fd = shared_open(top, "setting.new", O_WRONLY, &st);
    if (fd >= 0 && st.st_nlink > 1) { /* another file's bytes would be written over */
        close(fd);
        return err_set(e, ERR_READONLY, "%s is a second name of a file; look at it, then remove it", path);
    }
    int failed = fd < 0 || write(fd, text, (size_t)n) != n || ftruncate(fd, n) != 0 || fsync(fd) != 0 ||
                 renameat(top, "setting.new", top, "setting") != 0;
    failed = failed && !maildir_has(top, "setting"); /* another process may have been first */
    if (failed)
        maildir_error("writing", path, e);
    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

/* The folder, and the file that all workers read; made once, whole, and never changed by us again. */
static int make_top(const struct maildir *d, struct err *e)
{
    if (maildir_make_folder(d, &(struct files_place){AT_FDCWD, d->path, d->path}, e) != 0)
        return -1;
    int top = maildir_enter(d, "", "", e);
    int failed = top < 0 || (!maildir_has(top, "setting") && fill_setting(d, top, e) != 0);
    if (top >= 0)
        close(top);
    return failed ? -1 : 0;
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
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') /* a name with a slash at its end is one that a link leads to */
        len--;
    int failed = snprintf(d->path, sizeof d->path, "%.*s", (int)len, path) >= (int)sizeof d->path
                     ? err_set(e, ERR_CONFIG, "the path of directory = is too long")
                 : files_check_link(d->path, e) ? -1
                 : create                       ? make_top(d, e)
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

enum { FIT_DEPTH = 5 }; /* directory/endpoint/done/DAY/NAME */

/* What is neither file nor folder is no business of ours: doctor reports it. */
static int fit_below(const struct files_place *p, gid_t group, int depth, bool *changed, struct err *e)
{
    char path[PATH_MAX];
    struct stat st;
    bool this = false;
    if (fstatat(p->at, p->name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
        return 0;
    int fd = openat(p->at, p->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : maildir_error("opening", p->path, e);
    bool folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    mode_t mode = folder ? 02770 : strcmp(p->name, "lock") == 0 ? 0660 : 0640;
    int failed = files_fit_open(fd, p->path, mode, group, &this, e);
    *changed |= this;
    DIR *names = !failed && folder && depth > 1 ? shared_names(fd) : NULL;
    for (const struct dirent *n; names && !failed && (n = readdir(names));)
        if (*n->d_name != '.' && snprintf(path, sizeof path, "%s/%s", p->path, n->d_name) < (int)sizeof path)
            failed = fit_below(&(struct files_place){fd, n->d_name, path}, group, depth - 1, changed, e);
    if (names)
        closedir(names);
    close(fd);
    return failed;
}

int maildir_fit(const char *path, gid_t group, bool *changed, struct err *e)
{
    return fit_below(&(struct files_place){AT_FDCWD, path, path}, group, FIT_DEPTH, changed, e);
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

/* A new file in tmp/, whose descriptor is *folder. -1 with errno and *e */
static int try_event_file(const struct maildir *d, const struct written *w, int *folder, struct err *e)
{
    *folder = maildir_enter(d, w->endpoint, "tmp", e);
    int fd = *folder >= 0 ? shared_make(*folder, w->name) : -1, why = errno;
    if (fd >= 0 || *folder < 0)
        return fd;
    maildir_error("making", w->name, e);
    if (why == EEXIST) /* of a batch that failed: whatever had been committed is shown already */
        unlinkat(*folder, w->name, 0);
    close(*folder);
    *folder = -1;
    errno = why;
    return -1;
}

static int open_new_event_file(struct maildir *d, const struct written *w, int *folder, struct err *e)
{
    struct err first = {0};
    int fd = try_event_file(d, w, folder, &first);
    if (fd >= 0)
        return fd;
    bool missing = errno == ENOENT, there = errno == EEXIST;
    if (missing && d->create && make_all(d, w->endpoint, e) != 0)
        return err_prefix(e, "making %s", w->name);
    if (!there && !(missing && d->create)) {
        *e = first;
        return -1;
    }
    return try_event_file(d, w, folder, e);
}

static int fill_event_file(const struct maildir *d, int fd, const struct files_place *p, struct span body,
                           int64_t now_ms, struct err *e)
{
    while (body.len) {
        ssize_t n = write(fd, body.at, body.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return maildir_error("writing", p->path, e);
        body.at += n;
        body.len -= (size_t)n;
    }
    struct timespec at = {.tv_sec = (time_t)(now_ms / 1000), .tv_nsec = (long)(now_ms % 1000) * 1000000};
    uid_t owner;
    gid_t group = d->group;
    files_heir(p, &owner, &group);
    if (files_ensure_mode(fd, p->path, file_mode(d)) != 0 || files_give(fd, owner, group) != 0 ||
        futimens(fd, (struct timespec[]){at, at}) != 0)
        return maildir_error("setting mode, owner or time of", p->path, e);
    return 0;
}

int maildir_write(struct maildir *d, const char *endpoint, int64_t created_ms, int64_t seq, struct span body,
                  int64_t now_ms, struct err *e)
{
    char path[PATH_MAX];
    struct written *w = &d->written[d->n];
    int folder;
    if (d->n == MAILDIR_BATCH_MAX)
        return err_set(e, ERR_SYSTEM, "more files than a batch has");
    for (size_t i = 0; i < d->n_endpoints; i++)
        if (d->stuck[i].code != ERR_NONE && strcmp(d->endpoint[i], endpoint) == 0) {
            *e = d->stuck[i];
            return -1;
        }
    snprintf(w->endpoint, sizeof w->endpoint, "%s", endpoint);
    snprintf(w->name, sizeof w->name, "%013lld.%012lld.json", (long long)created_ms, (long long)seq);
    if (maildir_path(d, path, e, "%s/tmp/%s", w->endpoint, w->name) != 0)
        return -1;
    w->fd = open_new_event_file(d, w, &folder, e);
    int failed = w->fd < 0;
    if (!failed && fill_event_file(d, w->fd, &(struct files_place){folder, w->name, path}, body, now_ms, e) != 0) {
        close(w->fd);
        unlinkat(folder, w->name, 0);
        failed = 1;
    }
    if (folder >= 0)
        close(folder);
    d->n += !failed;
    return failed ? -1 : 0;
}

static int sync_folder(const struct maildir *d, const char *endpoint, struct err *e)
{
    int fd = maildir_enter(d, endpoint, "tmp", e);
    int failed = fd >= 0 && fsync(fd) != 0 && errno != EINVAL
                     ? maildir_error("flushing the folder tmp of", endpoint, e)
                     : fd < 0;
    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

int maildir_sync(struct maildir *d, struct err *e)
{
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
        if (!done && sync_folder(d, d->written[i].endpoint, e) != 0)
            return -1;
    }
    return 0;
}

/* Without covering up another file; old kernels and file systems do not know how. */
static int show_name(int tmp, int new, const char *name)
{
    if (kernel_rename_new(tmp, name, new, name) == 0)
        return 0;
    return errno == EINVAL || errno == ENOSYS ? renameat(tmp, name, new, name) : -1;
}

static int show_below(struct maildir *d, int tmp, const char *endpoint, const char *name, struct err *e)
{
    int new = maildir_enter(d, endpoint, "new", e), why = errno;
    if (new >= 0) {
        int shown = show_name(tmp, new, name);
        why = errno;
        if (shown != 0)
            maildir_error("showing", name, e);
        close(new);
        if (shown == 0)
            return 0;
    }
    errno = why;
    return -1;
}

static int show_event_file(struct maildir *d, const char *endpoint, const char *name, struct err *e)
{
    struct err first = {0};
    int tmp = maildir_enter(d, endpoint, "tmp", e);
    if (tmp < 0)
        return -1;
    int failed = show_below(d, tmp, endpoint, name, &first);
    bool again = failed && errno == ENOENT && d->create;
    if (again)
        failed = maildir_make(d, endpoint, e) != 0 ? -1 : show_below(d, tmp, endpoint, name, e);
    else if (failed && e)
        *e = first;
    close(tmp);
    return failed;
}

static void remove_from_tmp(const struct maildir *d, const char *endpoint, const char *name)
{
    int tmp = maildir_enter(d, endpoint, "tmp", NULL);
    if (tmp < 0)
        return;
    unlinkat(tmp, name, 0);
    close(tmp);
}

void maildir_publish(struct maildir *d)
{
    for (size_t i = 0; i < d->n; i++)
        show_event_file(d, d->written[i].endpoint, d->written[i].name, NULL);
    d->n = 0;
}

void maildir_drop(struct maildir *d, bool uncertain)
{
    for (size_t i = 0; i < d->n; i++) {
        if (d->written[i].fd >= 0)
            close(d->written[i].fd);
        if (!uncertain)
            remove_from_tmp(d, d->written[i].endpoint, d->written[i].name);
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
    int logged = s->logged(s->ctx, endpoint, name, e);
    if (logged)
        return logged < 0 ? -1 : show_event_file(s->d, endpoint, name->text, e);
    remove_from_tmp(s->d, endpoint, name->text);
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
