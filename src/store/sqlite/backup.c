/* SPDX-License-Identifier: MIT
 * backup: a copy of everything, while others write.
 *
 * One snapshot, read to its end. With a write-ahead log that keeps nobody from anything. Without one nobody commits
 * meanwhile: the copy goes into memory then, is flushed afterwards, and is given up while another waits for too long.
 *
 * In the directory form the names of the files are read in the same moment, under the writers' lock. Workers go on
 * renaming them: what waits at the end of it must be seen, and what was done meanwhile may be. (A spool would be listed
 * there, too, with its bodies.) */
#include "copy.h"
#include "inbox_files.h"

#include "base/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 5, PAUSE_MS = 1000, LOCK_MS = 500 };

struct backup {
    struct db *s;
    const struct store_teller *teller;
    int64_t now_ms, last;
    struct sqlite_names names;
    struct sqlite_copy copy;
};

/* ---- the moment ---- */

/* With the endpoint's lock nobody who keeps the rules moves a name within cur/; a worker has it for a moment only. */
static int list_endpoint(struct backup *b, const char *endpoint, struct err *e)
{
    struct db *s = b->s;
    struct lock lock;
    int wait_ms = s->wait_ms;
    s->wait_ms = LOCK_MS;
    bool locked = sqlite_files_lock(s, endpoint, &lock, NULL) == 0;
    s->wait_ms = wait_ms;
    int failed = sqlite_files_names(s, endpoint, true, &b->names, e);
    if (locked)
        lock_close(&lock);
    return failed;
}

/*
 * Twice, for those who move names without a lock: new/ is read before cur/, and dead/ last, as names move. A name that was
 * seen on its way is in the list several times.
 */
static int list_files(struct backup *b, struct err *e)
{
    free(b->names.list);
    b->names = (struct sqlite_names){.n = 0};
    sqlite3_stmt *q = sqlite_prepare(b->s, SQL_ENDPOINTS, e);
    int failed = !q || sqlite_files_names(b->s, NULL, true, &b->names, e) != 0;
    while (!failed && sqlite3_step(q) == SQLITE_ROW)
        failed = list_endpoint(b, sqlite_string(q, 1), e) != 0;
    if (q && sqlite3_reset(q) != SQLITE_OK && !failed)
        failed = sqlite_error(b->s, "reading the endpoints", e);
    return failed ? -1 : 0;
}

static int begin_reading(struct backup *b, struct err *e)
{
    struct db *s = b->s;
    if (sqlite_do(s, SQL_SNAPSHOT, "beginning to read", e) != 0)
        return -1;
    return sqlite_last(s, &b->last, e) != 0 || (sqlite_inbox_is_files(s) && list_files(b, e) != 0) ? -1 : 0;
}

static int begin_alone(struct backup *b, struct err *e)
{
    if (sqlite_lock(b->s, e) != 0)
        return -1;
    sqlite_inbox_sweep(b->s); /* what a crash has left unshown is shown now */
    int failed = begin_reading(b, e);
    lock_release(&b->s->lock);
    return failed;
}

/* ---- the copy ---- */

static int fill_copy(struct backup *b, struct err *e)
{
    int result = 1;
    for (int i = 0; result == 1 && i < TRIES; i++) {
        sqlite_copy_ready(&b->copy, b->s);
        result = begin_alone(b, e) == 0 ? sqlite_copy_fill(&b->copy, b->s, b->teller, e) : -1;
        sqlite_do(b->s, SQL_ROLLBACK, "ending to read", NULL);
        if (result == 1)
            nanosleep(&(struct timespec){.tv_sec = PAUSE_MS / 1000}, NULL);
    }
    if (result == 1)
        return err_set(
            e, ERR_BUSY,
            "copying %s keeps others from recording for more than %.1f s, in journal mode delete; try at a "
            "quieter time, or stop the web server meanwhile",
            b->s->path, SQLITE_HOLD_MS / 1000.0);
    return result;
}

static int add_file(struct backup *b, const struct sqlite_named *named, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(b->copy.db, SQL_BACKUP_FILE, e);
    if (!q)
        return -1;
    const struct maildir_name *name = &named->name;
    sqlite3_bind_int64(q, 1, name->seq);
    sqlite3_bind_int64(q, 2, name->created_ms);
    sqlite3_bind_text(q, 3, named->endpoint, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 4, name->dead ? "dead" : name->fresh ? "new" : "cur", -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 5, name->text, -1, SQLITE_STATIC);
    return sqlite_run(q) == SQLITE_OK ? 0 : sqlite_error(b->copy.db, "listing the files", e);
}

/* A name that was seen waiting waits, wherever else it was seen; what is no event of this log is left out. */
static int add_files(struct backup *b, struct err *e)
{
    if (sqlite_do(b->copy.db, SQL_BACKUP_FILES, "listing the files", e) != 0)
        return -1;
    for (int dead = 1; dead >= 0; dead--)
        for (size_t i = 0; i < b->names.n; i++)
            if (b->names.list[i].name.dead == dead && add_file(b, &b->names.list[i], e) != 0)
                return -1;
    return sqlite_do(b->copy.db, SQL_BACKUP_ORPHANS, "listing the files", e);
}

static int add_own_tables(struct backup *b, struct err *e)
{
    if (sqlite_do(b->copy.db, SQL_SNAPSHOT, "beginning to write", e) != 0 ||
        sqlite_do(b->copy.db, SQL_BACKUP_TABLE, "writing when it was made", e) != 0)
        return -1;
    sqlite3_stmt *q = sqlite_prepare(b->copy.db, SQL_BACKUP_NEW, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, b->now_ms);
    sqlite3_bind_text(q, 2, sqlite_inbox_is_files(b->s) ? "directory" : "table", -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 3, b->last);
    if (sqlite_run(q) != SQLITE_OK)
        return sqlite_error(b->copy.db, "writing when it was made", e);
    return (sqlite_inbox_is_files(b->s) && add_files(b, e) != 0) ? -1
                                                                 : sqlite_do(b->copy.db, SQL_COMMIT, "writing it", e);
}

static int check_copy(struct backup *b, struct store_backup *made, struct err *e)
{
    if (sqlite_copy_check(&b->copy, b->teller, made, e) != 0)
        return -1;
    return made->last == b->last ? 0
                                 : err_set(e, ERR_DATABASE, "%s ends with number %lld instead of %lld", b->copy.path,
                                           (long long)made->last, (long long)b->last);
}

static int make_backup(struct backup *b, const char *path, struct store_backup *made, struct err *e)
{
    char part[PATH_MAX];
    int64_t pages = 0, size = 0;
    if (snprintf(part, sizeof part, "%s.tmp", path) >= (int)sizeof part)
        return err_set(e, ERR_USAGE, "%s: the path is too long", path);
    if (access(path, F_OK) == 0)
        return err_set(e, ERR_USAGE, "%s is there already; name another file, or a folder", path);
    if (sqlite_number(b->s, SQL_PAGES, &pages, e) != 0 || sqlite_number(b->s, SQL_PAGE_SIZE, &size, e) != 0 ||
        sqlite_copy_make(&b->copy, b->s->path, part, 0600, (gid_t)-1, pages * size, e) != 0)
        return -1;
    int failed = fill_copy(b, e) != 0 || add_own_tables(b, e) != 0 || check_copy(b, made, e) != 0 ||
                 sqlite_copy_flush(&b->copy, e) != 0 || files_name(part, path, e) != 0;
    return failed ? -1 : 0;
}

int sqlite_backup(struct store *store, const char *path, const struct store_teller *t, int64_t now_ms,
                  struct store_backup *made, struct err *e)
{
    struct db *s = db_of(store);
    struct backup b = {.s = s, .teller = t, .now_ms = now_ms, .copy = {.fd = -1}};
    int failed = make_backup(&b, path, made, e);
    sqlite_copy_end(&b.copy, !failed);
    free(b.names.list);
    return failed;
}
