/* SPDX-License-Identifier: MIT
 * secret_file: a line that is added to a secret file. */
#include "secret_file.h"

#include "base/files.h"
#include "base/shared.h"
#include "config/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROOM = SECRETS_NAME_MAX + 512 /* bytes for the line */ };

static int failed(const struct secret_file *f, const char *what, struct err *e)
{
    return err_set(e, err_is_full(errno) ? ERR_FULL : ERR_READONLY, "%s %s.new: %s", what, f->path, strerror(errno));
}

/* The old file, judged as a receiver judges it. */
static int read_old(struct secret_file *f, const struct trust *with, const char *label, struct stat *st,
                    struct err *e)
{
    struct secrets *s = malloc(sizeof *s);
    if (!s)
        return err_set(e, ERR_MEMORY, "reading secrets: out of memory");
    int result = secrets_read(s, f->path, with, e);
    for (size_t i = 0; result == 0 && i < s->n; i++)
        if (strcmp(s->list[i].name, label) == 0)
            result = err_set(e, ERR_SECRETS, "%s has a secret called %s already; name another", f->path, label);
    if (result == 0) {
        secrets_release(s);
        result = files_read_text(f->path, &f->text, st, e);
    }
    free(s);
    if (result != 0 || f->text.len == 0 || f->text.at[f->text.len - 1] == '\n')
        return result;
    if (buf_room(&f->text, 1, f->text.len + 1) == 0)
        return err_set(e, ERR_MEMORY, "reading secrets: out of memory");
    f->text.at[f->text.len++] = '\n';
    return 0;
}

static int open_place(struct secret_file *f, const char *path, struct err *e)
{
    char folder[PATH_MAX];
    if (!realpath(path, f->path) || files_folder(f->path, folder, sizeof folder) != 0)
        return err_set(e, ERR_SECRETS, "%s: %s", path, strerror(errno));
    const char *name = strrchr(f->path, '/') + 1;
    if (strlen(name) + sizeof ".new" > sizeof f->name)
        return err_set(e, ERR_READONLY, "the name of %s is too long", f->path);
    snprintf(f->name, sizeof f->name, "%s", name);
    snprintf(f->fresh, sizeof f->fresh, "%.*s.new", (int)(sizeof f->fresh - sizeof ".new"), name);
    f->folder = shared_folder(AT_FDCWD, folder);
    return f->folder >= 0 ? 0 : err_set(e, ERR_READONLY, "the folder of %s: %s", f->path, strerror(errno));
}

/* A new file that an earlier run left, and that holds the old one's text and blank lines alone, has no secret to lose. */
static int remove_left(struct secret_file *f, const struct trust *with, struct err *e)
{
    struct stat st;
    struct buf text = {0};
    struct secrets_file left = {.path = f->fresh, .with = with, .danger = "sign events"};
    left.fd = shared_open(f->folder, f->fresh, O_RDONLY, &st);
    bool read = left.fd >= 0 && secrets_read_file(&left, &text, e) == 0;
    while (read && text.len > f->text.len && text.at[text.len - 1] == '\n')
        text.len--;
    bool same = read && (text.len == f->text.len || text.len + 1 == f->text.len) &&
                memcmp(text.at, f->text.at, text.len) == 0;
    secrets_wipe(&text);
    if (left.fd >= 0)
        close(left.fd);
    if (same && unlinkat(f->folder, f->fresh, 0) == 0)
        return 0;
    return err_set(
        e, ERR_READONLY,
        "%s.new is there, from a run that is at work or was broken off, and may hold a secret that the other "
        "lacks; compare the two, and put it in its place or remove it",
        f->path);
}

static int make_fresh(struct secret_file *f, const struct stat *st, struct err *e)
{
    char room[ROOM];
    memset(room, '\n', sizeof room);
    f->fd = shared_make(f->folder, f->fresh);
    if (f->fd < 0)
        return failed(f, "making", e);
    f->made = true;
    if (fchown(f->fd, st->st_uid == geteuid() ? (uid_t)-1 : st->st_uid, st->st_gid) != 0)
        return err_set(e, ERR_READONLY,
                       "%s cannot be replaced: it belongs to another user or group; run this as its owner", f->path);
    if (fchmod(f->fd, st->st_mode & 0777) != 0 ||
        files_write_all(f->fd, (struct span){f->text.at, f->text.len}) != 0 ||
        files_write_all(f->fd, (struct span){room, sizeof room}) != 0 || fsync(f->fd) != 0)
        return failed(f, "writing", e);
    return 0;
}

int secret_file_begin(struct secret_file *f, const char *path, const struct trust *with, const char *label,
                      struct err *e)
{
    struct stat st, there;
    *f = (struct secret_file){.folder = -1, .fd = -1};
    if (open_place(f, path, e) != 0 || read_old(f, with, label, &st, e) != 0)
        return -1;
    if (fstatat(f->folder, f->fresh, &there, AT_SYMLINK_NOFOLLOW) == 0 && remove_left(f, with, e) != 0)
        return -1;
    return make_fresh(f, &st, e);
}

int secret_file_add(struct secret_file *f, const char *label, const char *secret, struct err *e)
{
    char line[ROOM];
    int len = snprintf(line, sizeof line, "%s %s\n", label, secret);
    bool good = len < (int)sizeof line && lseek(f->fd, (off_t)f->text.len, SEEK_SET) >= 0 &&
                files_write_all(f->fd, (struct span){line, (size_t)len}) == 0 &&
                ftruncate(f->fd, (off_t)f->text.len + len) == 0 && fsync(f->fd) == 0;
    explicit_bzero(line, sizeof line);
    if (!good)
        return failed(f, "writing", e);
    if (renameat(f->folder, f->fresh, f->folder, f->name) != 0)
        return failed(f, "renaming", e);
    f->made = false;
    return fsync(f->folder) == 0 ? 0 : failed(f, "flushing the folder of", e);
}

void secret_file_release(struct secret_file *f)
{
    if (f->made)
        unlinkat(f->folder, f->fresh, 0);
    if (f->fd >= 0)
        close(f->fd);
    if (f->folder >= 0)
        close(f->folder);
    secrets_wipe(&f->text);
    *f = (struct secret_file){.folder = -1, .fd = -1};
}
