/* SPDX-License-Identifier: MIT
 * maildir_work: what workers do with the files: list, claim, settle, and clear away what is old. */
#include "base/files.h"
#include "base/kernel.h"
#include "base/print.h"
#include "maildir_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PLAIN_MIN = 13 + 1 + 12 + 5 /* "CREATED.SEQ.json" */, PLAIN_SIZE = 48, DAY_MS = 86400000 };

/* A number after `prefix` at *at, moving on; -1 when it is not there. */
static int64_t number_in_name(const char **at, const char *prefix)
{
    size_t len = strlen(prefix);
    if (strncmp(*at, prefix, len) != 0 || (*at)[len] < '0' || (*at)[len] > '9')
        return -1;
    char *end;
    errno = 0;
    int64_t value = strtoll(*at + len, &end, 10);
    *at = end;
    return errno ? -1 : value;
}

bool maildir_parse(const char *text, struct maildir_name *name)
{
    const char *at = text;
    if (strlen(text) < PLAIN_MIN || strcspn(text, ",") >= PLAIN_SIZE || strlen(text) >= sizeof name->text)
        return false;
    *name = (struct maildir_name){.created_ms = number_in_name(&at, "")};
    name->seq = number_in_name(&at, ".");
    if (name->created_ms < 0 || name->seq < 0 || strncmp(at, ".json", 5) != 0)
        return false;
    at += 5;
    if (*at != '\0') {
        name->attempts = number_in_name(&at, ",a=");
        name->until_ms = number_in_name(&at, ",l=");
        name->claimed = strncmp(at, ",w=", 3) == 0;
        if (name->attempts < 0 || name->until_ms < 0 || (!name->claimed && *at != '\0'))
            return false;
    }
    snprintf(name->text, sizeof name->text, "%s", text);
    return true;
}

/* The name as it was in new/. */
static const char *plain(const struct maildir_name *name, char *out)
{
    snprintf(out, PLAIN_SIZE, "%.*s", (int)strcspn(name->text, ","), name->text);
    return out;
}

static int list_one_folder(const char *path, const char *endpoint, maildir_each *each, void *ctx, struct err *e)
{
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOENT || errno == ENOTDIR ? 0 : maildir_error("reading the folder", path, e);
    int failed = 0;
    struct maildir_name name;
    size_t len = strlen(path);
    bool fresh = len > 4 && strcmp(path + len - 4, "/new") == 0;
    bool dead = len > 5 && strcmp(path + len - 5, "/dead") == 0;
    for (struct dirent *p; !failed && (p = readdir(folder));)
        if (maildir_parse(p->d_name, &name)) {
            name.fresh = fresh;
            name.dead = dead;
            failed = each(ctx, endpoint, &name, e);
        }
    closedir(folder);
    return failed;
}

int maildir_list(const struct maildir *d, const char *endpoint, const char *folder, maildir_each *each, void *ctx,
                 struct err *e)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < d->n_endpoints; i++)
        if ((!endpoint || strcmp(endpoint, d->endpoint[i]) == 0) &&
            (maildir_check_links(d, d->endpoint[i], folder, e) != 0 ||
             maildir_path(d, path, e, "%s/%s", d->endpoint[i], folder) != 0 ||
             list_one_folder(path, d->endpoint[i], each, ctx, e) != 0))
            return -1;
    return 0;
}

int maildir_read_setting(const struct maildir *d, struct maildir_setting *setting, struct err *e)
{
    static const char *const keys[] = {"max_attempts ", "lease_ms ", "backoff_ms "};
    int64_t *const values[] = {&setting->max_attempts, &setting->lease_ms, &setting->backoff_ms};
    char path[PATH_MAX];
    struct buf text = {0};
    struct stat st;
    if (maildir_path(d, path, e, "setting") != 0 || files_read_text(path, &text, &st, e) != 0) {
        buf_release(&text);
        return -1;
    }
    bool good = true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *at = text.at ? strstr(text.at, keys[i]) : NULL;
        *values[i] = at ? number_in_name(&at, keys[i]) : -1;
        good = good && *values[i] > 0 && *values[i] <= MAILDIR_NUMBER_MAX;
    }
    buf_release(&text);
    return good ? 0
                : err_set(e, ERR_CONFIG,
                          "%s: a line \"NAME NUMBER\" is missing for max_attempts, lease_ms or "
                          "backoff_ms",
                          path);
}

/* ---- what can become of a name ---- */

static const char *folder_of(const struct maildir_name *name)
{
    return name->fresh ? "new" : name->dead ? "dead" : "cur";
}

static int move_file(const struct maildir *d, const char *endpoint, const struct maildir_name *name, const char *to,
                     struct err *e)
{
    char from[PATH_MAX], target[PATH_MAX];
    if (maildir_path(d, from, e, "%s/%s/%s", endpoint, folder_of(name), name->text) != 0 ||
        maildir_path(d, target, e, "%s/%s", endpoint, to) != 0)
        return -1;
    if (rename(from, target) == 0)
        return 1;
    if (errno == ENOENT && access(from, F_OK) != 0)
        return 0;
    return maildir_error("moving", from, e);
}

static int move_in_cur(const struct maildir *d, const char *endpoint, struct maildir_name *name, int64_t attempts,
                       int64_t until_ms, const char *owner, struct err *e)
{
    char base[PLAIN_SIZE], to[MAILDIR_NAME_SIZE + 8];
    struct maildir_name next;
    int n = snprintf(to, sizeof to, "cur/%s,a=%lld,l=%lld%s%s", plain(name, base), (long long)attempts,
                     (long long)until_ms, owner ? ",w=" : "", owner ? owner : "");
    if (n >= (int)sizeof to || !maildir_parse(to + 4, &next))
        return err_set(e, ERR_USAGE, "the owner of a claim is too long");
    int moved = move_file(d, endpoint, name, to, e);
    if (moved == 1)
        *name = next;
    return moved;
}

int maildir_claim(const struct maildir *d, const char *endpoint, struct maildir_name *name, int64_t until_ms,
                  const char *owner, struct err *e)
{
    return move_in_cur(d, endpoint, name, name->attempts + 1, until_ms, owner, e);
}

int maildir_extend(const struct maildir *d, const char *endpoint, struct maildir_name *name, int64_t until_ms,
                   struct err *e)
{
    const char *owner = strstr(name->text, ",w=");
    return move_in_cur(d, endpoint, name, name->attempts, until_ms, owner ? owner + 3 : NULL, e);
}

int maildir_later(const struct maildir *d, const char *endpoint, struct maildir_name *name, int64_t attempts,
                  int64_t until_ms, struct err *e)
{
    return move_in_cur(d, endpoint, name, attempts, until_ms, NULL, e);
}

static void remove_below(const struct maildir *d, const char *endpoint, const char *folder, const char *name,
                         const char *suffix)
{
    char path[PATH_MAX];
    if (maildir_path(d, path, NULL, "%s/%s%s%s", endpoint, folder, name, suffix) == 0)
        unlink(path);
}

/* "done/YYYYMMDD" of a time, made where it is missing. */
static int make_day(const struct maildir *d, const char *endpoint, int64_t now_ms, char *day, size_t size,
                    struct err *e)
{
    char path[PATH_MAX];
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    snprintf(day, size, "done/%04d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    if (maildir_path(d, path, e, "%s/%s", endpoint, day) != 0 ||
        (access(path, F_OK) != 0 && maildir_make_folder(d, path, e) != 0))
        return -1;
    return access(path, W_OK | X_OK) == 0 ? 0 : maildir_error("using", path, e);
}

int maildir_ready_done(const struct maildir *d, const char *endpoint, int64_t now_ms, struct err *e)
{
    char day[PLAIN_SIZE];
    return make_day(d, endpoint, now_ms, day, sizeof day, e);
}

void maildir_why_dead(const struct maildir *d, const char *endpoint, const struct maildir_name *name, char *why,
                      size_t size)
{
    char path[PATH_MAX], base[PLAIN_SIZE];
    ssize_t n = 0;
    int fd = maildir_path(d, path, NULL, "%s/dead/%s.txt", endpoint, plain(name, base)) == 0
                 ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                 : -1;
    if (fd >= 0) {
        n = read(fd, why, size - 1);
        close(fd);
    }
    why[n > 0 ? n : 0] = '\0';
    why[strcspn(why, "\n")] = '\0';
}

int maildir_done(const struct maildir *d, const char *endpoint, const struct maildir_name *name, int64_t now_ms,
                 struct err *e)
{
    char base[PLAIN_SIZE], day[PLAIN_SIZE], to[2 * PLAIN_SIZE];
    if (make_day(d, endpoint, now_ms, day, sizeof day, e) != 0)
        return -1;
    snprintf(to, sizeof to, "%s/%s", day, plain(name, base));
    int moved = move_file(d, endpoint, name, to, e);
    if (moved == 1 && name->dead)
        remove_below(d, endpoint, "dead/", base, ".txt");
    return moved;
}

int maildir_dead(const struct maildir *d, const char *endpoint, const struct maildir_name *name, const char *why,
                 struct err *e)
{
    char base[PLAIN_SIZE], to[PLAIN_SIZE + 8], path[PATH_MAX];
    snprintf(to, sizeof to, "dead/%s", plain(name, base));
    int moved = move_file(d, endpoint, name, to, e);
    if (moved != 1 || !why || maildir_path(d, path, e, "%s/%s.txt", endpoint, to) != 0)
        return moved;
    bool made =
        false; /* the reason is a comfort, the move is what counts; whatever stands there already is not ours */
    if (files_make_file(path, d->group == (gid_t)-1 ? 0600 : 0640, d->group, &made, NULL) != 0 || !made)
        return moved;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *text = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (text) {
        print_to(text, "%s\n", why);
        fclose(text);
    } else if (fd >= 0) {
        close(fd);
    }
    return moved;
}

/* ---- what is old ---- */

/* A folder that is one itself, not by a link. */
static DIR *open_real(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder && fd >= 0)
        close(fd);
    return folder;
}

/* Open a folder that may be absent: 0 and *folder, NULL if it is; or -1 and *e. */
static int open_present(int at, const char *name, DIR **folder, struct err *e)
{
    *folder = open_real(at, name);
    bool absent = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    return *folder || absent ? 0 : maildir_error("reading the folder", name, e);
}

/* Events only: whatever else is there was put there by somebody. */
static int64_t prune_day(int done, const char *day, struct err *e)
{
    struct maildir_name name;
    int64_t n = 0;
    DIR *folder;
    if (open_present(done, day, &folder, e) != 0)
        return -1;
    if (!folder)
        return 0;
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

static int64_t prune_endpoint(const char *done, int64_t before_ms, struct err *e)
{
    int64_t n = 0, more = 0;
    DIR *folder;
    if (open_present(AT_FDCWD, done, &folder, e) != 0)
        return -1;
    for (struct dirent *p; folder && more >= 0 && (p = readdir(folder)); n += more > 0 ? more : 0) {
        int64_t end = end_of_day(p->d_name);
        more = end && end <= before_ms ? prune_day(dirfd(folder), p->d_name, e) : 0;
    }
    if (folder)
        closedir(folder);
    return more < 0 ? -1 : n;
}

int64_t maildir_prune(const struct maildir *d, int64_t before_ms, struct err *e)
{
    char path[PATH_MAX];
    int64_t n = 0;
    for (size_t i = 0; i < d->n_endpoints; i++) {
        int64_t more =
            maildir_path(d, path, e, "%s/done", d->endpoint[i]) == 0 ? prune_endpoint(path, before_ms, e) : -1;
        if (more < 0)
            return -1;
        n += more;
    }
    return n;
}

int maildir_list_done(const struct maildir *d, int64_t since_ms, maildir_each *each, void *ctx, struct err *e)
{
    char path[PATH_MAX];
    int failed = 0;
    for (size_t i = 0; i < d->n_endpoints && !failed; i++) {
        DIR *days = NULL;
        failed =
            maildir_path(d, path, e, "%s/done", d->endpoint[i]) != 0 || open_present(AT_FDCWD, path, &days, e) != 0;
        for (struct dirent *p; days && !failed && (p = readdir(days));)
            if (end_of_day(p->d_name) > (since_ms > 0 ? since_ms : 0)) /* 0: it is no day */
                failed = maildir_path(d, path, e, "%s/done/%s", d->endpoint[i], p->d_name) != 0 ||
                         list_one_folder(path, d->endpoint[i], each, ctx, e) != 0;
        if (days)
            closedir(days);
    }
    return failed ? -1 : 0;
}

/* ---- what is erased, or done again ---- */

int maildir_remove(const struct maildir *d, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    char path[PATH_MAX];
    if (maildir_path(d, path, e, "%s/%s/%s", endpoint, folder_of(name), name->text) != 0)
        return -1;
    return unlink(path) == 0 ? 1 : errno == ENOENT ? 0 : maildir_error("removing", path, e);
}

int maildir_flush(const struct maildir *d, struct err *e)
{
    int fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || kernel_flush(fd) != 0 ? maildir_error("flushing", d->path, e) : 0;
    if (fd >= 0)
        close(fd);
    return failed;
}

void maildir_name(int64_t created_ms, int64_t seq, struct maildir_name *name)
{
    *name = (struct maildir_name){.created_ms = created_ms, .seq = seq, .fresh = true};
    snprintf(name->text, sizeof name->text, "%013lld.%012lld.json", (long long)created_ms, (long long)seq);
}

/* Remove a file of this name from each day; false when one is left, whose path is at `path` then. */
static bool remove_from_days(const struct maildir *d, const char *endpoint, const char *base, char *path)
{
    char part[PATH_MAX];
    bool gone = true;
    DIR *days = maildir_path(d, path, NULL, "%s/done", endpoint) == 0 ? open_real(AT_FDCWD, path) : NULL;
    for (struct dirent *p; days && gone && (p = readdir(days));) {
        if (!end_of_day(p->d_name) || snprintf(part, sizeof part, "%s/%s", p->d_name, base) >= (int)sizeof part)
            continue;
        gone = unlinkat(dirfd(days), part, 0) == 0 || errno == ENOENT || errno == ENOTDIR;
        if (!gone)
            maildir_path(d, path, NULL, "%s/done/%s", endpoint, part);
    }
    if (days)
        closedir(days);
    return gone;
}

void maildir_forget(const struct maildir *d, const char *endpoint, const struct maildir_name *name)
{
    char path[PATH_MAX], base[PLAIN_SIZE];
    plain(name, base);
    remove_below(d, endpoint, "dead/", base, "");
    remove_below(d, endpoint, "dead/", base, ".txt");
    remove_from_days(d, endpoint, base, path);
}

int maildir_erase(const struct maildir *d, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    static const char *const parts[][2] = {
        {"tmp/", ""}, {"new/", ""}, {"cur/", ""}, {"dead/", ""}, {"dead/", ".txt"}};
    char path[PATH_MAX], base[PLAIN_SIZE];
    plain(name, base);
    bool gone = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && gone; i++)
        if (maildir_path(d, path, e, "%s/%s%s%s", endpoint, parts[i][0], base, parts[i][1]) != 0)
            return -1;
        else
            gone = unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR;
    if (gone && remove_from_days(d, endpoint, base, path))
        return 0;
    return maildir_error("removing", path, e);
}
