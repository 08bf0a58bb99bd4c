/* SPDX-License-Identifier: MIT
 * restore: a backup takes the place of the database.
 *
 * All that takes long is done in a copy beside the database, while the receiver records into that. Under the writers' lock
 * only the last events are brought over, and the names change:
 *
 *   the old log is written back, and the old database locked against consumers
 *   link    DATABASE  DATABASE.before-TIME     the old one has its new name before it loses the other
 *   rename  DATABASE.restoring  DATABASE       at every instant one of the two is in place, complete
 *   rename  DATABASE-wal, -shm                 after the old one: empty by then, and no log of the new one
 *
 * The new one is locked exclusively while names change: whoever opens it waits, and looks for a log only then. Where the
 * old one cannot be opened its log is moved first: it must never be replayed into the new one.
 * source: sqlite.org/howtocorrupt.html, section 1.4 */
#include "base/clock.h"
#include "merge.h"
#include "inbox.h"
#include "store/beside.h"

#include "base/files.h"
#include "guard.h"
#include "number.h"
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FEW = 500, ROUNDS = 20, MARGIN = 1000000 /* numbers that may have been given and are forgotten */ };

struct restore {
    const char *path, *file;
    char base[PATH_MAX]; /* of copies: see beside.h */
    const struct store_options *options;
    const struct store_restore *how;
    struct store_restored *told;
    struct sqlite_copy copy;
    struct db *old; /* open, or NULL */
    bool there;     /* there is a database to replace, good or bad */
    struct lock lock;
    struct sqlite_merge bring;
    int64_t highest; /* number ever given, as far as is known */
};

static int64_t size_of_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static int64_t size_beside(const char *path, const char *suffix)
{
    char name[PATH_MAX + 16];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return size_of_file(name);
}

/* ---- the copy ---- */

static int check_backup_file(const struct restore *r, struct err *e)
{
    struct stat a, b;
    if (stat(r->file, &a) != 0)
        return err_set(e, ERR_NOT_FOUND, "%s: %s", r->file, strerror(errno));
    if (!S_ISREG(a.st_mode) || a.st_size == 0)
        return err_set(e, ERR_DATABASE, "%s is no backup", r->file);
    if (stat(r->path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return err_set(e, ERR_USAGE, "%s is the database itself", r->file);
    return 0;
}

static int read_list(struct db *s, enum store_sql which, int dead, struct seqs *seqs, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, which, e);
    if (!q)
        return -1;
    if (sqlite3_bind_parameter_count(q))
        sqlite3_bind_int(q, 1, dead);
    return sqlite_read_seqs(s, q, seqs, e);
}

/* What the backup says of files: for the folder where there is one, else for the table. */
static int use_list(struct restore *r, struct err *e)
{
    struct db *s = r->copy.db;
    bool listed = r->told->backup.files >= 0;
    int failed = 0;
    if (listed && r->options->directory)
        failed = read_list(s, SQL_BACKUP_SEQS, 0, &r->told->waiting, e) != 0 ||
                 read_list(s, SQL_BACKUP_SEQS, 1, &r->told->dead, e) != 0;
    else if (listed)
        failed = sqlite_do(s, SQL_BACKUP_INBOX, "filling the inbox", e) != 0;
    return failed || sqlite_do(s, SQL_BACKUP_DROP, "clearing up", e) != 0 ||
                   sqlite_do(s, SQL_BACKUP_DROP_FILES, "clearing up", e) != 0
               ? -1
               : 0;
}

/* An older layout becomes ours: there is no history and no floor before. */
static int use_schema(struct restore *r, struct err *e)
{
    struct store_step step;
    int more;
    do
        more = sqlite_migrate(&r->copy.db->store, NULL, 0, &step, e);
    while (more > 0);
    return more;
}

static int check_kind(struct restore *r, struct db *from, struct err *e)
{
    int64_t application = 0, version = 0;
    if (sqlite_do(from, SQL_SNAPSHOT, "beginning to read", e) != 0 ||
        sqlite_number(from, SQL_APPLICATION, &application, e) != 0 ||
        sqlite_number(from, SQL_VERSION, &version, e) != 0)
        return -1;
    if (application != STORE_APPLICATION)
        return err_set(e, ERR_SCHEMA, "%s is no backup of an inbox", r->file);
    return sqlite_check_version(r->file, (uint32_t)application, (uint32_t)version, e);
}

static int make_copy(struct restore *r, struct err *e)
{
    char part[PATH_MAX], file[PATH_MAX];
    struct db *from = NULL;
    mode_t mode = r->options->group == (gid_t)-1 ? 0600 : 0660;
    if (snprintf(part, sizeof part, "%s.restoring", r->base) >= (int)sizeof part)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    if (check_backup_file(r, e) != 0)
        return -1;
    if (!realpath(r->file, file)) /* it may be a link to the latest backup */
        return err_set(e, ERR_NOT_FOUND, "%s: %s", r->file, strerror(errno));
    if (sqlite_lone_open(&from, file, e) != 0)
        return -1;
    int64_t need = size_of_file(r->file) + (r->how->only_backup ? 0 : size_of_file(r->path) / 4);
    int failed = check_kind(r, from, e) != 0 ||
                 sqlite_copy_make(&r->copy, r->file, part, mode, r->options->group, need, e) != 0 ||
                 files_follow(r->copy.fd, part, r->path, e) != 0 ||
                 sqlite_copy_fill(&r->copy, from, &r->how->teller, e) != 0;
    sqlite_lone_close(from);
    return failed || sqlite_copy_check(&r->copy, &r->how->teller, &r->told->backup, e) != 0 ||
                   use_schema(r, e) != 0 || use_list(r, e) != 0
               ? -1
               : 0;
}

/* ---- what is there ---- */

static void note_highest(struct restore *r, enum store_sql which)
{
    int64_t n = 0;
    if (sqlite_number(r->copy.db, which, &n, NULL) == 0 && n > r->highest && n <= STORE_NUMBER_MAX - MARGIN)
        r->highest = n;
}

/* What is damaged is told and stays where it is; anything else may pass, or is a reason to stop. */
static int bear(struct restore *r, const struct err *why, struct err *e)
{
    if (why->code == ERR_DATABASE) {
        r->told->unread = *why;
        return 0;
    }
    *e = *why;
    return -1;
}

/* While others go on writing into the old one, until what is left is little. */
static int bring_early(struct restore *r, struct err *e)
{
    struct err why = {0};
    int64_t n = 0;
    char *attach = sqlite3_mprintf("ATTACH %Q AS old", r->path);
    int failed = !attach || sqlite_exec(r->copy.db, attach) != SQLITE_OK; /* it reads the schema */
    sqlite3_free(attach);
    if (failed)
        sqlite_error(r->copy.db, "opening the replaced database", &why);
    for (int i = 0; !failed && i < ROUNDS && (i == 0 || n > FEW); i++) {
        n = sqlite_merge_events(&r->bring, &why);
        failed = n < 0;
    }
    return failed ? bear(r, &why, e) : 0;
}

static int open_old(struct restore *r, struct err *e)
{
    struct store_options o = *r->options;
    struct err why = {0};
    o.create = false;
    o.n_endpoints = 0;
    if (o.directory && access(o.directory, F_OK) != 0)
        o.directory = NULL;
    r->there = size_of_file(r->path) > 0 || size_beside(r->path, "-wal") > 0;
    if (!r->there)
        return 0;
    if (sqlite_open_db(&r->old, r->path, &o, &why) == 0 && sqlite_refuse_altered(r->old, r->path, &why) == 0)
        return bring_early(r, e);
    sqlite_close_db(r->old); /* what reads it would compute what it says */
    r->old = NULL;
    return bear(r, &why, e);
}

/* ---- under the writers' lock ---- */

/* Nothing of the old one may be in its log alone, and no consumer may write into it any more: until it is closed. */
static int hold_old(struct restore *r, struct err *e)
{
    struct db *s = r->old;
    int64_t end_ms = clock_ms() + SQLITE_HOLD_MS / 2;
    do {
        if (s->log_ino && sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
            return sqlite_error(s, "writing its log back", e);
        if (sqlite_do(s, SQL_BEGIN, "keeping consumers from it", e) != 0)
            return -1;
        if (!s->log_ino || size_beside(r->path, "-wal") <= 0)
            return 0;
        sqlite_do(s, SQL_ROLLBACK, "letting go", NULL); /* a consumer was quicker */
    } while (clock_ms() < end_ms);
    return err_set(e, ERR_BUSY, "%s: consumers write all the time; stop them and try again", r->path);
}

static int bring_last(struct restore *r, struct err *e)
{
    struct err why = {0};
    if (!r->old || r->told->unread.code != ERR_NONE)
        return 0;
    if (sqlite_merge_last(&r->bring, &why) != 0)
        return bear(r, &why, e);
    return r->options->directory && !r->bring.leave ? read_list(r->copy.db, SQL_BROUGHT_SEQS, 0, &r->told->waiting, e)
                                                    : 0;
}

static int write_floor_and_history(struct restore *r, struct err *e)
{
    struct store_restored *t = r->told;
    char detail[300];
    note_highest(r, SQL_LAST);
    note_highest(r, SQL_FLOOR);
    if (r->old) {
        note_highest(r, SQL_OLD_LAST);
        note_highest(r, SQL_OLD_FLOOR);
    }
    t->missing = r->bring.missing;
    t->erased = r->bring.erased;
    t->left = r->bring.leave;
    t->floor = r->highest + MARGIN;
    snprintf(detail, sizeof detail,
             "a backup of %lld events; %lld came since, %s; %lld erased again; numbers from %lld",
             (long long)t->backup.events, (long long)t->missing, t->left ? "left" : "brought over",
             (long long)t->erased, (long long)t->floor + 1);
    struct sqlite_note note = {.action = "restore", .detail = detail, .n = t->backup.events, .from = -1, .to = -1};
    sqlite3_stmt *q = sqlite_prepare(r->copy.db, SQL_FLOOR_SET, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, t->floor);
    if (sqlite_run(q) != SQLITE_OK)
        return sqlite_error(r->copy.db, "writing where numbers begin", e);
    return sqlite_write_history(r->copy.db, &note, &r->how->by, r->how->now_ms, e);
}

/* What stands beside a database goes with it. */
static int move_beside(const struct restore *r, struct err *e)
{
    char from[PATH_MAX + 16], to[PATH_MAX + 16];
    for (size_t i = 1; store_files[i]; i++) {
        snprintf(from, sizeof from, "%s%s", r->path, store_files[i]);
        snprintf(to, sizeof to, "%s%s", r->told->before, store_files[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return err_set(e, ERR_READONLY, "moving %s away: %s", from, strerror(errno));
    }
    return 0;
}

/* A file system without links: for an instant there is none in place, and whoever looks waits for the lock. */
static int set_database_aside(const struct restore *r, struct err *e)
{
    if (size_of_file(r->path) <= 0 || link(r->path, r->told->before) == 0 ||
        (errno != EEXIST && rename(r->path, r->told->before) == 0))
        return 0;
    return err_set(e, ERR_READONLY, "moving %s to %s: %s", r->path, r->told->before, strerror(errno));
}

static int put_in_place(struct restore *r, struct err *e)
{
    if (rename(r->copy.path, r->path) == 0) {
        *r->copy.path = '\0'; /* it has its name */
        return 0;
    }
    err_set(e, ERR_READONLY, "moving %s to %s: %s", r->copy.path, r->path, strerror(errno));
    if (access(r->path, F_OK) == 0)
        unlink(r->told->before); /* the other name of the old one */
    else if (rename(r->told->before, r->path) != 0)
        err_set(e, ERR_READONLY, "moving %s to %s: %s; rename it by hand: it is the database", r->told->before,
                r->path, strerror(errno));
    return -1;
}

static int change_names(struct restore *r, struct err *e)
{
    return set_database_aside(r, e) != 0 || (!r->old && r->there && move_beside(r, e) != 0) ||
                   put_in_place(r, e) != 0 ||
                   (r->there && (move_beside(r, e) != 0 || files_sync_folder(r->told->before, e) != 0)) ||
                   files_sync_folder(r->path, e) != 0
               ? -1
               : 0;
}

static int name_before(struct restore *r, struct err *e)
{
    time_t seconds = (time_t)(r->how->now_ms / 1000);
    struct tm tm;
    char time[32];
    gmtime_r(&seconds, &tm);
    strftime(time, sizeof time, "%Y%m%dT%H%M%SZ", &tm);
    for (int i = 1; r->there && (i == 1 || access(r->told->before, F_OK) == 0); i++) {
        char again[16] = "";
        if (i > 1)
            snprintf(again, sizeof again, "-%d", i);
        if (snprintf(r->told->before, sizeof r->told->before, "%s.before-%s%s", r->base, time, again) >=
            (int)sizeof r->told->before)
            return err_set(e, ERR_CONFIG, "the database's path is too long");
    }
    return 0;
}

static int swap_locked(struct restore *r, struct err *e)
{
    if (r->old && !sqlite_in_place(r->old))
        return err_set(e, ERR_BUSY, "%s was replaced by another; look at it, and try again", r->path);
    if (r->old)
        sqlite_set_wait(r->old, SQLITE_HOLD_MS / 2);
    if (r->old && sqlite_inbox_is_files(r->old))
        sqlite_inbox_sweep(r->old);
    if ((r->old && hold_old(r, e) != 0) || bring_last(r, e) != 0 || write_floor_and_history(r, e) != 0)
        return -1;
    if (r->old && sqlite_do(r->copy.db, SQL_OLD_DETACH, "closing the replaced database", e) != 0)
        return -1;
    if (sqlite_copy_flush(&r->copy, e) != 0 || sqlite_do(r->copy.db, SQL_EXCLUSIVE, "keeping others from it", e) != 0)
        return -1;
    return name_before(r, e) != 0 || change_names(r, e) != 0 ? -1 : 0;
}

/* In the end everybody may go on: with the new one, or with the old one where it failed. */
static int swap_databases(struct restore *r, struct err *e)
{
    char lock[PATH_MAX];
    bool own = strcmp(r->base, r->path) != 0;
    if (snprintf(lock, sizeof lock, "%s.lock", r->base) >= (int)sizeof lock)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    if (lock_open(&r->lock, lock, own ? (gid_t)-1 : r->options->group, e) != 0 ||
        lock_take(&r->lock, r->options->wait_ms, e) < 0)
        return -1;
    int failed = swap_locked(r, e);
    sqlite_copy_end(&r->copy, false);
    if (r->old)
        sqlite_do(r->old, SQL_ROLLBACK, "letting go", NULL);
    lock_release(&r->lock);
    return failed;
}

int sqlite_restore(const char *path, const struct store_options *o, const char *file, const struct store_restore *how,
                   struct store_restored *told, struct err *e)
{
    struct restore r = {.path = path, .file = file, .options = o, .how = how, .told = told};
    r.copy.fd = r.lock.fd = -1;
    int failed = beside_base(path, r.base, e) != 0 || make_copy(&r, e) != 0 ? -1 : 0;
    if (!failed) {
        r.bring = (struct sqlite_merge){
            .copy = r.copy.db, .teller = &how->teller, .leave = how->only_backup, .upto = INT64_MIN};
        failed = sqlite_do(r.copy.db, SQL_BROUGHT_TABLE, "setting it up", e);
    }
    failed = failed || open_old(&r, e) != 0 || sqlite_copy_flush(&r.copy, e) != 0 || swap_databases(&r, e) != 0;
    sqlite_copy_end(&r.copy, false);
    sqlite_close_db(r.old);
    lock_close(&r.lock);
    return failed ? -1 : 0;
}
