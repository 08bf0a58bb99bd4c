/* SPDX-License-Identifier: MIT
 * probe: would an event be recorded, as far as can be known without recording one? */
#include "base/files.h"
#include "base/limits.h"
#include "copy.h"
#include "guard.h"
#include "inbox.h"
#include "sqlite.h"
#include "store/beside.h"
#include "walindex.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SPACE_MIN = 16 << 20 /* bytes */, GROWTH_MIN = 4 << 20 /* of a file */ };

/* The folder and whatever of the database's files is there must be writable, with room to spare. */
static int check_database_files(const char *path, struct err *e)
{
    char name[PATH_MAX], base[PATH_MAX];
    struct statvfs fs;
    struct stat st;
    if (files_folder(path, name, sizeof name) != 0 || access(name, W_OK | X_OK) != 0) {
        int os = errno;
        bool gone = os == ENOENT || os == ENOTDIR;
        if (gone && files_check_link(name, e) != 0)
            return -1;
        err_set(e, gone ? ERR_DATABASE : ERR_READONLY,
                "the folder %s: %s; it must exist and be writable for this user", name, strerror(os));
        return err_detail(e, gone ? ERR_NO_FOLDER : ERR_PLAIN);
    }
    if (statvfs(name, &fs) == 0 &&
        ((uint64_t)fs.f_bavail * fs.f_frsize < SPACE_MIN || (fs.f_files && fs.f_favail < 16)))
        return err_set(e, ERR_FULL, "the file system of %s has less than 16 MB or 16 inodes left; make room", name);
    for (size_t i = 0; store_files[i]; i++) {
        if (snprintf(name, sizeof name, "%s%s", path, store_files[i]) >= (int)sizeof name)
            return err_set(e, ERR_CONFIG, "the database's path is too long");
        if (stat(name, &st) == 0 && (uint64_t)st.st_size + GROWTH_MIN > limits_file_size())
            return err_set(e, ERR_FULL,
                           "%s has %lld bytes, and a file may have %llu; raise that limit (ulimit -f, "
                           "LimitFSIZE=)",
                           name, (long long)st.st_size, (unsigned long long)limits_file_size());
        if (files_check_link(name, e) != 0)
            return -1;
        if (access(name, W_OK) != 0 && errno != ENOENT)
            return err_set(e, ERR_READONLY, "%s: %s; it must be writable for this user", name, strerror(errno));
    }
    if (beside_base(path, base, e) != 0)
        return -1;
    bool own = strcmp(base, path) != 0; /* there an application's user goes without the lock */
    if (snprintf(name, sizeof name, "%s.lock", base) < (int)sizeof name && access(name, W_OK) != 0 &&
        errno != ENOENT && !(own && errno == EACCES))
        return err_set(e, ERR_READONLY, "%s: %s; it must be writable for this user", name, strerror(errno));
    return 0;
}

static int is_readable(struct db *s, struct err *e)
{
    int64_t attempts;
    return sqlite_number(s, SQL_READABLE, &attempts, e);
}

int sqlite_ready(struct store *store, struct err *e)
{
    struct db *s = db_of(store);
    if (check_database_files(s->path, e) != 0 ||
        sqlite_inbox_check(*s->maildir_path ? s->maildir_path : NULL, e) != 0)
        return -1;
    sqlite_begin_work(s);
    sqlite_set_wait(s, 0); /* answer at once; a busy database is a sound one */
    int failed = sqlite_index_check(s, e) != 0 || is_readable(s, e) != 0 ||
                 sqlite_check_tables(s, e) != 0; /* reading notices a change */
    sqlite_set_wait(s, s->wait_ms);
    return failed && e->code != ERR_BUSY ? -1 : 0;
}

/* Would events be recorded into its tables? A database that is busy is at work. */
static int probe_tables(const char *path, const struct store_options *o, struct err *e)
{
    struct db *s;
    int failed = sqlite_lone_open(&s, path, e);
    if (!failed) {
        s->limit_ms = o->limit_ms;
        sqlite_begin_work(s);
        sqlite_set_wait(s, 0);
        failed = sqlite_refuse_altered(s, path, e);
        sqlite_lone_close(s);
    }
    return failed && e->code != ERR_BUSY ? -1 : 0;
}

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/*
 * source: sqlite.org/fileformat2.html, section 1.3: user_version at 60, application_id at 68; section 1.6: after the
 * header the page of the schema, a leaf without cells where there is no table
 */
int sqlite_probe(const char *path, const struct store_options *o, struct err *e)
{
    unsigned char header[108];
    struct stat st;
    if (check_database_files(path, e) != 0 || sqlite_inbox_check(o->directory, e) != 0 ||
        sqlite_check_orphan(path, e) != 0)
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(e, ERR_READONLY, "opening %s: %s", path, strerror(errno));
    bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    ssize_t n = file ? pread(fd, header, sizeof header, 0) : -1;
    close(fd);
    if (n == 0)
        return 0; /* an empty file is a new one */
    if (n != sizeof header || memcmp(header, "SQLite format 3", 16) != 0)
        return err_set(e, ERR_DATABASE, "%s is no SQLite database; move it away or name another file", path);
    uint32_t version = big_endian(header + 60), application = big_endian(header + 68);
    bool empty = !version && !application && header[100] == 13 && !header[103] && !header[104];
    if (empty || sqlite_check_version(path, application, version, e) != 0)
        return empty ? 0 : -1;
    return o->limit_ms ? probe_tables(path, o, e) : 0; /* for others store_altered says more */
}
