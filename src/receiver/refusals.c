/* SPDX-License-Identifier: MIT
 * refusals: a file of counters, written in place by many. */
#include "refusals.h"

#include "base/files.h"
#include "base/shared.h"
#include "store/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { MINUTE_MS = 60000, HOUR_MS = 3600000, VERSION = 1, TRY_NS = 200000 };

/* In the order of bytes of this machine: the file is no use to another. */
struct header {
    char magic[8];
    uint32_t version, size, kinds, minutes, hours, check;
};

_Static_assert(sizeof(struct header) == sizeof(struct refusals_slot), "slots are aligned");
enum {
    HEADER = sizeof(struct header),
    SLOT = sizeof(struct refusals_slot),
    SIZE = HEADER + sizeof(struct refusals_log)
};
_Static_assert(SIZE <= 65536, "a small file");

static const struct row {
    const char *word, *text;
    enum err_code code;
} rows[REFUSALS_KINDS] = {
#define X(kind, word, text, code) {word, text, code},
    REFUSALS_TABLE(X)
#undef X
};

const char *refusals_word(enum refusals_kind kind) { return rows[kind].word; }
const char *refusals_text(enum refusals_kind kind) { return rows[kind].text; }

/* Of whole 32-bit words before the check itself. source: the FNV-1a hash, by words */
static uint32_t checksum(const void *at, size_t len)
{
    uint32_t hash = 2166136261u, word;
    for (size_t i = 0; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, (const char *)at + i, sizeof word);
        hash = (hash ^ word) * 16777619u;
        hash ^= hash >> 15;
    }
    return hash;
}

static struct header header_of(void)
{
    struct header h = {"CCIXREF", VERSION, SIZE, REFUSALS_KINDS, REFUSALS_MINUTES, REFUSALS_HOURS, 0};
    h.check = checksum(&h, offsetof(struct header, check));
    return h;
}

static uint32_t check_of(const struct refusals_slot *s) { return checksum(s, offsetof(struct refusals_slot, check)); }

static int path_of_refusals(const char *database, char *path, size_t size)
{
    char base[PATH_MAX];
    beside_base(database, base, NULL);
    return snprintf(path, size, "%s.refused", base) < (int)size ? 0 : -1;
}

/* ---- the file ---- */

static enum err_code code_of(int os) { return err_is_full(os) ? ERR_FULL : ERR_READONLY; }

static int fail_refusals(const struct refusals *r, const char *doing, struct err *e)
{
    int os = errno;
    return err_set(e, code_of(os), "%s the count of refusals %s: %s; it must be writable for this user", doing,
                   r->path, strerror(os));
}

static int take_lock(int fd, int how, int tries)
{
    const struct timespec pause = {0, TRY_NS};
    while (flock(fd, how | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || --tries <= 0)
            return -1;
        nanosleep(&pause, NULL);
    }
    return 0;
}

static bool is_sound(int fd)
{
    struct header h, mine = header_of();
    return lseek(fd, 0, SEEK_END) == SIZE && pread(fd, &h, sizeof h, 0) == sizeof h &&
           memcmp(&h, &mine, sizeof h) == 0;
}

/* Begin anew, under the lock. All of it is written, so that a disk that fills up later does not matter. */
static int begin_file(int fd)
{
    struct header h = header_of();
    char *zero = calloc(1, SIZE);
    bool done =
        zero && ftruncate(fd, 0) == 0 && pwrite(fd, zero, SIZE, 0) == SIZE && pwrite(fd, &h, sizeof h, 0) == sizeof h;
    free(zero);
    return done ? 0 : -1;
}

void refusals_close(struct refusals *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

int refusals_open(struct refusals *r, const char *database, gid_t group, struct err *e)
{
    struct stat st;
    refusals_close(r);
    if (path_of_refusals(database, r->path, sizeof r->path) != 0)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    bool own =
        strncmp(r->path, database, strlen(database)) == 0 && strstr(r->path + strlen(database), BESIDE_OWN "/");
    if (files_make_file(r->path, group == (gid_t)-1 ? 0600 : own ? 0640 : 0660, group, NULL, e) != 0)
        return -1;
    r->fd = shared_open(AT_FDCWD, r->path, O_RDWR, &st);
    if (r->fd < 0)
        return errno == ELOOP ? err_set(e, ERR_READONLY, "%s is not a file; remove it", r->path)
                              : fail_refusals(r, "opening", e);
    r->dev = st.st_dev;
    r->ino = st.st_ino;
    return 0;
}

bool refusals_in_place(const struct refusals *r, const char *database)
{
    char path[PATH_MAX];
    struct stat st;
    return r->fd >= 0 && path_of_refusals(database, path, sizeof path) == 0 && strcmp(path, r->path) == 0 &&
           stat(path, &st) == 0 && st.st_dev == r->dev && st.st_ino == r->ino;
}

/* ---- counting ---- */

static void add_to(uint32_t *n, uint32_t more) { *n = *n > UINT32_MAX - more ? UINT32_MAX : *n + more; }

void refusals_add(struct refusals *r, enum err_code code)
{
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS; k++)
        /* the row with ERR_CODES stands for every code that is answered 5xx */
        if (code != ERR_NONE && (rows[k].code == code || (rows[k].code == ERR_CODES && err_http(code) >= 500))) {
            add_to(&r->pending[k], 1);
            r->any = true;
        }
}

/* A slot of an earlier round of the ring, or a damaged one, is begun anew. */
static int add_slot(const struct refusals *r, size_t first, size_t slots, int64_t unit_ms, int64_t now_ms)
{
    int64_t number = now_ms / unit_ms;
    off_t at = (off_t)(first + (size_t)number % slots * SLOT);
    struct refusals_slot s;
    if (pread(r->fd, &s, sizeof s, at) != sizeof s || s.start_ms != number * unit_ms || s.check != check_of(&s))
        s = (struct refusals_slot){.start_ms = number * unit_ms};
    for (int k = 0; k < REFUSALS_KINDS; k++)
        add_to(&s.n[k], r->pending[k]);
    s.check = check_of(&s);
    return pwrite(r->fd, &s, sizeof s, at) == sizeof s ? 0 : -1;
}

int refusals_write(struct refusals *r, int64_t now_ms, int tries, struct err *e)
{
    if (!r->any)
        return 0;
    if (r->fd < 0 || now_ms < 0)
        return err_set(e, ERR_READONLY, "the count of refusals is not open");
    if (take_lock(r->fd, LOCK_EX, tries) != 0)
        return err_set(e, ERR_BUSY, "others are counting in %s", r->path);
    int failed = (!is_sound(r->fd) && begin_file(r->fd) != 0) ||
                 add_slot(r, HEADER, REFUSALS_MINUTES, MINUTE_MS, now_ms) != 0 ||
                 add_slot(r, HEADER + REFUSALS_MINUTES * SLOT, REFUSALS_HOURS, HOUR_MS, now_ms) != 0;
    if (failed)
        fail_refusals(r, "writing", e);
    flock(r->fd, LOCK_UN);
    if (failed)
        return -1;
    memset(r->pending, 0, sizeof r->pending);
    r->any = false;
    return 0;
}

/* ---- reading ---- */

static void sift(struct refusals_slot *slot, size_t n, int64_t unit_ms)
{
    for (size_t i = 0; i < n; i++) {
        bool good = slot[i].start_ms > 0 && slot[i].check == check_of(&slot[i]) && slot[i].start_ms % unit_ms == 0 &&
                    (size_t)(slot[i].start_ms / unit_ms) % n == i;
        if (!good)
            slot[i] = (struct refusals_slot){0};
    }
}

int refusals_read(const char *database, struct refusals_log *log, struct err *e)
{
    char path[PATH_MAX];
    memset(log, 0, sizeof *log);
    if (path_of_refusals(database, path, sizeof path) != 0)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    struct stat st;
    int fd = shared_open(AT_FDCWD, path, O_RDONLY, &st);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
                   ? 0
                   : err_set(e, ERR_READONLY, "reading the count of refusals %s: %s", path, strerror(errno));
    take_lock(fd, LOCK_SH, 50); /* where it cannot be had a slot may be half written, and is passed over */
    if (!is_sound(fd) || pread(fd, log, sizeof *log, HEADER) != sizeof *log)
        memset(log, 0, sizeof *log);
    close(fd);
    sift(log->minute, REFUSALS_MINUTES, MINUTE_MS);
    sift(log->hour, REFUSALS_HOURS, HOUR_MS);
    return 0;
}

static int64_t sum_minutes(const struct refusals_log *log, enum refusals_kind kind, int64_t since_ms,
                           int64_t before_ms)
{
    int64_t n = 0;
    for (size_t i = 0; i < REFUSALS_MINUTES; i++)
        if (log->minute[i].start_ms + MINUTE_MS > since_ms && log->minute[i].start_ms < before_ms)
            n += log->minute[i].n[kind];
    return n;
}

/* Of an hour that is asked for in part: its minutes, unless they are gone already. */
static int64_t sum_part(const struct refusals_log *log, const struct refusals_slot *hour, enum refusals_kind kind,
                        int64_t since_ms, int64_t before_ms)
{
    int64_t start = hour->start_ms, end = start + HOUR_MS;
    if (sum_minutes(log, kind, start, end) < hour->n[kind])
        return hour->n[kind];
    return sum_minutes(log, kind, since_ms > start ? since_ms : start, before_ms < end ? before_ms : end);
}

int64_t refusals_sum(const struct refusals_log *log, enum refusals_kind kind, int64_t since_ms, int64_t before_ms)
{
    int64_t n = 0;
    for (size_t i = 0; i < REFUSALS_HOURS; i++) {
        const struct refusals_slot *h = &log->hour[i];
        if (h->start_ms == 0 || h->start_ms + HOUR_MS <= since_ms || h->start_ms >= before_ms)
            continue;
        bool whole = h->start_ms >= since_ms && h->start_ms + HOUR_MS <= before_ms;
        n += whole ? h->n[kind] : sum_part(log, h, kind, since_ms, before_ms);
    }
    return n;
}

int64_t refusals_since(const char *database, enum refusals_kind kind, int64_t since_ms, struct err *e)
{
    struct refusals_log *log = malloc(sizeof *log);
    if (!log)
        return err_set(e, ERR_MEMORY, "reading the count of refusals: out of memory");
    int64_t n = refusals_read(database, log, e) == 0 ? refusals_sum(log, kind, since_ms, INT64_MAX) : -1;
    free(log);
    return n;
}
