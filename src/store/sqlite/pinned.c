/* SPDX-License-Identifier: MIT
 * pinned: a write-ahead log that grows since somebody reads on and on. */
#include "pinned.h"

#include "base/shared.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* source: sqlite.org/walformat.html, "The WAL-Index File Format" */
enum {
    READERS = 5,
    PAGE_SIZE_AT = 14,
    FRAMES_AT = 16,
    WRITTEN_BACK_AT = 96,
    LOCKS_AT = 123 /* of readers, a byte each */
};
enum { TRIES = 5, PAUSE_NS = 100 * 1000 * 1000 };

struct index {
    uint32_t frames, written_back;
    int64_t page;
};

static bool read_index(int fd, struct index *x)
{
    unsigned char head[WRITTEN_BACK_AT + 4];
    uint16_t page;
    if (pread(fd, head, sizeof head, 0) != sizeof head)
        return false;
    memcpy(&page, head + PAGE_SIZE_AT, sizeof page);
    memcpy(&x->frames, head + FRAMES_AT, sizeof x->frames);
    memcpy(&x->written_back, head + WRITTEN_BACK_AT, sizeof x->written_back);
    x->page = page == 1 ? 65536 : page;
    return x->frames >= x->written_back;
}

static void name_process(struct pinned *p)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/comm", p->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, p->name, sizeof p->name - 1) : 0;
    if (fd >= 0)
        close(fd);
    n -= n > 0 && p->name[n - 1] == '\n';
    p->name[n > 0 ? n : 0] = '\0';
    for (char *c = p->name; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

static void find_reader(int fd, struct pinned *p)
{
    for (int i = 0; i < READERS && p->pid <= 0; i++) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCKS_AT + i, .l_len = 1};
        if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
            p->pid = (long)lock.l_pid;
    }
    if (p->pid > 0)
        name_process(p);
    else
        p->pid = 0;
}

bool pinned_look(const char *database, struct pinned *p)
{
    char path[PATH_MAX];
    struct stat st;
    struct index first = {0}, now = {0};
    *p = (struct pinned){.pid = 0};
    if (snprintf(path, sizeof path, "%s-shm", database) >= (int)sizeof path)
        return false;
    int fd = shared_open(AT_FDCWD, path, O_RDONLY, &st);
    if (fd < 0)
        return false;
    bool large = true;
    for (int i = 0; i < TRIES && large; i++) {
        if (i)
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        large = read_index(fd, &now);
        if (i == 0)
            first = now;
        p->bytes = (int64_t)(now.frames - now.written_back) * now.page;
        large &= p->bytes >= PINNED_LARGE && now.written_back == first.written_back && now.frames >= first.frames;
    }
    if (large)
        find_reader(fd, p);
    close(fd);
    return large;
}
