/* SPDX-License-Identifier: MIT
 * spool: files of events that wait: writing, listing and reading them. */
#include "spool.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/kernel.h"
#include "base/shared.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD_MAX = 512 /* bytes */, REST_MS = 100, NAMES_MAX = 8192, PLAIN = 13 + 1 + 9 + 1 + 8 };

#define RECEIVED_MAX INT64_C(9999999999999) /* of 13 digits */

void spool_begin(struct spool *s, const char *path)
{
    *s = (struct spool){.waits = *path != '\0'};
    snprintf(s->path, sizeof s->path, "%s", path);
    if (getrandom(&s->process, sizeof s->process, GRND_NONBLOCK) != sizeof s->process)
        s->process = (uint32_t)getpid();
}

int spool_make(const char *path, gid_t group, bool *made, struct err *e)
{
    if (files_check_link(path, e) != 0)
        return -1;
    return files_make_dir(path, group == (gid_t)-1 ? 0700 : 02770, group, made, e);
}

/* Say what errno says, in our codes; always -1. */
static int fail_spool(const char *doing, const char *path, struct err *e)
{
    int os = errno;
    enum err_code code = err_is_full(os)                                               ? ERR_FULL
                         : os == ENOENT                                                ? ERR_NOT_FOUND
                         : os == ENOTDIR || os == EACCES || os == EPERM || os == EROFS ? ERR_READONLY
                         : os == ENOMEM                                                ? ERR_MEMORY
                                                                                       : ERR_SYSTEM;
    return err_set(e, code, "the spool: %s %s: %s; see complycube-inbox doctor", doing, path, strerror(os));
}

static int path_of_spooled(const char *folder, const char *mark, const char *name, char *path, struct err *e)
{
    return snprintf(path, PATH_MAX, "%s/%s%s", folder, mark, name) < PATH_MAX
               ? 0
               : err_set(e, ERR_CONFIG, "the spool: its path is too long");
}

/* ---- names ---- */

static bool all_of(const char *text, size_t n, const char *set)
{
    for (size_t i = 0; i < n; i++)
        if (!text[i] || !strchr(set, text[i]))
            return false;
    return true;
}

enum spool_kind spool_kind(const char *name, int64_t *received_ms)
{
    static const char digits[] = "0123456789";
    bool hidden = *name == '.';
    const char *at = name + hidden;
    if (!all_of(at, 13, digits) || at[13] != '.' || !all_of(at + 14, 9, digits) || at[23] != '.' ||
        !all_of(at + 24, 8, "0123456789abcdef") || strncmp(at + PLAIN, ".event", 6) != 0)
        return SPOOL_FOREIGN;
    const char *rest = at + PLAIN + 6;
    *received_ms = strtoll(at, NULL, 10);
    if (hidden)
        return *rest ? SPOOL_FOREIGN : SPOOL_UNFINISHED;
    return !*rest ? SPOOL_EVENT : strcmp(rest, ".aside") == 0 ? SPOOL_ASIDE : SPOOL_FOREIGN;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static void sort(struct spool_names *names)
{
    if (names->n)
        qsort(names->list, names->n, sizeof *names->list, by_name);
}

/* However many wait, only so many of the oldest are kept. */
static int add_name_to(struct spool_names *names, const char *name, struct err *e)
{
    if (names->n == 2 * (size_t)NAMES_MAX) {
        sort(names);
        names->n = NAMES_MAX;
        names->more = true;
    }
    if (strcmp(name, names->after) <= 0 || (names->more && strcmp(name, names->list[NAMES_MAX - 1]) > 0))
        return 0;
    if (names->n == names->cap) { /* which is a power of two, as is the limit */
        size_t cap = names->cap ? 2 * names->cap : 64;
        void *list = realloc(names->list, cap * sizeof *names->list);
        if (!list)
            return err_set(e, ERR_MEMORY, "the spool: listing it: out of memory");
        names->list = list;
        names->cap = cap;
    }
    snprintf(names->list[names->n++], SPOOL_NAME_SIZE, "%.*s", SPOOL_NAME_SIZE - 1, name);
    return 0;
}

static int take_name(DIR *folder, const char *name, bool aside, struct spool_names *names, struct err *e)
{
    struct stat st;
    int64_t ms = 0;
    enum spool_kind kind = spool_kind(name, &ms);
    names->count[kind]++;
    if (kind == SPOOL_EVENT && (!names->oldest_ms || ms < names->oldest_ms))
        names->oldest_ms = ms ? ms : 1;
    if (kind == SPOOL_UNFINISHED && fstatat(dirfd(folder), name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        (!names->unfinished_ms || (int64_t)st.st_mtime * 1000 < names->unfinished_ms))
        names->unfinished_ms = (int64_t)st.st_mtime * 1000;
    return kind == SPOOL_EVENT || (kind == SPOOL_ASIDE && aside) ? add_name_to(names, name, e) : 0;
}

static int list_names(const char *path, bool aside, struct spool_names *names, struct err *e)
{
    int failed = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return fail_spool("opening", path, e);
    for (struct dirent *p; !failed && (errno = 0, p = readdir(folder));)
        if (strcmp(p->d_name, ".") != 0 && strcmp(p->d_name, "..") != 0)
            failed = take_name(folder, p->d_name, aside, names, e);
    if (!failed && errno)
        failed = fail_spool("reading", path, e);
    closedir(folder);
    sort(names);
    if (failed)
        spool_names_release(names);
    return failed;
}

int spool_list(const char *path, bool aside, struct spool_names *names, struct err *e)
{
    *names = (struct spool_names){.n = 0};
    return list_names(path, aside, names, e);
}

int spool_list_next(const char *path, struct spool_names *names, struct err *e)
{
    struct spool_names next = {.n = 0};
    snprintf(next.after, sizeof next.after, "%s", names->n ? names->list[names->n - 1] : names->after);
    spool_names_release(names);
    *names = next;
    return list_names(path, false, names, e);
}

void spool_names_release(struct spool_names *names)
{
    free(names->list);
    *names = (struct spool_names){.n = 0};
}

/*
 * The time of a folder moves on in steps of some milliseconds: one that changed this moment may change again and look the
 * same. A file that is being written becomes one that waits.
 */
bool spool_waits(struct spool *s, int64_t now_ms)
{
    struct spool_names names;
    struct err e;
    const struct files_stamp none = {0};
    if (!*s->path)
        return false;
    struct files_stamp now = files_look(s->path);
    if (!files_print_equal(&now, &none) && files_print_equal(&now, &s->empty))
        return s->waits = false;
    if (clock_ms() < s->rest_until_ms && files_print_equal(&now, &s->left))
        return false;
    if (spool_list(s->path, false, &names, &e) != 0) {
        s->waits = e.code == ERR_SYSTEM || e.code == ERR_MEMORY; /* which passes */
        return false; /* nothing can be said, and nothing be done, of what cannot be read */
    }
    s->waits = names.n > 0;
    bool at_rest = !names.count[SPOOL_UNFINISHED] && now.mtime_ns / 1000000 < now_ms - REST_MS;
    s->empty = !s->waits && at_rest ? now : none;
    s->left = s->waits && at_rest ? now : none; /* unless something is recorded now, which changes the folder */
    spool_names_release(&names);
    return s->waits;
}

/* ---- writing ---- */

static int spooled_header_of(const struct spool_entry *v, char *head)
{
    return snprintf(head, HEAD_MAX,
                    "complycube-spool 1\nreceived_ms %lld\nendpoint %s\nsecret %s\nsignature %s\nlength %zu\n\n",
                    (long long)v->received_ms, v->endpoint, v->secret, v->signature, v->body.len);
}

static int write_all_parts(int fd, struct iovec parts[2])
{
    int first = 0;
    while (first < 2) {
        ssize_t n = writev(fd, parts + first, 2 - first);
        if (n < 0 && errno != EINTR)
            return -1;
        for (size_t left = n > 0 ? (size_t)n : 0; first < 2; first++) {
            size_t taken = left < parts[first].iov_len ? left : parts[first].iov_len;
            parts[first].iov_base = (char *)parts[first].iov_base + taken;
            parts[first].iov_len -= taken;
            left -= taken;
            if (parts[first].iov_len)
                break;
        }
    }
    return 0;
}

static int fill_file(int fd, const char *path, const struct verified *event, int64_t received_ms, gid_t group)
{
    struct spool_entry v = {.received_ms = received_ms, .body = verified_body(event)};
    char head[HEAD_MAX];
    snprintf(v.endpoint, sizeof v.endpoint, "%s", verified_endpoint(event));
    snprintf(v.secret, sizeof v.secret, "%s", verified_secret(event));
    hex_encode(verified_signature(event), VERIFY_DIGEST, v.signature);
    int len = spooled_header_of(&v, head);
    struct iovec parts[2] = {{head, (size_t)len}, {(void *)(uintptr_t)v.body.at, v.body.len}};
    if (write_all_parts(fd, parts) != 0 || files_ensure_mode(fd, path, group == (gid_t)-1 ? 0600 : 0660) != 0)
        return -1;
    if (files_give(fd, (uid_t)-1, group) != 0 &&
        files_ensure_mode(fd, path, 0600) != 0) /* the event matters more than who else could record it */
        return -1;
    return fsync(fd);
}

/* A new file under its hidden name; the folder is made where it is gone. */
static int open_new_spool_file(struct spool *s, int64_t received_ms, gid_t group, char *name, char *path,
                               struct err *e)
{
    for (int again = 0;; again++) {
        snprintf(name, SPOOL_NAME_SIZE, "%013lld.%09u.%08x.event", (long long)received_ms,
                 (unsigned)(s->count++ % 1000000000u), (unsigned)s->process);
        if (path_of_spooled(s->path, ".", name, path, e) != 0)
            return -1;
        int fd = shared_make(AT_FDCWD, path);
        if (fd >= 0)
            return fd;
        if (again || (errno != ENOENT && errno != EEXIST))
            return fail_spool("making", path, e);
        if (errno == ENOENT && spool_make(s->path, group, NULL, e) != 0)
            return -1;
    }
}

static int write_one(struct spool *s, const struct verified *event, int64_t received_ms, gid_t group, char *name,
                     struct err *e)
{
    char path[PATH_MAX];
    int fd = open_new_spool_file(s, received_ms, group, name, path, e);
    if (fd < 0)
        return -1;
    int failed = fill_file(fd, path, event, received_ms, group);
    if (failed)
        fail_spool("writing", path, e);
    if (close(fd) != 0 && !failed)
        failed = fail_spool("closing", path, e);
    if (failed)
        unlink(path);
    return failed;
}

int spool_rename(const char *from, const char *to)
{
    if (kernel_rename_new(AT_FDCWD, from, AT_FDCWD, to) == 0)
        return 0;
    return errno == EINVAL || errno == ENOSYS ? rename(from, to) : -1;
}

static int show_spooled(const struct spool *s, const char *name, struct err *e)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (path_of_spooled(s->path, ".", name, from, e) != 0 || path_of_spooled(s->path, "", name, to, e) != 0)
        return -1;
    if (spool_rename(from, to) == 0)
        return 0;
    fail_spool("naming", to, e);
    unlink(from);
    return -1;
}

int spool_flush(const char *path, struct err *e)
{
    char inside[PATH_MAX];
    return path_of_spooled(path, "", "x", inside, e) == 0 ? files_sync_folder(inside, e) : -1;
}

size_t spool_put(struct spool *s, const struct verified *const list[], size_t n, gid_t group, int64_t now_ms,
                 struct err *e)
{
    char names[STORE_BATCH_MAX][SPOOL_NAME_SIZE], path[PATH_MAX];
    size_t written = 0, shown = 0;
    int64_t received_ms = now_ms < 0              ? 0
                          : now_ms > RECEIVED_MAX ? RECEIVED_MAX
                                                  : now_ms; /* whatever the clock says */
    while (written < n && write_one(s, list[written], received_ms, group, names[written], e) == 0)
        written++;
    while (shown < written && show_spooled(s, names[shown], e) == 0)
        shown++;
    for (size_t i = shown; i < written; i++)
        if (path_of_spooled(s->path, ".", names[i], path, NULL) == 0)
            unlink(path);
    if (shown == 0)
        return 0;
    s->waits = true;
    return spool_flush(s->path, e) == 0 ? shown : 0;
}

/* ---- reading ---- */

static int no_file(struct err *e, const char *why)
{
    return err_set(e, ERR_UNDECODABLE, "it is no whole file of a spool: %s", why);
}

/* A line "KEY VALUE\n" at the front of *rest, which moves on: the value into `out`, of `size` bytes with the NUL. */
static bool take_line(struct span *rest, const char *key, char *out, size_t size)
{
    size_t n = strlen(key);
    if (rest->len <= n || memcmp(rest->at, key, n) != 0)
        return false;
    const char *value = rest->at + n, *end = memchr(value, '\n', rest->len - n);
    size_t len = end ? (size_t)(end - value) : size;
    if (len >= size || memchr(value, '\0', len))
        return false;
    memcpy(out, value, len);
    out[len] = '\0';
    *rest = (struct span){end + 1, rest->len - n - len - 1};
    return true;
}

int spool_parse(struct span text, struct spool_entry *v, struct err *e)
{
    char ms[24], length[24], none[2], head[HEAD_MAX];
    struct span rest = text;
    if (!take_line(&rest, "complycube-spool ", none, sizeof none) || strcmp(none, "1") != 0)
        return no_file(e, "its first line is another");
    if (!take_line(&rest, "received_ms ", ms, sizeof ms) ||
        !take_line(&rest, "endpoint ", v->endpoint, sizeof v->endpoint) ||
        !take_line(&rest, "secret ", v->secret, sizeof v->secret) ||
        !take_line(&rest, "signature ", v->signature, sizeof v->signature) ||
        !take_line(&rest, "length ", length, sizeof length) || !take_line(&rest, "", none, 1))
        return no_file(e, "a line at its head is missing");
    v->received_ms = strtoll(ms, NULL, 10);
    v->body = rest;
    uint8_t digest[VERIFY_DIGEST];
    bool sound = *ms != '-' && text_is_name(span_of(v->endpoint)) && text_is_name(span_of(v->secret)) &&
                 hex_decode(span_of(v->signature), digest, sizeof digest) == 0;
    if (!sound)
        return no_file(e, "a line at its head is wrong");
    hex_encode(digest, sizeof digest, v->signature);
    size_t len = (size_t)spooled_header_of(v, head); /* it is as we write it, length and all, or none of ours */
    if (len != text.len - rest.len || memcmp(head, text.at, len) != 0)
        return no_file(e, "it is not as long as it says, or its head is not as this program writes it");
    return 0;
}

/* Read on, until the buffer has `end` bytes or the file ends. */
static int read_until(int fd, struct buf *out, size_t end, const char *name, struct err *e)
{
    while (out->len < end) {
        size_t room = buf_room(out, end - out->len, end);
        if (room == 0)
            return err_set(e, ERR_MEMORY, "the spool: reading %s: out of memory", name);
        ssize_t n = read(fd, out->at + out->len, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_spool("reading", name, e);
        if (n == 0)
            break;
        out->len += (size_t)n;
    }
    return 0;
}

/* Does the head, whose last line is the length, speak of a file of this size? */
static bool head_says_size(struct span start, off_t size)
{
    const char *end = start.len ? memmem(start.at, start.len, "\n\n", 2) : NULL;
    const char *line = end ? memrchr(start.at, '\n', (size_t)(end - start.at)) : NULL;
    char length[24];
    struct span rest = line ? (struct span){line + 1, (size_t)(end - line)} : (struct span){0};
    return take_line(&rest, "length ", length, sizeof length) &&
           strtoll(length, NULL, 10) == size - (end + 2 - start.at);
}

/* The bytes of an open file. If it is not ours, its head alone is read, however large it is. */
static int read_whole(int fd, struct buf *out, const char *name, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_spool("looking at", name, e);
    if (!S_ISREG(st.st_mode) || st.st_size > SPOOL_BODY_MAX + HEAD_MAX)
        return no_file(e, "it is no file, or too long");
    out->len = 0;
    size_t size = (size_t)st.st_size;
    if (read_until(fd, out, size < HEAD_MAX ? size : HEAD_MAX, name, e) != 0)
        return -1;
    if (size > HEAD_MAX && !head_says_size((struct span){out->at, out->len}, st.st_size))
        return no_file(e, "it is not as long as it says, or its head is not as this program writes it");
    return read_until(fd, out, size, name, e);
}

int spool_read(const char *folder, const char *name, struct spool_entry *v, struct err *e)
{
    char path[PATH_MAX];
    int64_t ms = 0;
    if (path_of_spooled(folder, "", name, path, e) != 0)
        return -1;
    struct stat st;
    int fd = shared_open(AT_FDCWD, path, O_RDONLY, &st);
    if (fd < 0 && errno == ENOENT)
        return 1;
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EINTR))
        return err_set(e, ERR_MEMORY, "the spool: opening %s: %s", path, strerror(errno));
    if (fd < 0 && errno == ELOOP)
        return no_file(e, "something else stands in its place");
    if (fd < 0)
        return fail_spool("opening", path, e);
    int failed = read_whole(fd, &v->data, name, e);
    close(fd);
    if (failed || spool_parse((struct span){v->data.at ? v->data.at : "", v->data.len}, v, e) != 0)
        return -1;
    spool_kind(name, &ms);
    return v->received_ms == ms ? 0 : no_file(e, "its name tells another time than its text");
}

void spool_entry_release(struct spool_entry *v)
{
    buf_release(&v->data);
    *v = (struct spool_entry){.received_ms = 0};
}
