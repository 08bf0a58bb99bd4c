/* SPDX-License-Identifier: MIT
 * fcgi_gather: a request that comes in pieces. */
#include "fcgi_gather.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEP = 4096, RECORD_MAX = 8 + 65535 + 255 };

size_t fcgi_gather_limit(size_t max_body)
{
    return FCGI_PARAMS_MAX + 2 * max_body +
           (size_t)2 * RECORD_MAX; /* twice: records may be small, and their headers count */
}

/* A body that is known to be too long: records that have been walked over since are dropped. */
static void drain_body(struct fcgi_gather *g, size_t before)
{
    memmove(g->bytes.at + before, g->bytes.at + g->walk.at, g->bytes.len - g->walk.at);
    g->bytes.len -= g->walk.at - before;
    g->walk.at = before;
}

static ssize_t take_bytes(struct fcgi_gather *g, int fd, size_t max_body, size_t room)
{
    size_t limit = fcgi_gather_limit(max_body), had = g->bytes.cap;
    if (limit > had + room)
        limit = had + room;
    size_t free_bytes = buf_room(&g->bytes, STEP, limit);
    if (free_bytes == 0) {
        errno = room ? ENOBUFS : EAGAIN;
        return -1;
    }
    return recv(fd, g->bytes.at + g->bytes.len, free_bytes, MSG_DONTWAIT);
}

int fcgi_gather_read(struct fcgi_gather *g, int fd, size_t max_body, size_t room)
{
    size_t had = g->bytes.cap;
    while (g->walk.state == FCGI_PARTIAL) {
        size_t grown = g->bytes.cap - had;
        ssize_t n = take_bytes(g, fd, max_body, room > grown ? room - grown : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        if (n == 0)
            return -1;
        size_t before = g->walk.at;
        bool too_long = g->walk.body > max_body;
        g->bytes.len += (size_t)n;
        fcgi_record_walk(&g->walk, (struct span){g->bytes.at, g->bytes.len});
        if (too_long && g->walk.state == FCGI_PARTIAL)
            drain_body(g, before);
    }
    return 0;
}

int fcgi_gather_file(const struct fcgi_gather *g, int memory)
{
    size_t done = 0;
    int fd = ftruncate(memory, 0) == 0 && lseek(memory, 0, SEEK_SET) == 0 ? dup(memory) : -1;
    while (fd >= 0 && done < g->bytes.len) {
        ssize_t n = pwrite(fd, g->bytes.at + done, g->bytes.len - done, (off_t)done);
        if (n < 0 && errno != EINTR) {
            close(fd);
            return -1;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return fd;
}

void fcgi_gather_release(struct fcgi_gather *g)
{
    buf_release(&g->bytes);
    g->walk = (struct fcgi_walk){0};
}
