/* SPDX-License-Identifier: MIT
 * maildir_work: what workers do with the files: list, claim, settle, and clear away what is old. */
#include "base/kernel.h"
#include "base/print.h"
#include "base/shared.h"
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

/* Of an endpoint; errno says why. Always -1. */
static int fail_reading(const struct maildir *d, const char *endpoint, const char *folder, struct err *e)
{
    char path[PATH_MAX];
    int os = errno;
    if (maildir_path(d, path, e, "%s/%s", endpoint, folder) != 0)
        return -1;
    errno = os;
    return maildir_error("reading the folder", path, e);
}

/* A folder that is missing is an empty one. */
static int list_one_folder(const struct maildir *d, const char *endpoint, const char *part, maildir_each *each,
                           void *ctx, struct err *e)
{
    struct err why = {0};
    int fd = maildir_enter(d, endpoint, part, &why);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    DIR *folder = fd >= 0 ? shared_names(fd) : NULL;
    int failed = fd < 0 ? (e ? (*e = why, -1) : -1) : !folder ? fail_reading(d, endpoint, part, e) : 0;
    if (fd >= 0)
        close(fd);
    struct maildir_name name;
    for (struct dirent *p; folder && !failed && (p = readdir(folder));)
        if (maildir_parse(p->d_name, &name)) {
            name.fresh = strcmp(part, "new") == 0;
            name.dead = strcmp(part, "dead") == 0;
            failed = each(ctx, endpoint, &name, e);
        }
    if (folder)
        closedir(folder);
    return failed;
}

int maildir_list(const struct maildir *d, const char *endpoint, const char *folder, maildir_each *each, void *ctx,
                 struct err *e)
{
    for (size_t i = 0; i < d->n_endpoints; i++)
        if ((!endpoint || strcmp(endpoint, d->endpoint[i]) == 0) &&
            list_one_folder(d, d->endpoint[i], folder, each, ctx, e) != 0)
            return -1;
    return 0;
}

/* The text of "setting", which the folder's group may replace. */
static int read_setting(const struct maildir *d, const char *path, struct buf *text, struct err *e)
{
    struct stat st;
    int top = maildir_enter(d, "", "", e);
    if (top < 0)
        return -1;
    int fd = shared_open(top, "setting", O_RDONLY, &st), failed = -1;
    close(top);
    if (fd < 0 && errno == ELOOP)
        return err_set(e, ERR_CONFIG, "%s is no file; look at it, then remove it", path);
    if (fd < 0)
        return err_set(e, ERR_CONFIG, "opening %s: %s", path, strerror(errno));
    failed = files_read_open(fd, path, text, &st, e);
    close(fd);
    return failed;
}

int maildir_read_setting(const struct maildir *d, struct maildir_setting *setting, struct err *e)
{
    static const char *const keys[] = {"max_attempts ", "lease_ms ", "backoff_ms "};
    int64_t *const values[] = {&setting->max_attempts, &setting->lease_ms, &setting->backoff_ms};
    char path[PATH_MAX];
    struct buf text = {0};
    if (maildir_path(d, path, e, "setting") != 0 || read_setting(d, path, &text, e) != 0) {
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

/* to: a folder of the endpoint;  as: the name there. 1, 0 when another was first, or -1 and *e */
static int move_file(const struct maildir *d, const char *endpoint, const struct maildir_name *name, const char *to,
                     const char *as, struct err *e)
{
    int from = maildir_enter(d, endpoint, folder_of(name), e);
    int into = from >= 0 ? maildir_enter(d, endpoint, to, e) : -1, moved = -1;
    if (into >= 0) {
        moved = renameat(from, name->text, into, as) == 0;
        if (!moved && (errno != ENOENT || maildir_has(from, name->text)))
            moved = maildir_error("moving", name->text, e);
        close(into);
    }
    if (from >= 0)
        close(from);
    return moved;
}

static int move_in_cur(const struct maildir *d, const char *endpoint, struct maildir_name *name, int64_t attempts,
                       int64_t until_ms, const char *owner, struct err *e)
{
    char base[PLAIN_SIZE], to[MAILDIR_NAME_SIZE];
    struct maildir_name next;
    int n = snprintf(to, sizeof to, "%s,a=%lld,l=%lld%s%s", plain(name, base), (long long)attempts,
                     (long long)until_ms, owner ? ",w=" : "", owner ? owner : "");
    if (n >= (int)sizeof to || !maildir_parse(to, &next))
        return err_set(e, ERR_USAGE, "the owner of a claim is too long");
    int moved = move_file(d, endpoint, name, "cur", to, e);
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

/* False, with errno, where something of this name stays. */
static bool remove_below(const struct maildir *d, const char *endpoint, const char *folder, const char *name)
{
    int fd = maildir_enter(d, endpoint, folder, NULL), why = errno;
    bool gone = fd >= 0 ? unlinkat(fd, name, 0) == 0 || errno == ENOENT : why == ENOENT || why == ENOTDIR;
    if (fd >= 0) {
        why = errno;
        close(fd);
    }
    errno = why;
    return gone;
}

/* The name of a reason, at most PLAIN_SIZE + 4 bytes. */
static const char *reason_name(const char *base, char *out)
{
    snprintf(out, PLAIN_SIZE + 4, "%s.txt", base);
    return out;
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
    int done = maildir_path(d, path, e, "%s/%s", endpoint, day) == 0 ? maildir_enter(d, endpoint, "done", e) : -1;
    if (done < 0)
        return -1;
    const char *name = day + strlen("done/");
    int failed = !maildir_has(done, name) && maildir_make_folder(d, &(struct files_place){done, name, path}, e) != 0;
    close(done);
    int fd = failed ? -1 : maildir_enter(d, endpoint, day, e);
    if (fd < 0)
        return -1;
    failed = faccessat(fd, ".", W_OK | X_OK, 0) != 0 ? maildir_error("using", path, e) : 0;
    close(fd);
    return failed;
}

int maildir_ready_done(const struct maildir *d, const char *endpoint, int64_t now_ms, struct err *e)
{
    char day[PLAIN_SIZE];
    return make_day(d, endpoint, now_ms, day, sizeof day, e);
}

void maildir_why_dead(const struct maildir *d, const char *endpoint, const struct maildir_name *name, char *why,
                      size_t size)
{
    char base[PLAIN_SIZE], reason[PLAIN_SIZE + 4];
    struct stat st;
    ssize_t n = 0;
    int dead = maildir_enter(d, endpoint, "dead", NULL);
    int fd = dead >= 0 ? shared_open(dead, reason_name(plain(name, base), reason), O_RDONLY, &st) : -1;
    if (fd >= 0) {
        n = read(fd, why, size - 1);
        close(fd);
    }
    if (dead >= 0)
        close(dead);
    why[n > 0 ? n : 0] = '\0';
    why[strcspn(why, "\n")] = '\0';
}

int maildir_done(const struct maildir *d, const char *endpoint, const struct maildir_name *name, int64_t now_ms,
                 struct err *e)
{
    char base[PLAIN_SIZE], day[PLAIN_SIZE], reason[PLAIN_SIZE + 4];
    if (make_day(d, endpoint, now_ms, day, sizeof day, e) != 0)
        return -1;
    int moved = move_file(d, endpoint, name, day, plain(name, base), e);
    if (moved == 1 && name->dead)
        remove_below(d, endpoint, "dead", reason_name(base, reason));
    return moved;
}

/* The reason is a comfort, the move is what counts; whatever stands there already is not ours. */
static void write_reason(const struct maildir *d, const char *endpoint, const char *base, const char *why)
{
    char reason[PLAIN_SIZE + 4];
    int dead = maildir_enter(d, endpoint, "dead", NULL);
    int fd = dead >= 0 ? shared_make(dead, reason_name(base, reason)) : -1;
    if (fd >= 0) {
        uid_t owner;
        gid_t group = d->group;
        files_heir(&(struct files_place){dead, reason, reason}, &owner, &group);
        if ((owner == (uid_t)-1 && group == (gid_t)-1) || fchown(fd, owner, group) == 0)
            fchmod(fd, d->group == (gid_t)-1 ? 0600 : 0640);
    }
    FILE *text = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (text) {
        print_to(text, "%s\n", why);
        fclose(text);
    } else if (fd >= 0) {
        close(fd);
    }
    if (dead >= 0)
        close(dead);
}

int maildir_dead(const struct maildir *d, const char *endpoint, const struct maildir_name *name, const char *why,
                 struct err *e)
{
    char base[PLAIN_SIZE];
    int moved = move_file(d, endpoint, name, "dead", plain(name, base), e);
    if (moved == 1 && why)
        write_reason(d, endpoint, base, why);
    return moved;
}

/* ---- what is old ---- */

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
    int failed = *days || absent ? 0 : fd < 0 ? -1 : fail_reading(d, endpoint, "done", e);
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
    char day[PLAIN_SIZE];
    int failed = 0;
    for (size_t i = 0; i < d->n_endpoints && !failed; i++) {
        DIR *days = NULL;
        failed = open_days(d, d->endpoint[i], &days, e);
        for (struct dirent *p; days && !failed && (p = readdir(days));)
            if (end_of_day(p->d_name) > (since_ms > 0 ? since_ms : 0)) { /* 0: it is no day */
                snprintf(day, sizeof day, "done/%.8s", p->d_name);
                failed = list_one_folder(d, d->endpoint[i], day, each, ctx, e);
            }
        if (days)
            closedir(days);
    }
    return failed ? -1 : 0;
}

/* ---- what is erased, or done again ---- */

int maildir_remove(const struct maildir *d, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    int fd = maildir_enter(d, endpoint, folder_of(name), e);
    if (fd < 0)
        return -1;
    int removed = unlinkat(fd, name->text, 0) == 0 ? 1
                  : errno == ENOENT                ? 0
                                                   : maildir_error("removing", name->text, e);
    close(fd);
    return removed;
}

int maildir_flush(const struct maildir *d, struct err *e)
{
    int fd = maildir_enter(d, "", "", e);
    int failed = fd < 0 ? -1 : kernel_flush(fd) != 0 ? maildir_error("flushing", d->path, e) : 0;
    if (fd >= 0)
        close(fd);
    return failed;
}

void maildir_name(int64_t created_ms, int64_t seq, struct maildir_name *name)
{
    *name = (struct maildir_name){.created_ms = created_ms, .seq = seq, .fresh = true};
    snprintf(name->text, sizeof name->text, "%013lld.%012lld.json", (long long)created_ms, (long long)seq);
}

/* Remove a file of this name from each day; false when one is left, in the day of *left. */
static bool remove_from_days(const struct maildir *d, const char *endpoint, const char *base, char left[PLAIN_SIZE])
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
            snprintf(left, PLAIN_SIZE, "done/%.8s", p->d_name);
        errno = why;
    }
    int why = errno;
    if (days)
        closedir(days);
    errno = why;
    return gone;
}

void maildir_forget(const struct maildir *d, const char *endpoint, const struct maildir_name *name)
{
    char base[PLAIN_SIZE], reason[PLAIN_SIZE + 4], left[PLAIN_SIZE];
    plain(name, base);
    remove_below(d, endpoint, "dead", base);
    remove_below(d, endpoint, "dead", reason_name(base, reason));
    remove_from_days(d, endpoint, base, left);
}

int maildir_erase(const struct maildir *d, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    static const char *const parts[] = {"tmp", "new", "cur", "dead"};
    char path[PATH_MAX], base[PLAIN_SIZE], reason[PLAIN_SIZE + 4], left[PLAIN_SIZE] = "dead";
    plain(name, base);
    const char *stays = base;
    bool gone = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && gone; i++)
        if (!(gone = remove_below(d, endpoint, parts[i], base)))
            snprintf(left, sizeof left, "%s", parts[i]);
    if (gone && !(gone = remove_below(d, endpoint, "dead", reason_name(base, reason))))
        stays = reason;
    if (gone && remove_from_days(d, endpoint, base, left))
        return 0;
    int why = errno;
    if (maildir_path(d, path, e, "%s/%s/%s", endpoint, left, stays) != 0)
        return -1;
    errno = why;
    return maildir_error("removing", path, e);
}
