/* SPDX-License-Identifier: MIT
 * copy: copies of a database that nobody else knows yet. */
#include "copy.h"

#include "guard.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/shared.h"
#include "vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    STEP_PAGES = 1024,
    PIECE = 1 << 20 /* bytes */,
    CHUNK = 8 << 20,
    ROOM = 32 << 20 /* left to the receiver */,
    TICK = 200000
};

/* ---- a database by itself ---- */

int sqlite_lone_open(struct db **out, const char *path, struct err *e)
{
    struct db *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_MEMORY, "opening %s: out of memory", path);
    s->lock.fd = -1;
    s->wait_ms = SQLITE_HOLD_MS;
    s->reads = true; /* or writes what lies where it can be written */
    snprintf(s->path, sizeof s->path, "%s", path);
    if (sqlite_connect(s, e) != 0) {
        sqlite_lone_close(s);
        return -1;
    }
    sqlite_set_wait(s, s->wait_ms);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* not without the writers' lock */
    *out = s;
    return 0;
}

void sqlite_lone_close(struct db *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < STORE_SQL_COUNT; i++)
        sqlite3_finalize(s->prepared[i]);
    sqlite3_close(s->db);
    free(s);
}

int sqlite_number(struct db *s, enum store_sql which, int64_t *value, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    if (!q)
        return -1;
    bool found = sqlite3_step(q) == SQLITE_ROW;
    *value = found ? sqlite3_column_int64(q, 0) : 0;
    return sqlite3_reset(q) == SQLITE_OK && found ? 0 : sqlite_error(s, "reading it", e);
}

int sqlite_do(struct db *s, enum store_sql which, const char *doing, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    if (!q)
        return -1;
    while (sqlite3_step(q) == SQLITE_ROW)
        continue;
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, doing, e);
}

/* ---- the file ---- */

static int check_room(const char *path, int64_t need, struct err *e)
{
    char folder[PATH_MAX];
    struct statvfs fs;
    if (files_folder(path, folder, sizeof folder) != 0 || statvfs(folder, &fs) != 0)
        return err_set(e, ERR_DATABASE, "the folder of %s: %s; name one that is there", path, strerror(errno));
    int64_t left = (int64_t)((uint64_t)fs.f_bavail * fs.f_frsize);
    if (left >= need + ROOM)
        return 0;
    return err_set(e, ERR_FULL,
                   "%s has %lld MB left and %lld are needed; make room, or name a folder of another disk", folder,
                   (long long)(left >> 20), (long long)((need + ROOM) >> 20) + 1);
}

int sqlite_copy_make(struct sqlite_copy *c, const char *about, const char *path, mode_t mode, gid_t group,
                     int64_t need, struct err *e)
{
    bool made = false;
    struct stat st;
    *c = (struct sqlite_copy){.fd = -1, .about = about};
    if (check_room(path, need, e) != 0 || files_make_file(path, mode, group, &made, e) != 0)
        return -1;
    if (!made)
        return err_set(e, ERR_USAGE, "%s is there: another one is at work, or was broken off; remove it then", path);
    snprintf(c->path, sizeof c->path, "%s", path);
    c->fd = shared_open(AT_FDCWD, path, O_RDWR, &st);
    return c->fd >= 0 ? 0 : err_set(e, ERR_READONLY, "opening %s: %s", path, strerror(errno));
}

void sqlite_copy_end(struct sqlite_copy *c, bool kept)
{
    sqlite_lone_close(c->db);
    c->db = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    if (*c->path && !kept)
        unlink(c->path);
}

int sqlite_copy_flush(struct sqlite_copy *c, struct err *e)
{
    const unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    off_t size = lseek(c->fd, 0, SEEK_END);
    for (off_t at = 0; at < size; at += CHUNK)
        if (sync_file_range(c->fd, at, CHUNK, all) != 0)
            break; /* not on this file system; fsync does it */
    return fsync(c->fd) == 0
               ? 0
               : err_set(e, err_is_full(errno) ? ERR_FULL : ERR_SYSTEM, "flushing %s: %s", c->path, strerror(errno));
}

/* ---- filling it ---- */

static sqlite3_file *file_of(struct db *s)
{
    sqlite3_file *file = NULL;
    return sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK && file->pMethods
               ? file
               : NULL;
}

/* Can its bytes be copied? See copy_bytes. */
static bool is_one_file(const struct db *from) { return (from->lock.fd >= 0 && !from->log_ino) || from->frozen; }

void sqlite_copy_ready(struct sqlite_copy *c, struct db *from)
{
    if (!is_one_file(from))
        return;
    sqlite3_file *file = file_of(from);
    sqlite3_int64 size = 0;
    char *bytes = malloc(PIECE);
    if (bytes && file && file->pMethods->xFileSize(file, &size) == SQLITE_OK) {
        fallocate(c->fd, 0, 0, size); /* a file system that cannot is slower */
        for (sqlite3_int64 at = 0; at < size; at += PIECE)
            if (file->pMethods->xRead(file, bytes, size - at < PIECE ? (int)(size - at) : PIECE, at) != SQLITE_OK)
                break; /* whoever copies it will tell */
    }
    free(bytes);
}

static bool is_told(const struct store_teller *t, const char *doing, int64_t done, int64_t all)
{
    return !t->tell || t->tell(t->ctx, doing, done, all);
}

static int stopped(const struct sqlite_copy *c, struct err *e)
{
    return err_set(e, ERR_SYSTEM, "%s: told to stop; nothing was changed", c->path);
}

/* Does a writer of another process wait for the readers of this file, or will it soon? */
static bool is_waited_for(struct db *s)
{
    int reserved = 0;
    sqlite3_file *file = file_of(s);
    return file && file->pMethods->xCheckReservedLock(file, &reserved) == SQLITE_OK && reserved;
}

/* For how long has one waited? Without a write-ahead log nobody commits while we read. */
static int64_t waited_ms(struct db *from, int64_t *since_ms)
{
    int64_t now_ms = clock_ms();
    if (!is_waited_for(from))
        *since_ms = 0;
    else if (!*since_ms)
        *since_ms = now_ms;
    return *since_ms ? now_ms - *since_ms : 0;
}

/* source: sqlite.org/c3ref/backup_finish.html: steps do not begin anew while the source's own read transaction is open */
static int copy_pages(struct sqlite_copy *c, struct db *from, struct db *to, const struct store_teller *t,
                      struct err *e)
{
    int64_t page = 0;
    if (sqlite_number(from, SQL_PAGE_SIZE, &page, e) != 0)
        return -1;
    sqlite3_backup *b = sqlite3_backup_init(to->db, "main", from->db, "main");
    if (!b)
        return sqlite_error(to, "copying into it", e);
    int rc = SQLITE_OK, result = 0;
    while (rc == SQLITE_OK && result == 0) {
        rc = sqlite3_backup_step(b, STEP_PAGES);
        int all = sqlite3_backup_pagecount(b), left = sqlite3_backup_remaining(b);
        if (rc == SQLITE_OK && !is_told(t, "copying", (all - left) * page, all * page))
            result = stopped(c, e);
        else if (rc == SQLITE_OK)
            fdatasync(c->fd); /* or a flush of the receiver's would wait for all that was written */
    }
    if (sqlite3_backup_finish(b) != SQLITE_OK && result == 0)
        result = sqlite_error(to, "copying into it", e);
    return result;
}

/*
 * Without a write-ahead log the file itself is the snapshot while it is read, and others wait: so its bytes are copied,
 * several times as fast as page by page.
 */
static int copy_bytes(struct sqlite_copy *c, struct db *from, const struct store_teller *t, char *bytes,
                      struct err *e)
{
    sqlite3_file *file = file_of(from);
    int64_t pages = 0, page = 0, since_ms = 0;
    if (!file || sqlite_number(from, SQL_PAGES, &pages, e) != 0 || sqlite_number(from, SQL_PAGE_SIZE, &page, e) != 0)
        return file ? -1 : sqlite_error(from, "reading it", e);
    for (int64_t at = 0, n, all = pages * page; at < all; at += n) {
        n = all - at < PIECE ? all - at : PIECE;
        int rc = file->pMethods->xRead(file, bytes, (int)n, at);
        if (rc != SQLITE_OK)
            return err_set(e, ERR_DATABASE, "reading %s: %s", from->path, sqlite3_errstr(rc));
        if (pwrite(c->fd, bytes, (size_t)n, at) != n)
            return err_set(e, err_is_full(errno) ? ERR_FULL : ERR_SYSTEM, "writing %s: %s", c->path, strerror(errno));
        if (!is_told(t, "copying", at, all))
            return stopped(c, e);
        if (waited_ms(from, &since_ms) > SQLITE_HOLD_MS)
            return 1;
    }
    return ftruncate(c->fd, pages * page) == 0 ? 0
                                               : err_set(e, ERR_SYSTEM, "cutting %s: %s", c->path, strerror(errno));
}

/* source: sqlite.org/fileformat2.html, section 1.3.3: 1 at 18 and 19 is a rollback journal: the copy is one file */
static int forget_log(struct sqlite_copy *c, struct err *e)
{
    static const unsigned char version[2] = {1, 1};
    return pwrite(c->fd, version, sizeof version, 18) == (ssize_t)sizeof version
               ? 0
               : err_set(e, ERR_SYSTEM, "writing %s: %s", c->path, strerror(errno));
}

static int open_copy(struct sqlite_copy *c, struct err *e)
{
    if (sqlite_lone_open(&c->db, c->path, e) != 0)
        return -1;
    static const enum store_sql first[] = {SQL_NO_FLUSH, SQL_NO_JOURNAL, SQL_IN_MEMORY, SQL_WIPE};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (sqlite_do(c->db, first[i], "setting it up", e) != 0)
            return -1;
    return 0;
}

int sqlite_copy_fill(struct sqlite_copy *c, struct db *from, const struct store_teller *t, struct err *e)
{
    char *bytes = is_one_file(from) ? malloc(PIECE) : NULL;
    int result = -1;
    if (bytes)
        result = copy_bytes(c, from, t, bytes, e);
    else if (open_copy(c, e) == 0)
        result = copy_pages(c, from, c->db, t, e);
    free(bytes);
    sqlite_lone_close(c->db);
    c->db = NULL;
    if (result)
        return result;
    return forget_log(c, e) == 0 && open_copy(c, e) == 0 ? 0 : -1;
}

/* ---- checking it ---- */

static int tick_copy(void *ctx)
{
    const struct store_teller *t = ctx;
    return !is_told(t, "checking", 0, 0);
}

static int run_check(struct sqlite_copy *c, enum store_sql which, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(c->db, which, e);
    if (!q)
        return -1;
    int rc = sqlite3_step(q), result = -1;
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 0) : NULL;
    if (said && strcmp(said, "ok") == 0)
        result = 0;
    else if (said)
        err_set(e, ERR_DATABASE, "%s is damaged: %.200s", c->about, said);
    else if (rc == SQLITE_INTERRUPT)
        stopped(c, e);
    else
        sqlite_error(c->db, "checking it", e);
    sqlite3_reset(q);
    return result;
}

/*
 * One function that an application's index calls can compute for hours, and nothing interrupts it. So where anything in the
 * file computes, only our own tables are checked, which are as a release made them; and no CHECK is. Before 3.33 SQLite knows
 * no check of one table.
 */
static int run_checks(struct sqlite_copy *c, struct err *e)
{
    int64_t computing = sqlite_computing(c->db, e);
    if (computing < 0 || sqlite_do(c->db, SQL_NO_CHECKS, "setting it up", e) != 0)
        return -1;
    if (computing == 0)
        return run_check(c, SQL_SOUND, e);
    if (sqlite3_libversion_number() < 3033000)
        return 0;
    for (enum store_sql which = SQL_SOUND_ENDPOINT; which <= SQL_SOUND_COUNTER; which++)
        if (run_check(c, which, e) != 0)
            return -1;
    return 0;
}

static int check_sound(struct sqlite_copy *c, const struct store_teller *t, struct err *e)
{
    struct store_teller teller = *t;
    if (sqlite_refuse_altered(c->db, c->about, e) != 0)
        return -1;
    c->db->tick = tick_copy;
    c->db->tick_ctx = &teller;
    int result = run_checks(c, e);
    c->db->tick = NULL;
    return sqlite_do(c->db, SQL_CHECKS, "setting it up", result ? NULL : e) == 0 ? result : -1;
}

static int count_held(struct sqlite_copy *c, struct store_backup *holds, struct err *e)
{
    int64_t *const numbers[] = {&holds->events, &holds->last,        &holds->waiting,
                                &holds->dead,   &holds->quarantined, &holds->stray};
    sqlite3_stmt *q = sqlite_prepare(c->db, SQL_HOLDS, e);
    if (!q)
        return -1;
    if (sqlite3_step(q) == SQLITE_ROW)
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            *numbers[i] = sqlite3_column_int64(q, (int)i);
    if (sqlite3_reset(q) != SQLITE_OK)
        return sqlite_error(c->db, "counting", e);
    int64_t pages, size, files[3] = {0};
    if (sqlite_number(c->db, SQL_PAGES, &pages, e) != 0 || sqlite_number(c->db, SQL_PAGE_SIZE, &size, e) != 0)
        return -1;
    holds->bytes = pages * size;
    holds->files = -1;
    if (sqlite_number(c->db, SQL_BACKUP_LISTED, &files[0], NULL) != 0)
        return 0; /* it has no list: the inbox is the table */
    if (sqlite_number(c->db, SQL_BACKUP_LISTED_DEAD, &files[2], e) != 0)
        return -1;
    holds->files = files[0];
    holds->dead += files[2];
    holds->waiting += files[0] - files[2];
    return 0;
}

int sqlite_copy_check(struct sqlite_copy *c, const struct store_teller *t, struct store_backup *holds, struct err *e)
{
    int64_t application, version;
    *holds = (struct store_backup){.files = -1};
    if (sqlite_number(c->db, SQL_APPLICATION, &application, e) != 0 ||
        sqlite_number(c->db, SQL_VERSION, &version, e) != 0 ||
        sqlite_check_version(c->about, (uint32_t)application, (uint32_t)version, e) != 0)
        return -1;
    return check_sound(c, t, e) == 0 && count_held(c, holds, e) == 0 ? 0 : -1;
}
