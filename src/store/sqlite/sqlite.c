/* SPDX-License-Identifier: MIT
 * sqlite: opening the database. */
#include "sqlite.h"

#include "base/clock.h"
#include "base/files.h"
#include "guard.h"
#include "inbox_files.h"
#include "store/beside.h"
#include "vfs.h"
#include "walindex.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

const char sqlite_schema[] = {
#include "schema.inc"
    , '\0'};

static const char *const sql[STORE_SQL_COUNT] = {
#define X(name, text) text,
    STORE_SQL(X) STORE_SQL_KEEP(X)
#undef X
};

static const struct store_ops ops;
static const struct store_file_ops file_ops;

/* A journal that cannot be made for want of an inode: SQLite tells of the file that is not there. */
static bool no_inode_left(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && fs.f_files > 0 && fs.f_ffree == 0;
}

int sqlite_error(struct db *s, const char *doing, struct err *e)
{
    int rc = s->db ? sqlite3_errcode(s->db) & 0xff : SQLITE_NOMEM;
    int os = s->db ? sqlite3_system_errno(s->db) : ENOMEM;
    enum err_code code = ERR_DATABASE;
    const char *cure = "see complycube-inbox doctor";
    if ((rc == SQLITE_CANTOPEN || rc == SQLITE_IOERR) && sqlite_refused(s->path, e))
        return -1;
    if (rc == SQLITE_INTERRUPT && s->deadline_ms) {
        err_set(e, ERR_BUSY, "%s, %s: it takes longer than a page may", s->path, doing);
        return err_detail(e, ERR_LATE);
    }
    if (rc == SQLITE_INTERRUPT)
        return err_set(e, s->end_ms ? ERR_BUSY : ERR_SYSTEM, "%s, %s: %s", s->path, doing,
                       s->end_ms ? "it takes longer than a request may; see complycube-inbox doctor"
                                 : "told to stop");
    if (rc == SQLITE_AUTH && s->read_only)
        return err_set(e, ERR_READONLY, "%s, %s: it was opened to be read", s->path, doing);
    if (rc == SQLITE_AUTH)
        return err_set(e, ERR_BUSY, "%s, %s: its schema was changed a moment ago", s->path, doing);
    if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
        code = ERR_BUSY, cure = "a consumer holds a transaction open";
    else if (rc == SQLITE_PROTOCOL)
        code = ERR_BUSY; /* the locks of its log, in -shm */
    else if (rc == SQLITE_FULL || (rc == SQLITE_IOERR && (err_is_full(os))) ||
             (rc == SQLITE_CANTOPEN && no_inode_left(s->path)))
        code = ERR_FULL,
        cure = os == EFBIG ? "raise the limit of a file's size (ulimit -f, LimitFSIZE=)" : "make room";
    else if (rc == SQLITE_READONLY || rc == SQLITE_CANTOPEN || rc == SQLITE_PERM)
        code = ERR_READONLY, cure = "it and its folder must be writable for this user";
    else if (rc == SQLITE_NOMEM)
        code = ERR_MEMORY, cure = "the process is out of memory";
    return err_set(e, code, "%s, %s: %s%s%s; %s", s->path, doing, s->db ? sqlite3_errmsg(s->db) : "out of memory",
                   os ? ": " : "", os ? strerror(os) : "", cure);
}

/*
 * SQLite's own handler sleeps up to 100 ms between two looks, and a reader beside a busy writer with a rollback journal
 * may never see the lock free then. It counts its sleeps, too, which take longer where there is much to do.
 */
static int wait_for_lock(void *ctx, int n)
{
    enum { LOOK_MS = 2 };
    struct db *s = ctx;
    struct timespec t = {0, LOOK_MS * 1000000L};
    if (n == 0)
        s->busy_begun_ms = clock_ms();
    if (clock_ms() - s->busy_begun_ms >= s->busy_ms)
        return 0;
    nanosleep(&t, NULL);
    return 1;
}

void sqlite_set_wait(struct db *s, int ms)
{
    s->busy_ms = ms;
    sqlite3_busy_handler(s->db, wait_for_lock, s);
}

sqlite3_stmt *sqlite_prepare(struct db *s, enum store_sql which, struct err *e)
{
    sqlite3_stmt **q = &s->prepared[which];
    if (!*q && sqlite_compile(s, sql[which], SQLITE_PREPARE_PERSISTENT, q) != SQLITE_OK)
        sqlite_error(s, "preparing a statement", e);
    return *q;
}

int sqlite_run(sqlite3_stmt *q)
{
    sqlite3_step(q);
    return sqlite3_reset(q);
}

static int exec(struct db *s, const char *text, struct err *e)
{
    return sqlite_exec(s, text) == SQLITE_OK ? 0 : sqlite_error(s, "setting it up", e);
}

static int pragma_number(struct db *s, const char *text, int *value, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int found = sqlite_compile(s, text, 0, &q) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW;
    if (found)
        *value = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return found ? 0 : sqlite_error(s, "reading its header", e);
}

int sqlite_check_version(const char *path, uint32_t application, uint32_t version, struct err *e)
{
    if (application != STORE_APPLICATION || version < STORE_SCHEMA) {
        err_set(e, ERR_SCHEMA, "%s belongs to another program; name another file in database =", path);
        return err_detail(e, ERR_FOREIGN);
    }
    if (version > STORE_SCHEMA + 1)
        return err_set(e, ERR_SCHEMA, "%s has schema version %u, this program knows version %d; install a newer one",
                       path, version, STORE_SCHEMA);
    return 0;
}

/* *fresh: there is nothing in it yet. One snapshot: another process may be making the schema right now. */
static int check_or_begin_schema(struct db *s, bool *fresh, struct err *e)
{
    int application = 0, version = 0, tables = 0;
    if (exec(s, "SAVEPOINT look", e) != 0)
        return -1;
    int failed =
        pragma_number(s, "PRAGMA application_id", &application, e) != 0 ||
        pragma_number(s, "PRAGMA user_version", &version, e) != 0 ||
        (application == STORE_APPLICATION && s->unknown && sqlite_look_at_tables(s, e) != 0) ||
        (application == 0 && version == 0 && pragma_number(s, "SELECT count(*) FROM sqlite_master", &tables, e) != 0);
    exec(s, "RELEASE look", NULL);
    if (failed)
        return -1;
    *fresh = application == 0 && version == 0 && tables == 0;
    return *fresh ? 0 : sqlite_check_version(s->path, (uint32_t)application, (uint32_t)version, e);
}

static int read_journal(struct db *s, const char *text, bool *wal, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int found = sqlite_compile(s, text, 0, &q) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW;
    if (found)
        *wal = strcmp(sqlite_string(q, 0), "wal") == 0;
    sqlite3_finalize(q);
    return found ? 0 : sqlite_error(s, "reading its journal mode", e);
}

/*
 * WAL with FULL, else a rollback journal with EXTRA: FULL alone does not sync the folder after the journal is
 * removed, so a power cut could bring the journal, and with it the state before the commit, back.
 */
static int set_journal(struct db *s, const struct store_options *o, struct err *e)
{
    if (o->read_only)
        return exec(s, "PRAGMA cache_size=-4000; PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=2", e);
    bool wal, want = strcmp(o->journal, "auto") == 0 ? files_system(s->path) != FILES_NETWORK
                                                     : strcmp(o->journal, "wal") == 0;
    if (read_journal(s, "PRAGMA journal_mode", &wal, e) != 0)
        return -1;
    if (wal != want) {
        if (lock_take(&s->lock, s->wait_ms, e) < 0)
            return -1;
        int failed = read_journal(s, want ? "PRAGMA journal_mode=WAL" : "PRAGMA journal_mode=DELETE", &wal, e);
        lock_release(&s->lock);
        if (failed && (!e || e->code != ERR_BUSY)) /* while others have it open the mode stays, and is as durable */
            return -1;
    }
    char text[240];
    /* secure_delete in whoever writes: a page that is split keeps copies of cells, which no later erasure finds */
    snprintf(text, sizeof text,
             "PRAGMA secure_delete=ON; PRAGMA synchronous=%s; PRAGMA cache_size=-8000; PRAGMA wal_autocheckpoint=%d; "
             "PRAGMA temp_store=%d",
             wal ? "FULL" : "EXTRA", s->lock.fd >= 0 ? o->checkpoint_pages : 0, o->in_memory ? 2 : 0);
    return exec(s, text, e);
}

/* Make the schema, under the writers' lock: whoever comes second finds it made. */
static int make_schema(struct db *s, struct err *e)
{
    bool fresh = true;
    char text[96];
    if (exec(s, "BEGIN IMMEDIATE", e) != 0)
        return -1;
    snprintf(text, sizeof text, "PRAGMA application_id=%d; PRAGMA user_version=%d", STORE_APPLICATION, STORE_SCHEMA);
    if (check_or_begin_schema(s, &fresh, e) != 0 ||
        (fresh && (exec(s, sqlite_schema, e) != 0 || exec(s, text, e) != 0)) || exec(s, "COMMIT", e) != 0) {
        sqlite_exec(s, "ROLLBACK");
        return -1;
    }
    sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                              NULL); /* the file alone tells whose it is */
    return 0;
}

/* ---- where the file is ---- */

static struct stat stat_of(const char *path, const char *suffix)
{
    char name[PATH_MAX + 8];
    struct stat st;
    size_t len = strnlen(path, PATH_MAX);
    memcpy(name, path, len); /* asked for each batch: snprintf takes as long as the call */
    memcpy(name + len, suffix, strlen(suffix) + 1);
    return stat(name, &st) == 0 ? st : (struct stat){0};
}

static void unlink_of(const char *path, const char *suffix)
{
    char name[PATH_MAX + 8];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    unlink(name);
}

bool sqlite_in_place(struct db *s)
{
    struct stat st;
    return stat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino &&
           (!s->log_ino || stat_of(s->path, "-wal").st_ino == s->log_ino);
}

/* source: sqlite.org/howtocorrupt.html, section 1.4: a log beside another database is replayed into it */
int sqlite_leave_under_lock(struct db *s, struct err *e)
{
    ino_t beside = stat_of(s->path, "-wal").st_ino;
    if (s->log_ino && beside && beside != s->log_ino)
        return 0; /* another process has left this file before and made a new one */
    if (!s->log_ino)
        return sqlite_rescue(s, e);
    if (sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        return sqlite_error(s, "writing its log back, since the file was moved away", e);
    int rescued = sqlite_rescue(s, e);
    if (beside && rescued >= 0) {
        unlink_of(s->path, "-wal");
        unlink_of(s->path, "-shm");
    }
    return rescued;
}

static int leave(struct store *store, struct err *e)
{
    struct db *s = db_of(store);
    sqlite_begin_work(s);
    if (lock_take(&s->lock, s->wait_ms, e) < 0)
        return -1;
    int rescued = sqlite_leave_under_lock(s, e);
    lock_release(&s->lock);
    return rescued;
}

int sqlite_check_orphan(const char *path, struct err *e)
{
    /* The log is looked at first: a database that another process makes just now has pages before it has one. */
    if (stat_of(path, "-wal").st_size == 0 || stat_of(path, "").st_size > 0)
        return 0;
    err_set(e, ERR_DATABASE, "%s is missing or empty, but %s-wal holds events of it; put the file back beside it",
            path, path);
    return err_detail(e, ERR_ORPHAN_LOG);
}

/* ---- opening and closing ---- */

static int open_file(struct db *s, const struct store_options *o, struct err *e)
{
    if (sqlite_check_orphan(s->path, e) != 0 || files_check_link(s->path, e) != 0)
        return -1;
    if (o->create && access(s->path, F_OK) != 0 && beside_make(s->path, o->group, NULL, e) != 0)
        return -1;
    if (o->create && files_make_file(s->path, o->group == (gid_t)-1 ? 0600 : 0660, o->group, NULL, e) != 0)
        return -1;
    struct stat st;
    if (stat(s->path, &st) != 0)
        return errno == ENOENT
                   ? err_set(e, ERR_NOT_FOUND, "%s: %s; run complycube-inbox init", s->path, strerror(errno))
                   : err_set(e, ERR_READONLY, "%s: %s; see complycube-inbox doctor", s->path, strerror(errno));
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    s->reads = !o->create;
    s->locks = !o->read_only;
    if (sqlite_connect(s, e) != 0)
        return -1;
    sqlite_set_wait(s, o->wait_ms);
    sqlite_begin_work(s);
    if (!s->frozen && sqlite3_db_readonly(s->db, "main") == 1)
        return err_set(e, ERR_READONLY, "%s is not writable for this user", s->path);
    return 0;
}

/* A consumer that names an endpoint before its first event must find it, and one that names none must see them all. */
static int add_endpoints(struct db *s, const struct store_options *o, struct err *e)
{
    for (size_t i = 0; o->create && i < o->n_endpoints; i++) {
        sqlite3_stmt *find = sqlite_prepare(s, SQL_ENDPOINT, e);
        if (!find)
            return -1;
        sqlite3_bind_text(find, 1, o->endpoints[i], -1, SQLITE_STATIC);
        bool found = sqlite3_step(find) == SQLITE_ROW;
        if (sqlite3_reset(find) != SQLITE_OK)
            return sqlite_error(s, "looking for an endpoint", e);
        sqlite3_stmt *make = found ? NULL : sqlite_prepare(s, SQL_ENDPOINT_NEW, e);
        if (found)
            continue;
        if (!make || sqlite_lock(s, e) != 0)
            return -1;
        sqlite3_bind_text(make, 1, o->endpoints[i], -1, SQLITE_STATIC);
        int rc = sqlite_run(make) & 0xff; /* a constraint: another process was first */
        lock_release(&s->lock);
        if (rc != SQLITE_OK && rc != SQLITE_CONSTRAINT)
            return sqlite_error(s, "recording an endpoint", e);
    }
    return 0;
}

/* SQLite as root makes the files of a log, and gives them to the database's owner a moment later. */
enum { LOG_TRIES = 20, LOG_NS = 5000000 };

/* An application's user may not write the receiver's own folder: it goes without the lock, and writes no log back. */
static int open_lock(struct db *s, gid_t group, struct err *e)
{
    char lock[PATH_MAX], folder[PATH_MAX];
    bool own = strcmp(s->base, s->path) != 0;
    if (s->frozen || !s->locks)
        return 0;
    if (snprintf(lock, sizeof lock, "%s.lock", s->base) >= (int)sizeof lock ||
        files_folder(lock, folder, sizeof folder) != 0)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    if (own && access(folder, W_OK) != 0 && errno == EACCES)
        return 0;
    return lock_open(&s->lock, lock, own ? (gid_t)-1 : group, e);
}

bool sqlite_is_consumer(const struct db *s, struct err *e)
{
    if (s->lock.fd < 0)
        err_set(e, ERR_READONLY, "%s: only the receiver's user may do this; run it as that user, or as root",
                s->path);
    return s->lock.fd < 0;
}

static int open_database(struct db *s, const char *path, const struct store_options *o, struct err *e)
{
    bool fresh;
    if (snprintf(s->path, sizeof s->path, "%s", path) >= (int)sizeof s->path)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    if (open_file(s, o, e) != 0 || beside_base(path, s->base, e) != 0 || open_lock(s, o->group, e) != 0)
        return -1;
    int failed = check_or_begin_schema(s, &fresh, e);
    for (int i = 0; failed && e && e->code == ERR_READONLY && i < LOG_TRIES; i++) {
        nanosleep(&(struct timespec){0, LOG_NS}, NULL);
        failed = check_or_begin_schema(s, &fresh, e);
    }
    if (failed || s->frozen)
        return failed ? -1 : 0;
    if (fresh && o->read_only)
        return err_set(e, ERR_NOT_FOUND, "%s is empty; run complycube-inbox init", s->path);
    if (!fresh)
        return set_journal(s, o, e);
    if (set_journal(s, o, e) != 0 || lock_take(&s->lock, s->wait_ms, e) < 0)
        return -1;
    failed = make_schema(s, e);
    lock_release(&s->lock);
    return failed;
}

void sqlite_close_db(struct db *s)
{
    if (!s)
        return;
    sqlite_begin_work(s);
    for (size_t i = 0; i < STORE_SQL_COUNT; i++)
        sqlite3_finalize(s->prepared[i]);
    if (s->db) { /* the last one to close writes the log back: only one at a time may */
        int locked = s->lock.fd >= 0 && lock_take(&s->lock, s->wait_ms / 8, NULL) >= 0;
        if (locked && !sqlite_in_place(s))
            sqlite_leave_under_lock(s, NULL);
        bool sound = !s->locks || !sqlite_in_place(s) || sqlite_index_check(s, NULL) == 0;
        bool logged =
            s->locks || stat_of(s->path, "-wal").st_size > 0; /* a reader takes away an empty log of its own */
        if ((!locked && logged) || !sound)                    /* somebody else will */
            sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_close(s->db);
    }
    sqlite_inbox_close(s);
    sqlite_forgotten_close(s);
    lock_close(&s->lock);
    free(s);
}

int sqlite_open_db(struct db **out, const char *path, const struct store_options *o, struct err *e)
{
    struct db *s = malloc(sizeof *s);
    if (!s)
        return err_set(e, ERR_MEMORY, "opening %s: out of memory", path);
    memset(s, 0, offsetof(struct db, name)); /* the rest is 18 KB, which a CGI never uses */
    s->store = (struct store){&ops, &file_ops};
    s->lock.fd = -1;
    s->wait_ms = o->wait_ms;
    s->limit_ms = o->limit_ms;
    if (open_database(s, path, o, e) != 0)
        goto fail;
    s->log_ino = stat_of(s->path, "-wal").st_ino;
    if ((!o->limit_ms && sqlite_make_views(s, e) != 0) || sqlite_floor(s, &s->floor, e) != 0 ||
        add_endpoints(s, o, e) != 0 || sqlite_inbox_open(s, o, e) != 0 ||
        (o->read_only && sqlite_seal(s, o->deadline_ms, e) != 0))
        goto fail;
    *out = s;
    return 0;
fail:
    if (s->db && e && e->code == ERR_DATABASE) /* its log is not written back into what is damaged */
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite_close_db(s);
    return -1;
}

static int64_t prune_files(struct store *store, int64_t before_ms, struct err *e)
{
    return sqlite_inbox_prune(db_of(store), before_ms, e);
}

int sqlite_open(struct store **out, const char *path, const struct store_options *o, struct err *e)
{
    struct db *s;
    if (sqlite_open_db(&s, path, o, e) != 0)
        return -1;
    *out = &s->store;
    return 0;
}

static void close_store(struct store *store) { sqlite_close_db(db_of(store)); }
static int newest(struct store *store, int64_t *seq, struct err *e) { return sqlite_last(db_of(store), seq, e); }
static bool in_place(struct store *store) { return sqlite_in_place(db_of(store)); }

static const struct store_ops ops = {
    .close = close_store,
    .record = sqlite_record,
    .hold = sqlite_hold,
    .unhold = sqlite_unhold,
    .try = sqlite_try,
    .ready = sqlite_ready,
    .claim = sqlite_claim,
    .settle = sqlite_settle,
    .read = sqlite_read,
    .select = sqlite_select,
    .find = sqlite_find,
    .relate = sqlite_relate,
    .newest = newest,
    .read_facts = sqlite_read_facts,
    .tally = sqlite_tally,
    .counts = sqlite_counts,
    .totals = sqlite_totals,
    .ignored = sqlite_ignored,
    .change = sqlite_change,
    .erase = sqlite_erase,
    .list_quarantine = sqlite_list_quarantine,
    .walk_quarantine = sqlite_walk_quarantine,
    .accept = sqlite_accept,
    .drop = sqlite_drop,
    .erase_quarantined = sqlite_erase_quarantined,
    .know = sqlite_know,
    .emptied = sqlite_emptied,
    .forget = sqlite_forget,
    .add_history = sqlite_add_history,
    .history = sqlite_history,
    .audit = sqlite_audit,
    .odd_rows = sqlite_odd_rows,
    .missing = sqlite_missing,
    .migrate = sqlite_migrate,
};

static const struct store_file_ops file_ops = {
    .in_place = in_place,
    .leave = leave,
    .flush = sqlite_flush,
    .scrub = sqlite_scrub,
    .prune_files = prune_files,
    .backup = sqlite_backup,
    .compare = sqlite_compare,
    .check_files = sqlite_check_files,
    .altered = sqlite_altered,
};
