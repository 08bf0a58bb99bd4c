/* SPDX-License-Identifier: MIT
 * maildir_work: what workers do with the files: list, claim, settle, and erase. */
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

enum { PLAIN_MIN = 13 + 1 + 12 + 5 /* "CREATED.SEQ.json" */ };

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
    if (strlen(text) < PLAIN_MIN || strcspn(text, ",") >= MAILDIR_PLAIN_SIZE || strlen(text) >= sizeof name->text)
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
    snprintf(out, MAILDIR_PLAIN_SIZE, "%.*s", (int)strcspn(name->text, ","), name->text);
    return out;
}

int maildir_fail_reading(const struct maildir *d, const char *endpoint, const char *folder, struct err *e)
{
    char path[PATH_MAX];
    int os = errno;
    if (maildir_path(d, path, e, "%s/%s", endpoint, folder) != 0)
        return -1;
    errno = os;
    return maildir_error("reading the folder", path, e);
}

int maildir_list_folder(const struct maildir *d, const char *endpoint, const char *part, maildir_each *each,
                        void *ctx, struct err *e)
{
    struct err why = {0};
    int fd = maildir_enter(d, endpoint, part, &why);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    DIR *folder = fd >= 0 ? shared_names(fd) : NULL;
    int failed = fd < 0 ? (e ? (*e = why, -1) : -1) : !folder ? maildir_fail_reading(d, endpoint, part, e) : 0;
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
            maildir_list_folder(d, d->endpoint[i], folder, each, ctx, e) != 0)
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
    char base[MAILDIR_PLAIN_SIZE], to[MAILDIR_NAME_SIZE];
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

/* The name of a reason, at most MAILDIR_PLAIN_SIZE + 4 bytes. */
static const char *reason_name(const char *base, char *out)
{
    snprintf(out, MAILDIR_PLAIN_SIZE + 4, "%s.txt", base);
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
    char day[MAILDIR_PLAIN_SIZE];
    return make_day(d, endpoint, now_ms, day, sizeof day, e);
}

int64_t maildir_dead_size(const struct maildir *d, const char *endpoint, const struct maildir_name *name)
{
    char base[MAILDIR_PLAIN_SIZE];
    struct stat st = {.st_size = 0};
    int dead = maildir_enter(d, endpoint, "dead", NULL);
    if (dead < 0)
        return 0;
    int seen = fstatat(dead, plain(name, base), &st, AT_SYMLINK_NOFOLLOW);
    close(dead);
    return seen == 0 ? st.st_size : 0;
}

void maildir_why_dead(const struct maildir *d, const char *endpoint, const struct maildir_name *name, char *why,
                      size_t size)
{
    char base[MAILDIR_PLAIN_SIZE], reason[MAILDIR_PLAIN_SIZE + 4];
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

static bool has_bytes(int fd, struct span bytes)
{
    char piece[8192];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0 && (size_t)n <= bytes.len &&
           memcmp(piece, bytes.at, (size_t)n) == 0) {
        bytes.at += n;
        bytes.len -= (size_t)n;
    }
    return n == 0 && bytes.len == 0;
}

int maildir_holds(const struct maildir *d, const char *endpoint, const char *folder, const struct maildir_name *name,
                  struct span bytes, struct err *e)
{
    struct stat st;
    int in = maildir_enter(d, endpoint, folder, e);
    if (in < 0)
        return -1;
    int fd = shared_open(in, name->text, O_RDONLY, &st), why = errno;
    bool same = fd >= 0 ? has_bytes(fd, bytes) : why == ENOENT;
    if (fd >= 0)
        close(fd);
    close(in);
    return same;
}

int maildir_done(const struct maildir *d, const char *endpoint, const struct maildir_name *name, int64_t now_ms,
                 struct err *e)
{
    char base[MAILDIR_PLAIN_SIZE], day[MAILDIR_PLAIN_SIZE], reason[MAILDIR_PLAIN_SIZE + 4];
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
    char reason[MAILDIR_PLAIN_SIZE + 4];
    int dead = maildir_enter(d, endpoint, "dead", NULL);
    int fd = dead >= 0 ? shared_make(dead, reason_name(base, reason)) : -1;
    if (fd >= 0) {
        uid_t owner;
        gid_t group = d->group;
        files_heir(&(struct files_place){dead, reason, reason}, &owner, &group);
        if (files_give(fd, owner, group) == 0)
            files_ensure_mode(fd, reason, d->group == (gid_t)-1 ? 0600 : 0640);
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
    char base[MAILDIR_PLAIN_SIZE];
    int moved = move_file(d, endpoint, name, "dead", plain(name, base), e);
    if (moved == 1 && why)
        write_reason(d, endpoint, base, why);
    return moved;
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

void maildir_forget(const struct maildir *d, const char *endpoint, const struct maildir_name *name)
{
    char base[MAILDIR_PLAIN_SIZE], reason[MAILDIR_PLAIN_SIZE + 4], left[MAILDIR_PLAIN_SIZE];
    plain(name, base);
    remove_below(d, endpoint, "dead", base);
    remove_below(d, endpoint, "dead", reason_name(base, reason));
    maildir_remove_from_days(d, endpoint, base, left);
}

int maildir_erase(const struct maildir *d, const char *endpoint, const struct maildir_name *name, struct err *e)
{
    static const char *const parts[] = {"tmp", "new", "cur", "dead"};
    char path[PATH_MAX], base[MAILDIR_PLAIN_SIZE], reason[MAILDIR_PLAIN_SIZE + 4], left[MAILDIR_PLAIN_SIZE] = "dead";
    plain(name, base);
    const char *stays = base;
    bool gone = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && gone; i++)
        if (!(gone = remove_below(d, endpoint, parts[i], base)))
            snprintf(left, sizeof left, "%s", parts[i]);
    if (gone && !(gone = remove_below(d, endpoint, "dead", reason_name(base, reason))))
        stays = reason;
    if (gone && maildir_remove_from_days(d, endpoint, base, left))
        return 0;
    int why = errno;
    if (maildir_path(d, path, e, "%s/%s/%s", endpoint, left, stays) != 0)
        return -1;
    errno = why;
    return maildir_error("removing", path, e);
}
