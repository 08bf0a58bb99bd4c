/* SPDX-License-Identifier: MIT
 * walindex: the header of the index alone, by SQLite's own methods of the open file. */
#include "walindex.h"

#include <stdio.h>
#include <sys/stat.h>

enum {
    MODE_AT = 18, /* of the database; source: sqlite.org/fileformat2.html, section 1.3.3 */
    MODE_LOG = 2,
    REGION = 32768, /* of the index: what is mapped at once */
    LOG_HEADER = 32,
    FRAME_HEADER = 24,
    FRAMES_MAX = 1 << 24, /* since a log may have holes: 64 GB of pages of 4096 bytes */
    WRITE_LOCK = 0,
    TAKE = SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE,
    GIVE = SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE
};

struct header {
    uint32_t version, unused, change;
    uint8_t is_made, big_endian;
    uint16_t page; /* its size in bytes; 1 stands for 65536 */
    uint32_t frames, rest[7];
};

/* An open file of SQLite's; NULL: it is not open. */
static sqlite3_file *opened_file(struct db *s, int which)
{
    sqlite3_file *file = NULL;
    bool open = sqlite3_file_control(s->db, "main", which, &file) == SQLITE_OK && file && file->pMethods;
    return open ? file : NULL;
}

static int64_t bytes_beside(const struct db *s, const char *end)
{
    char name[PATH_MAX + 8];
    struct stat st;
    snprintf(name, sizeof name, "%s%s", s->path, end);
    return stat(name, &st) == 0 ? st.st_size : 0;
}

/* Before SQLite has opened it, by its name. */
static int64_t bytes_of_log(struct db *s)
{
    sqlite3_int64 size = 0;
    sqlite3_file *log = s->log_ino ? opened_file(s, SQLITE_FCNTL_JOURNAL_POINTER) : NULL;
    return log && log->pMethods->xFileSize(log, &size) == SQLITE_OK ? size : bytes_beside(s, "-wal");
}

static bool has_log(sqlite3_file *file)
{
    char mode = 0;
    return file->pMethods->iVersion >= 2 && file->pMethods->xRead(file, &mode, 1, MODE_AT) == SQLITE_OK &&
           mode == MODE_LOG;
}

/* Whoever writes appends to the log first and changes the header then: what does not fit, and stays so, is wrong. */
static bool is_wrong(struct db *s, const volatile struct header *shared)
{
    struct header before = *shared;
    int64_t size = bytes_of_log(s), frame = (before.page == 1 ? 65536 : before.page) + FRAME_HEADER;
    struct header after = *shared;
    return memcmp(&before, &after, sizeof before) == 0 && before.frames &&
           (before.frames > FRAMES_MAX || size < LOG_HEADER + before.frames * frame);
}

/* A crash leaves a header without its mark: the next reader rebuilds the index from the log. */
static int renew(struct db *s, sqlite3_file *file, volatile struct header *shared, struct err *e)
{
    if (file->pMethods->xShmLock(file, WRITE_LOCK, 1, TAKE) != SQLITE_OK)
        return err_set(e, ERR_BUSY, "%s-shm names more than the log has, and another process holds its lock",
                       s->path);
    shared[0].is_made = shared[1].is_made = 0;
    file->pMethods->xShmBarrier(file);
    file->pMethods->xShmLock(file, WRITE_LOCK, 1, GIVE);
    return 0;
}

static int check(struct db *s, sqlite3_file *file, struct err *e)
{
    void volatile *shared = NULL;
    bool mapped = file->pMethods->xShmMap(file, 0, REGION, 0, &shared) == SQLITE_OK && shared;
    return mapped && is_wrong(s, shared) ? renew(s, file, shared, e) : 0;
}

int sqlite_index_check(struct db *s, struct err *e)
{
    sqlite3_file *file = s->log_ino ? opened_file(s, SQLITE_FCNTL_FILE_POINTER) : NULL;
    return file && has_log(file) ? check(s, file, e) : 0;
}

int sqlite_index_check_first(struct db *s, struct err *e)
{
    bool there = !s->frozen && bytes_beside(s, "-shm") >= REGION;
    sqlite3_file *file = there ? opened_file(s, SQLITE_FCNTL_FILE_POINTER) : NULL;
    if (!file || !has_log(file))
        return 0;
    int failed = check(s, file, e);
    file->pMethods->xShmUnmap(file, 0); /* SQLite maps it for itself */
    return failed;
}
