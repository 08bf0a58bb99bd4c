/* SPDX-License-Identifier: MIT
 * files: small files, exact modes, changes. */
#include "files.h"

#include "kernel.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

static int64_t nanoseconds(struct timespec t) { return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec; }

struct files_stamp files_stamp(const struct stat *st)
{
    return (struct files_stamp){(int64_t)st->st_ino, st->st_size, nanoseconds(st->st_mtim), nanoseconds(st->st_ctim)};
}

struct files_stamp files_look(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? files_stamp(&st) : (struct files_stamp){0};
}

bool files_print_equal(const struct files_stamp *a, const struct files_stamp *b)
{
    return a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* Room for some more, with no copy left behind where it was; less than 2: there is none. */
static size_t more_room(struct buf *b, size_t more)
{
    struct buf larger = {0};
    if (b->cap - b->len >= more)
        return b->cap - b->len;
    size_t want = b->len + more + b->len / 2;
    if (buf_room(&larger, want < FILES_TEXT_MAX ? want : FILES_TEXT_MAX, FILES_TEXT_MAX) > b->len) {
        memcpy(larger.at, b->at ? b->at : "", b->len);
        larger.len = b->len;
        if (b->at)
            explicit_bzero(b->at, b->cap);
        buf_release(b);
        *b = larger;
    }
    return b->cap - b->len;
}

/* Replace UTF-16 by the UTF-8 that says the same, and leave no copy; -1: it is broken, or memory is out. */
static int decode_text(struct buf *b, enum text_encoding encoding, size_t mark)
{
    struct span text = {b->at + mark, b->len - mark};
    struct buf plain = {0};
    size_t used = 0;
    if (buf_room(&plain, text_utf8_size(text) + 1, SIZE_MAX / 2) > text_utf8_size(text))
        plain.len = text_from_utf16(text, encoding, plain.at, &used);
    explicit_bzero(b->at, b->cap);
    buf_release(b);
    *b = plain;
    return used == text.len ? 0 : -1;
}

int files_make_plain(struct buf *b)
{
    size_t from, to = 0;
    enum text_encoding encoding = text_encoding((struct span){b->at, b->len}, &from);
    if (encoding != TEXT_UTF8) {
        if (decode_text(b, encoding, from) != 0)
            return -1;
        from = 0;
    }
    for (; from < b->len; from++)
        if (b->at[from] != '\r' || (from + 1 < b->len && b->at[from + 1] != '\n'))
            b->at[to++] = b->at[from];
    b->len = to;
    b->at[to] = '\0';
    return 0;
}

int files_open_text(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int os = errno;
    if (fd < 0 && files_check_link(path, e) != 0)
        e->code = ERR_CONFIG;
    else if (fd < 0)
        err_set(e, ERR_CONFIG, "opening %s: %s", path, strerror(os));
    return fd;
}

int files_read_open(int fd, const char *path, struct buf *out, struct stat *st, struct err *e)
{
    ssize_t n = -1;
    if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))
        return err_set(e, ERR_CONFIG, "%s is not a file", path);
    more_room(out, (size_t)(st->st_size < FILES_TEXT_MAX ? st->st_size : FILES_TEXT_MAX) + 4096);
    for (;;) {
        size_t room = more_room(out, 2);
        if (room < 2)
            return err_set(e, ERR_CONFIG, "%s is larger than %d bytes", path, FILES_TEXT_MAX - 2);
        n = read(fd, out->at + out->len, room - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        out->len += (size_t)n;
    }
    if (n < 0)
        return err_set(e, ERR_CONFIG, "reading %s: %s", path, strerror(errno));
    return files_make_plain(out) == 0 ? 0 : err_set(e, ERR_CONFIG, "%s is broken UTF-16; save it as UTF-8", path);
}

int files_read_text(const char *path, struct buf *out, struct stat *st, struct err *e)
{
    int fd = files_open_text(path, e);
    if (fd < 0)
        return -1;
    int result = files_read_open(fd, path, out, st, e);
    close(fd);
    return result;
}

/* source: linux/magic.h; sqlite.org/wal.html: "WAL does not work over a network filesystem" */
enum files_system files_system(const char *path)
{
    static const struct {
        unsigned magic;
        enum files_system is;
    } known[] = {{0x6969, FILES_NETWORK} /* NFS */,
                 {0xff534d42, FILES_NETWORK} /* CIFS */,
                 {0xfe534d42, FILES_NETWORK} /* SMB2 */,
                 {0x517b, FILES_NETWORK} /* SMB */,
                 {0x01021997, FILES_NETWORK} /* 9P */,
                 {0x5346414f, FILES_NETWORK} /* AFS */,
                 {0x00c36400, FILES_NETWORK} /* CEPH */,
                 {0x65735546, FILES_NETWORK} /* FUSE */,
                 {0x01021994, FILES_MEMORY} /* tmpfs */,
                 {0x858458f6, FILES_MEMORY} /* ramfs */,
                 {0x794c7630, FILES_OVERLAY}};
    char folder[PATH_MAX];
    struct statfs fs;
    if (statfs(path, &fs) != 0 && (files_folder(path, folder, sizeof folder) != 0 || statfs(folder, &fs) != 0))
        return FILES_DISK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((unsigned)fs.f_type == known[i].magic)
            return known[i].is;
    return FILES_DISK;
}

int files_folder(const char *path, char *folder, size_t size)
{
    const char *slash = strrchr(path, '/');
    size_t len = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (len + 2 > size)
        return -1;
    memcpy(folder, slash ? path : ".", slash ? len : 1);
    folder[slash ? len : 1] = '\0';
    return 0;
}

/* What a call on a path failed with, and the cure of that. */
static int refuse_file(const char *doing, const char *path, struct err *e)
{
    static const struct {
        int os;
        enum err_code code;
        const char *cure;
    } known[] = {
        {ENOSPC, ERR_FULL, "make room"},
        {EDQUOT, ERR_FULL, "make room, or have the quota raised"},
        {EFBIG, ERR_FULL, "raise the limit of a file's size (ulimit -f, LimitFSIZE=)"},
        {ENOENT, ERR_DATABASE, "its folder must exist and be writable for this user"},
        {ENOTDIR, ERR_DATABASE, "its folder must exist and be writable for this user"},
        {EMFILE, ERR_SYSTEM, "raise the limit of open files"},
        {ENFILE, ERR_SYSTEM, "raise the limit of open files"},
        {ENOMEM, ERR_MEMORY, "the system is out of memory"},
        {EIO, ERR_DATABASE, "look into the system's log: the disk may be failing"},
    };
    enum err_code code = ERR_READONLY;
    const char *cure = "its folder must exist and be writable for this user";
    int os = errno;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].os == os)
            code = known[i].code, cure = known[i].cure;
    return err_set(e, code, "%s %s: %s; %s", doing, path, strerror(os), cure);
}

static int flush_place(const struct files_place *p, struct err *e)
{
    if (p->at == AT_FDCWD)
        return files_sync_folder(p->name, e);
    return fsync(p->at) == 0 || errno == EINVAL ? 0 : refuse_file("flushing the folder of", p->path, e);
}

int files_sync_folder(const char *path, struct err *e)
{
    char folder[PATH_MAX];
    if (files_folder(path, folder, sizeof folder) != 0)
        return err_set(e, ERR_READONLY, "%s: the path is too long", path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || (fsync(fd) != 0 && errno != EINVAL);
    if (failed)
        refuse_file("flushing the folder of", path, e);
    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

void files_heir(const struct files_place *p, uid_t *owner, gid_t *group)
{
    char folder[PATH_MAX];
    struct stat st;
    *owner = (uid_t)-1;
    if (geteuid() != 0 ||
        (p->at != AT_FDCWD ? fstat(p->at, &st) : files_folder(p->name, folder, sizeof folder) || stat(folder, &st)) !=
            0)
        return;
    *owner = st.st_uid;
    if (*group == (gid_t)-1)
        *group = st.st_gid;
}

static int error_of_giving(const char *path, gid_t gid, struct err *e)
{
    int os = errno;
    if (os != EPERM && os != EINVAL)
        return refuse_file("setting the owner of", path, e);
    const struct group *group = getgrgid(gid);
    const struct passwd *user = getpwuid(geteuid());
    return err_set(
        e, ERR_READONLY,
        "giving %s to the group %s: %s; be its owner and make %s a member of the group, from the next login on", path,
        group ? group->gr_name : "?", strerror(os), user ? user->pw_name : "this user");
}

static struct {
    char path[PATH_MAX];
    bool reported;
} refused;

const char *files_refused(void)
{
    if (!*refused.path || refused.reported)
        return NULL;
    refused.reported = true;
    return refused.path;
}

/* Does a mode that the file system insists on let in nobody but those who are meant, by itself or by the file's folder? */
static bool is_closed(const struct stat *st, const char *path, mode_t mode)
{
    char folder[PATH_MAX];
    struct stat above;
    if ((st->st_mode & mode & 0700) != (mode & 0700))
        return false;
    if (!(st->st_mode & ~mode & (S_ISDIR(st->st_mode) ? 0077 : 0066)))
        return true;
    return files_folder(path, folder, sizeof folder) == 0 && stat(folder, &above) == 0 && !(above.st_mode & 0077);
}

int files_write_all(int fd, struct span bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n < 0 && errno != EINTR)
            return -1;
        size_t written = n > 0 ? (size_t)n : 0;
        bytes = (struct span){bytes.at + written, bytes.len - written};
    }
    return 0;
}

int files_ensure_mode(int fd, const char *path, mode_t mode)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -1;
    if ((st.st_mode & 07777) == mode || fchmod(fd, mode) == 0)
        return 0;
    int os = errno;
    if ((os == EPERM || os == ENOSYS || os == EOPNOTSUPP) && st.st_uid == geteuid() && is_closed(&st, path, mode)) {
        if (!*refused.path) /* files_refused() reports it once */
            snprintf(refused.path, sizeof refused.path, "%s", path);
        return 0;
    }
    errno = os;
    return -1;
}

int files_give(int fd, uid_t owner, gid_t group)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -1;
    bool right = (owner == (uid_t)-1 || owner == st.st_uid) && (group == (gid_t)-1 || group == st.st_gid);
    return right ? 0 : fchown(fd, owner, group);
}

static int fit_descriptor(int fd, const struct files_place *p, mode_t mode, gid_t group, struct err *e)
{
    uid_t owner;
    files_heir(p, &owner, &group);
    if (files_give(fd, owner, group) != 0)
        return error_of_giving(p->path, group, e);
    if (files_ensure_mode(fd, p->path, mode) != 0)
        return refuse_file("setting the mode of", p->path, e);
    return 0;
}

/* By its descriptor, since a name may be another file's by now; a second name may stand where strangers see it. */
int files_fit_open(int fd, const char *path, mode_t mode, gid_t group, bool *changed, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_set(e, ERR_READONLY, "opening %s: %s; see complycube-inbox doctor", path, strerror(errno));
    if (S_ISREG(st.st_mode) ? st.st_nlink > 1 : !S_ISDIR(st.st_mode))
        return err_set(e, ERR_READONLY, "%s is %s; look at it and remove it", path,
                       S_ISREG(st.st_mode) ? "a second name of a file" : "no file and no folder");
    *changed = (st.st_mode & 07777) != mode || st.st_gid != group;
    if (st.st_gid != group && fchown(fd, (uid_t)-1, group) != 0)
        return error_of_giving(path, group, e);
    if (*changed && files_ensure_mode(fd, path, mode) != 0)
        return err_set(e, ERR_READONLY, "setting the mode of %s: %s; be its owner, or root", path, strerror(errno));
    return 0;
}

int files_fit(const char *path, mode_t mode, gid_t group, bool *changed, struct err *e)
{
    *changed = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT
                   ? 0
                   : err_set(e, ERR_READONLY, "opening %s: %s; see complycube-inbox doctor", path, strerror(errno));
    int failed = files_fit_open(fd, path, mode, group, changed, e);
    close(fd);
    return failed;
}

int files_follow(int fd, const char *path, const char *like, struct err *e)
{
    struct stat st;
    if (geteuid() != 0 || stat(like, &st) != 0 || !S_ISREG(st.st_mode) ||
        (files_give(fd, st.st_uid, st.st_gid) == 0 && files_ensure_mode(fd, path, st.st_mode & 07777) == 0))
        return 0;
    return err_set(e, ERR_READONLY, "giving %s to the owner of %s: %s; do this as that owner", path, like,
                   strerror(errno));
}

void files_hold_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        int held = open("/", O_RDONLY | O_DIRECTORY | O_NOCTTY); /* below a changed root there may be no /dev/null */
        if (held != fd)
            return;
    }
}

int files_name(const char *from, const char *to, struct err *e)
{
    int failed = kernel_rename_new(AT_FDCWD, from, AT_FDCWD, to);
    if (failed && (errno == EINVAL || errno == ENOSYS)) { /* old kernels and file systems do not know how */
        failed = link(from, to);
        if (!failed)
            unlink(from);
    }
    if (failed && errno == EEXIST)
        return err_set(e, ERR_USAGE, "%s is there already; name another file", to);
    if (failed)
        return refuse_file("naming", to, e);
    return files_sync_folder(to, e);
}

int files_make_file_at(const struct files_place *p, mode_t mode, gid_t group, bool *made, struct err *e)
{
    int fd = openat(p->at, p->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, mode & 0600);
    if (made)
        *made = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0)
        return refuse_file("making", p->path, e);
    int failed = fit_descriptor(fd, p, mode, group, e) != 0 || flush_place(p, e) != 0;
    struct stat st;
    if (failed && fstat(fd, &st) == 0 && st.st_size == 0) /* the next try must not find it there, and wrong */
        unlinkat(p->at, p->name, 0);
    close(fd);
    return failed ? -1 : 0;
}

int files_make_file(const char *path, mode_t mode, gid_t group, bool *made, struct err *e)
{
    return files_make_file_at(&(struct files_place){AT_FDCWD, path, path}, mode, group, made, e);
}

/* Others may have replaced it since, if they may write the folder: nothing of theirs is both ours and closed to others. */
static bool is_new_dir(const struct stat *st)
{
    return S_ISDIR(st->st_mode) && st->st_uid == geteuid() && !(st->st_mode & 0077);
}

/* A umask may have closed it to its owner: it is made again, since a mode that is set by name may be set elsewhere. */
static int open_new_dir(const struct files_place *p, mode_t mode)
{
    const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(p->at, p->name, how);
    if (fd >= 0 || errno != EACCES || unlinkat(p->at, p->name, AT_REMOVEDIR) != 0)
        return fd;
    mode_t mask = umask(0);
    int failed = mkdirat(p->at, p->name, mode & 0700);
    umask(mask);
    return failed ? -1 : openat(p->at, p->name, how);
}

int files_make_dir_at(const struct files_place *p, mode_t mode, gid_t group, bool *made, struct err *e)
{
    int failed = mkdirat(p->at, p->name, mode & 0700);
    if (made)
        *made = !failed;
    if (failed && errno == EEXIST)
        return 0;
    if (failed)
        return refuse_file("making the folder", p->path, e);
    struct stat st;
    int fd = open_new_dir(p, mode);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !is_new_dir(&st))) {
        close(fd);
        return err_set(e, ERR_READONLY, "%s was replaced while it was made; look at it and remove it", p->path);
    }
    failed = fd < 0 ? refuse_file("opening the folder", p->path, e)
                    : fit_descriptor(fd, p, mode, group, e) != 0 || flush_place(p, e) != 0;
    if (fd >= 0)
        close(fd);
    if (failed)
        unlinkat(p->at, p->name, AT_REMOVEDIR);
    return failed ? -1 : 0;
}

int files_make_dir(const char *path, mode_t mode, gid_t group, bool *made, struct err *e)
{
    return files_make_dir_at(&(struct files_place){AT_FDCWD, path, path}, mode, group, made, e);
}

/* Is this itself a link to nothing? As files_check_link. */
static int check_one_link(const char *path, struct err *e)
{
    char target[PATH_MAX];
    struct stat st;
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0 || stat(path, &st) == 0 || errno != ENOENT)
        return 0;
    target[n] = '\0';
    err_set(e, ERR_DATABASE, "%s leads to %s, which does not exist; mount its volume, or remove the link", path,
            target);
    return err_detail(e, ERR_DANGLING);
}

int files_check_link(const char *path, struct err *e)
{
    char part[PATH_MAX];
    struct stat st;
    size_t len = strlen(path);
    if (stat(path, &st) == 0 || errno != ENOENT || len >= sizeof part)
        return 0;
    for (size_t i = 1; i <= len; i++)
        if (path[i] == '/' || path[i] == '\0') {
            memcpy(part, path, i);
            part[i] = '\0';
            if (check_one_link(part, e) != 0)
                return -1;
        }
    return 0;
}
