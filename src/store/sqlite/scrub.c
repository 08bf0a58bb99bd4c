/* SPDX-License-Identifier: MIT
 * scrub: nothing of what was erased is left in the unused parts of the database's pages.
 *
 * secure_delete overwrites what is deleted. But SQLite moves cells between pages when it splits and joins them, and
 * leaves copies in the unused space of these; and applications may use an SQLite that deletes without overwriting. So
 * these parts are overwritten in the file itself: they mean nothing, whatever is in them, so nobody can read anything
 * wrong meanwhile. It is done while the database's own lock is held and the log is empty, so that the file is all there
 * is and nobody writes it; and each stretch ends with a commit, after which every connection reads its pages anew
 * instead of writing a copy from its cache.
 *
 * source: sqlite.org/fileformat2.html, sections 1.3, 1.5 and 1.6; sqlite.org/psow.html */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { PAGES = 2000 /* of a stretch */, TRIES = 40, WAIT_MS = 100, HEADER = 100 };
enum { PAGES_MAX = 1 << 25 /* from here on the first byte of an overflow page may be that of another kind */ };

struct scrub {
    struct db *s;
    sqlite3_file *file;
    unsigned char header[HEADER], *page, *zeros;
    uint32_t size, usable; /* of a page, in bytes */
    int64_t pages;
    bool changed;
};

static uint32_t number_of_pragma(const unsigned char *p, int bytes)
{
    uint32_t n = 0;
    for (int i = 0; i < bytes; i++)
        n = n << 8 | p[i];
    return n;
}

static int io_error(struct scrub *x, const char *doing, struct err *e)
{
    return err_set(e, ERR_DATABASE, "%s: %s failed; see complycube-inbox doctor", x->s->path, doing);
}

static int read_page(struct scrub *x, int64_t n, struct err *e)
{
    int rc = x->file->pMethods->xRead(x->file, x->page, (int)x->size, (n - 1) * x->size);
    return rc == SQLITE_OK ? 0 : io_error(x, "reading a page", e);
}

/* Zero those bytes of page n that are not zero yet. */
static int clear(struct scrub *x, int64_t n, uint32_t from, uint32_t to, struct err *e)
{
    if (from >= to || memcmp(x->page + from, x->zeros, to - from) == 0)
        return 0;
    x->changed = true;
    int rc = x->file->pMethods->xWrite(x->file, x->zeros, (int)(to - from), (n - 1) * x->size + from);
    return rc == SQLITE_OK ? 0 : io_error(x, "overwriting a part of a page", e);
}

/* A chain of freed parts: each begins with the place of the next and its own size. */
static int clear_freed(struct scrub *x, int64_t n, uint32_t least, struct err *e)
{
    uint32_t at = number_of_pragma(x->page + 1, 2);
    while (at >= least && at + 4 <= x->usable) {
        uint32_t next = number_of_pragma(x->page + at, 2), size = number_of_pragma(x->page + at + 2, 2);
        if (size < 4 || at + size > x->usable || (next && next < at + size))
            return 0; /* damaged: that is for others to find */
        if (clear(x, n, at + 4, at + size, e) != 0)
            return -1;
        at = next;
    }
    return 0;
}

static int clear_page(struct scrub *x, int64_t n, struct err *e)
{
    unsigned char kind = x->page[0];
    bool inner = kind == 2 || kind == 5;
    if (!inner && kind != 10 && kind != 13)
        return 0; /* of no tree */
    uint32_t cells = number_of_pragma(x->page + 3, 2), begin = number_of_pragma(x->page + 5, 2);
    uint32_t end_of_cells = (inner ? 12 : 8) + 2 * cells;
    if (begin == 0)
        begin = 65536;
    if (begin > x->usable || end_of_cells > begin)
        return 0;
    return clear(x, n, end_of_cells, begin, e) != 0 ? -1 : clear_freed(x, n, begin, e);
}

/* Pages that are free: those that the list itself stands on, and all of the others. */
static int clear_free_pages(struct scrub *x, int64_t *skip, struct err *e)
{
    int64_t trunk = number_of_pragma(x->header + 32, 4), seen = 0, left = PAGES, trunks = 0;
    uint32_t *list = malloc(x->size);
    if (!list)
        return err_set(e, ERR_MEMORY, "scrubbing: out of memory");
    int failed = 0;
    while (trunk > 1 && trunk <= x->pages && trunks++ < x->pages && !failed && left > 0) {
        failed = read_page(x, trunk, e);
        uint32_t n = failed ? 0 : number_of_pragma(x->page + 4, 4);
        if (n > x->size / 4 - 2)
            break;
        for (uint32_t i = 0; i < n; i++)
            list[i] = number_of_pragma(x->page + 8 + (size_t)4 * i, 4);
        int64_t next = failed ? 0 : number_of_pragma(x->page, 4);
        failed = failed || clear(x, trunk, 8 + 4 * n, x->size, e);
        for (uint32_t i = 0; i < n && !failed && left > 0; i++) {
            if (seen++ < *skip || list[i] < 2 || list[i] > x->pages)
                continue;
            left--;
            failed = read_page(x, list[i], e) != 0 || clear(x, list[i], 0, x->size, e) != 0;
        }
        trunk = next;
    }
    free(list);
    *skip = seen;
    return failed ? -1 : left == 0;
}

/* What the header says of the file, under the lock; 1: it is as this was made for. */
static int look_at_pages(struct scrub *x, struct err *e)
{
    sqlite3_int64 bytes = 0;
    if (sqlite3_file_control(x->s->db, "main", SQLITE_FCNTL_FILE_POINTER, &x->file) != SQLITE_OK || !x->file ||
        x->file->pMethods->xRead(x->file, x->header, HEADER, 0) != SQLITE_OK ||
        x->file->pMethods->xFileSize(x->file, &bytes) != SQLITE_OK)
        return io_error(x, "reading the header", e);
    x->size = number_of_pragma(x->header + 16, 2);
    x->size = x->size == 1 ? 65536 : x->size;
    if (x->size < 512)
        return io_error(x, "reading the header", e);
    x->usable = x->size - x->header[20];
    x->pages = bytes / x->size;
    free(x->page);
    x->page = calloc(2, x->size);
    x->zeros = x->page ? x->page + x->size : NULL;
    if (!x->page)
        return err_set(e, ERR_MEMORY, "scrubbing: out of memory");
    bool has_map = number_of_pragma(x->header + 52, 4) != 0; /* auto_vacuum: pages of a kind we do not make */
    return !has_map && x->pages < PAGES_MAX;
}

/* A stretch of pages, then, when *at is behind the last, the free ones. 1: there is more. */
static int scrub_stretch(struct scrub *x, int64_t *at, struct err *e)
{
    int fit = look_at_pages(x, e);
    if (fit <= 0)
        return fit < 0 ? -1
                       : err_set(e, ERR_DATABASE, "%s is not of a kind that can be scrubbed; run VACUUM on it",
                                 x->s->path);
    if (*at == 0)
        *at = 1; /* page 1 has the schema only */
    for (int i = 0; i < PAGES && *at < x->pages; i++) {
        ++*at;
        if (read_page(x, *at, e) != 0 || clear_page(x, *at, e) != 0)
            return -1;
    }
    if (*at < x->pages)
        return 1;
    int64_t skip = *at - x->pages;
    int more = clear_free_pages(x, &skip, e);
    *at = x->pages + skip;
    return more;
}

/* Commit something, so that nobody's cache is good any more, ours included. */
static int commit(struct scrub *x, struct err *e)
{
    char text[64];
    snprintf(text, sizeof text, "PRAGMA user_version=%u", number_of_pragma(x->header + 60, 4));
    sqlite3_db_release_memory(x->s->db);
    sqlite3_stmt *q = sqlite_prepare(x->s, SQL_COMMIT, e);
    if (x->file->pMethods->xSync(x->file, SQLITE_SYNC_FULL) != SQLITE_OK)
        return io_error(x, "flushing it", e);
    if (!q || sqlite_exec(x->s, text) != SQLITE_OK || sqlite_run(q) != SQLITE_OK)
        return sqlite_error(x->s, "ending a stretch", e);
    return 0;
}

static bool log_is_empty(const struct db *s)
{
    char name[PATH_MAX + 8];
    struct stat st;
    snprintf(name, sizeof name, "%s-wal", s->path);
    return stat(name, &st) != 0 || st.st_size == 0;
}

static int scrub_locked(struct scrub *x, int64_t *at, struct err *e)
{
    struct db *s = x->s;
    sqlite3_stmt *begin = sqlite_prepare(s, SQL_BEGIN_ALONE, e), *rollback = sqlite_prepare(s, SQL_ROLLBACK, e);
    if (!begin || !rollback)
        return -1;
    if (sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK ||
        sqlite_run(begin) != SQLITE_OK)
        return sqlite_error(s, "writing its log back", e);
    int64_t next = *at;
    int more = log_is_empty(s) ? scrub_stretch(x, &next, e) : err_set(e, ERR_BUSY, "%s: others write", s->path);
    if (more >= 0 && x->changed && commit(x, e) != 0)
        more = -1;
    if (!sqlite3_get_autocommit(s->db))
        sqlite_run(rollback);
    if (more >= 0)
        *at = next;
    return more;
}

static int scrub_once(struct db *s, int64_t *at, struct err *e)
{
    struct scrub x = {.s = s};
    if (sqlite_is_consumer(s, e) || sqlite_lock(s, e) != 0)
        return -1;
    sqlite3_busy_timeout(s->db, WAIT_MS); /* nobody can write while a reader is waited for */
    int more = scrub_locked(&x, at, e);
    sqlite3_busy_timeout(s->db, s->wait_ms);
    lock_release(&s->lock);
    free(x.page);
    return more;
}

int sqlite_scrub(struct store *store, int64_t *at, struct err *e)
{
    struct db *s = db_of(store);
    struct err why = {0};
    const struct timespec pause = {0, 2L * WAIT_MS * 1000000};
    for (int i = 0; i < TRIES; i++) {
        int more = scrub_once(s, at, &why);
        if (more >= 0)
            return more;
        if (why.code != ERR_BUSY)
            break;
        nanosleep(&pause, NULL);
    }
    if (e)
        *e = why;
    return -1;
}
