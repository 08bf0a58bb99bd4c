/* SPDX-License-Identifier: MIT
 * vfs: a thin layer over SQLite's own VFS.
 *
 * Names are judged here. What a name leads to is judged by the call that opens it, since nothing can change in between:
 * SQLite lets a program replace its call of open, and opens the -shm file by it too, which never passes xOpen. */
#include "vfs.h"

#include "guard.h"
#include "walindex.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifdef SQLITE_OPEN_SUPER_JOURNAL
enum { SUPER_JOURNAL = SQLITE_OPEN_SUPER_JOURNAL };
#else /* before 3.33 */
enum { SUPER_JOURNAL = SQLITE_OPEN_MASTER_JOURNAL };
#endif

static sqlite3_vfs *base, confined;

/* ---- names ---- */

/* Each database that this process opened: the few that a command or a configuration names. */
static struct opened {
    struct opened *next;
    size_t len;
    char name[];
} * opened;

enum part { FOREIGN, DATABASE, SIDE_FILE };

static enum part part_of(const char *name)
{
    for (const struct opened *o = opened; o; o = o->next)
        for (size_t i = 0; strncmp(name, o->name, o->len) == 0 && store_files[i]; i++)
            if (strcmp(name + o->len, store_files[i]) == 0)
                return i == 0 ? DATABASE : SIDE_FILE;
    return FOREIGN;
}

static int remember(const char *name)
{
    if (part_of(name) == DATABASE)
        return 0;
    size_t len = strlen(name);
    struct opened *o = malloc(sizeof *o + len + 1);
    if (!o)
        return -1;
    *o = (struct opened){.next = opened, .len = len};
    memcpy(o->name, name, len + 1);
    opened = o;
    return 0;
}

/* ---- what they lead to ---- */

/* A file removed while it is open has no name; some file systems count none. */
static bool is_fit(const struct stat *st, enum part part)
{
    return S_ISREG(st->st_mode) && (part == DATABASE || st->st_nlink <= 1);
}

/* What is closed again is no file of ours, unless somebody linked the database itself: who may do that may write it. */
static int open_fit(const char *name, int flags, int mode)
{
    struct stat st;
    enum part part = part_of(name);
    if (part == FOREIGN) /* a folder, to flush it; a temporary file, which is new; /dev/urandom */
        return open(name, flags, mode);
    int fd = open(name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);
    if (fd < 0 || (fstat(fd, &st) == 0 && is_fit(&st, part)))
        return fd;
    close(fd);
    errno = ELOOP;
    return -1;
}

static const char *kind_of(mode_t mode)
{
    return S_ISLNK(mode)    ? "a symbolic link"
           : S_ISDIR(mode)  ? "a folder"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

bool sqlite_refused(const char *path, struct err *e)
{
    char name[PATH_MAX + 16];
    struct stat st;
    for (size_t i = 0; store_files[i]; i++) {
        snprintf(name, sizeof name, "%s%s", path, store_files[i]);
        if (lstat(name, &st) != 0 || is_fit(&st, i == 0 ? DATABASE : SIDE_FILE))
            continue;
        if (S_ISREG(st.st_mode))
            err_set(
                e, ERR_DATABASE,
                "%s has a second name, and is refused: somebody linked it; find the other with find / -inum %llu, "
                "and remove the wrong one",
                name, (unsigned long long)st.st_ino);
        else
            err_set(
                e, ERR_DATABASE,
                "%s is %s, and is refused: SQLite keeps a file there; remove it, and ask who may write its folder",
                name, kind_of(st.st_mode));
        return true;
    }
    return false;
}

/* ---- a super-journal that says nothing ---- */

static int nothing_close(sqlite3_file *file)
{
    file->pMethods = NULL;
    return SQLITE_OK;
}

static int nothing_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    (void)file, (void)at;
    memset(out, 0, (size_t)n);
    return n ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int nothing_size(sqlite3_file *file, sqlite3_int64 *size)
{
    (void)file;
    *size = 0;
    return SQLITE_OK;
}

static const sqlite3_io_methods nothing = {
    .iVersion = 1, .xClose = nothing_close, .xRead = nothing_read, .xFileSize = nothing_size};

/* ---- the VFS ---- */

/* The super-journal that was opened last, if nothing was opened since: SQLite removes it next, whatever it is. */
static char super[PATH_MAX];

static int confined_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    *super = '\0';
    file->pMethods = NULL;
    if (flags & SUPER_JOURNAL) {
        if (!(flags & SQLITE_OPEN_READONLY)) /* no transaction of ours writes two databases */
            return SQLITE_CANTOPEN;
        snprintf(super, sizeof super, "%s", name);
        file->pMethods = &nothing;
        if (out)
            *out = flags;
        return SQLITE_OK;
    }
    if ((flags & SQLITE_OPEN_MAIN_DB) && name && remember(name) != 0)
        return SQLITE_NOMEM;
    return base->xOpen(base, name, file, flags, out);
}

static int confined_delete(sqlite3_vfs *vfs, const char *name, int flush)
{
    (void)vfs;
    return part_of(name) == SIDE_FILE && strcmp(name, super) != 0 ? base->xDelete(base, name, flush) : SQLITE_OK;
}

/* SQLite would follow links here, before anything is opened. */
static int confined_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    if (*name != '/')
        return base->xFullPathname(base, name, size, out);
    return snprintf(out, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

/*
 * Only while the shared memory of the log is unusable, which any user who may write it can cause, SQLite sleeps by itself: a
 * hundred times, longer each time, and ten seconds together. Nothing asks for the time of a statement meanwhile.
 */
static int confined_sleep(sqlite3_vfs *vfs, int us)
{
    enum { LONGEST_US = 20000 }; /* a second and a half together */
    (void)vfs;
    return base->xSleep(base, us < LONGEST_US ? us : LONGEST_US);
}

static int confine_sqlite(struct err *e)
{
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD); /* a store belongs to one thread */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_vfs *own = sqlite3_vfs_find(NULL);
    if (!own || own->iVersion < 3 || own->xSetSystemCall(own, "open", (sqlite3_syscall_ptr)open_fit) != SQLITE_OK)
        return err_set(e, ERR_SYSTEM, "this SQLite, %s, cannot be kept to its own files; install another",
                       sqlite3_libversion());
    confined = *own;
    confined.pNext = NULL;
    confined.zName = "confined";
    confined.xOpen = confined_open;
    confined.xDelete = confined_delete;
    confined.xFullPathname = confined_path;
    confined.xSleep = confined_sleep;
    if (sqlite3_vfs_register(&confined, 0) != SQLITE_OK)
        return err_set(e, ERR_MEMORY, "setting SQLite up: out of memory");
    base = own;
    return 0;
}

static int64_t side_size(const char *path, const char *end)
{
    char name[PATH_MAX];
    struct stat st;
    bool there = snprintf(name, sizeof name, "%s%s", path, end) < (int)sizeof name && stat(name, &st) == 0;
    return there ? st.st_size : 0;
}

/* source: sqlite.org/fileformat2.html, section 1.3.3: 2 at 18 is WAL */
static bool has_log_mode(const char *path)
{
    char mode = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool wal = fd >= 0 && pread(fd, &mode, 1, 18) == 1 && mode == 2;
    if (fd >= 0)
        close(fd);
    return wal;
}

/*
 * On a read-only medium SQLite can make no shared memory for a log, and reads a database in WAL mode only if its opener
 * promises that nothing changes it; it then ignores a log. A database that is in use elsewhere has its shared memory beside
 * it, and is read by that.
 * source: sqlite.org/wal.html, "Read-Only Databases"
 */
static int look_frozen(struct db *s, struct err *e)
{
    struct statvfs fs;
    if (!s->reads || statvfs(s->path, &fs) != 0 || !(fs.f_flag & ST_RDONLY) || side_size(s->path, "-shm") ||
        !has_log_mode(s->path))
        return 0;
    s->frozen = side_size(s->path, "-wal") == 0;
    return s->frozen
               ? 0
               : err_set(e, ERR_READONLY,
                         "%s lies on a read-only medium, and its log %s-wal can be read from a copy: cp both into "
                         "a folder of yours, and name the copy",
                         s->path, s->path);
}

/* The path as a URI: what has a meaning there as %XX. */
static int write_uri(const char *path, char *uri, size_t size, struct err *e)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = (size_t)snprintf(uri, size, "file:");
    for (; *path && n + sizeof "%XX?immutable=1" <= size; path++) {
        if (!strchr("%?#", *path)) {
            uri[n++] = *path;
            continue;
        }
        memcpy(uri + n, (char[]){'%', digits[*path >> 4 & 15], digits[*path & 15]}, 3);
        n += 3;
    }
    if (*path)
        return err_set(e, ERR_CONFIG, "the database's path is too long");
    memcpy(uri + n, "?immutable=1", sizeof "?immutable=1");
    return 0;
}

int sqlite_connect(struct db *s, struct err *e)
{
    char uri[PATH_MAX + 64];
    const char *name = s->path;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if ((!base && confine_sqlite(e) != 0) || look_frozen(s, e) != 0)
        return -1;
    if (s->frozen) {
        if (write_uri(s->path, uri, sizeof uri, e) != 0)
            return -1;
        name = uri;
        flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    }
    if (sqlite3_open_v2(name, &s->db, flags, confined.zName) != SQLITE_OK)
        return sqlite_error(s, "opening it", e);
    return sqlite_guard(s, e) != 0 || sqlite_index_check_first(s, e) != 0 ? -1 : 0;
}
