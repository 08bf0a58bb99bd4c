/* SPDX-License-Identifier: MIT
 *
 * files: reading a small file whole, making files and directories with exact modes whatever the umask, and
 * telling whether a file changed.
 */
#ifndef FILES_H
#define FILES_H

#include "buf.h"
#include "err.h"
#include "span.h"

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

enum { FILES_TEXT_MAX = 1 << 20 };

/* What stat tells of a file; all zero: it is not there. Any write changes it, since nobody can set a ctime. */
struct files_stamp {
    int64_t ino, size, mtime_ns, ctime_ns;
};

struct files_stamp files_stamp(const struct stat *st);
struct files_stamp files_look(const char *path);
bool files_print_equal(const struct files_stamp *a, const struct files_stamp *b);

/*
 * Read a text file of at most FILES_TEXT_MAX bytes into `out` (to be released), a NUL behind it not counted.
 * A byte order mark is skipped, UTF-16 becomes UTF-8 and CR LF becomes LF. *st is of the very file read. No copy stays elsewhere.
 * errors: ERR_CONFIG  with the file's name and the reason
 */
int files_read_text(const char *path, struct buf *out, struct stat *st, struct err *e);

/*
 * Make plain text of what an editor has saved: UTF-8 without a byte order mark, each line ended by LF, a NUL after it that
 * is not counted, for which there must be room. No copy stays elsewhere.
 * out: 0; or -1: it begins as UTF-16 and is broken, or memory is out
 */
int files_make_plain(struct buf *text);

/* files_read_text in two steps: a descriptor, or -1; and what can be read from it. path: what messages call the file */
int files_open_text(const char *path, struct err *e);
int files_read_open(int fd, const char *path, struct buf *out, struct stat *st, struct err *e);

/*
 * Make `path` if it is missing, with exactly this mode and group ((gid_t)-1: leave the group). What is
 * already there is left as it is. What root makes gets the owner of its folder. *made tells which (may be
 * NULL). A new entry is durable on return; one that cannot be made right is removed.
 * errors: ERR_READONLY  it cannot be made, and why;  ERR_FULL;  ERR_DATABASE  its folder is missing
 */
int files_make_file(const char *path, mode_t mode, gid_t group, bool *made, struct err *e);
int files_make_dir(const char *path, mode_t mode, gid_t group, bool *made, struct err *e);

/*
 * Give an open file or folder a mode, or an owner and a group (-1: as it is), if it has others. A file system that keeps modes
 * of its own (FAT, a share) may refuse the mode: then the file is used as it is if it is this user's and others cannot reach
 * it, by its own mode or by its folder's.
 * out: 0, or -1 with errno
 */
int files_ensure_mode(int fd, const char *path, mode_t mode);
int files_give(int fd, uid_t owner, gid_t group);

/* The first file that is used with a mode the file system insists on; once, else NULL. */
const char *files_refused(void);

/* A name below an open folder, and what messages call it. What stands above it may be replaced meanwhile. */
struct files_place {
    int at; /* AT_FDCWD: the name is a path */
    const char *name, *path;
};
int files_make_file_at(const struct files_place *p, mode_t mode, gid_t group, bool *made, struct err *e);
int files_make_dir_at(const struct files_place *p, mode_t mode, gid_t group, bool *made, struct err *e);

/*
 * Give the file or folder that is there this very mode and group; what does not exist is not made. *changed: it had
 * others. A link is not followed, and a file with a second name is refused.
 * errors: ERR_READONLY  this user may not, or it is no such thing
 */
int files_fit(const char *path, mode_t mode, gid_t group, bool *changed, struct err *e);
int files_fit_open(int fd, const char *path, mode_t mode, gid_t group, bool *changed, struct err *e);

/*
 * What root makes belongs to whoever owns the folder: a receiver of another user must be able to use it.
 * out: the owner of its folder, or -1 where it is not for us to give; and where *group is -1 the folder's group
 */
void files_heir(const struct files_place *p, uid_t *owner, gid_t *group);

/*
 * A file that takes the place of another: where root made it, it gets the other's owner, group and mode. Where there is no
 * other it stays as it is. like: the other's path;  path: what messages call the file
 * errors: ERR_READONLY
 */
int files_follow(int fd, const char *path, const char *like, struct err *e);

/*
 * Give each closed standard stream something that can neither be read nor written, so that no database is opened under
 * its number and then taken for it. Call it first. cost: three calls
 */
void files_hold_standard(void);

/* What a file lies on, as far as it matters to a database; the file need not exist, if its folder does. */
enum files_system {
    FILES_DISK,    /* or not known */
    FILES_NETWORK, /* shared memory and locks end at the host */
    FILES_MEMORY,  /* gone after a reboot */
    FILES_OVERLAY  /* a container's layer: gone with the container */
};
enum files_system files_system(const char *path);

/*
 * Give a file that is flushed its name, durably, and never another's.
 * errors: ERR_USAGE  the name is taken;  ERR_READONLY, ERR_FULL
 */
int files_name(const char *from, const char *to, struct err *e);

/* What was renamed or removed in the folder of this path is durable on return. errors: ERR_READONLY */
int files_sync_folder(const char *path, struct err *e);

/* Is this, or a folder on its way, a link to nothing, as to a volume that is not mounted? 0 if not; -1 and *e:
 * ERR_DATABASE, ERR_DANGLING, with the link and its target. cost: a call if the path is there */
int files_check_link(const char *path, struct err *e);

/* All of it, in as many writes as it takes. out: 0, or -1 with errno */
int files_write_all(int fd, struct span bytes);

/* The folder part of a path, at most size - 1 bytes, "." when there is none; 0, or -1 when it is too long. */
int files_folder(const char *path, char *folder, size_t size);

#endif
