/* SPDX-License-Identifier: MIT
 * fcgi_gather: a request that comes in pieces. */
#include "fcgi_gather.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEP = 4096, RECORD_MAX = 8 + 65535 + 255, TURN = 256 << 10 /* bytes */ };

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

/* Bytes that are taken; 0: none, and *stop says why. */
static size_t take_bytes(struct fcgi_gather *g, int fd, size_t limit, size_t most, enum fcgi_stop *stop)
{
    size_t room = buf_room(&g->bytes, STEP, most < limit ? most : limit);
    if (room == 0) {
        *stop = most < limit && g->bytes.len >= most ? FCGI_FULL : FCGI_LOST;
        return 0;
    }
    ssize_t n;
    do
        n = recv(fd, g->bytes.at + g->bytes.len, room, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    *stop = n < 0 && errno == EAGAIN ? FCGI_DRY : FCGI_LOST;
    return n > 0 ? (size_t)n : 0;
}

enum fcgi_stop fcgi_gather_read(struct fcgi_gather *g, int fd, size_t max_body, size_t most)
{
    size_t had = g->taken;
    while (g->walk.state == FCGI_PARTIAL) {
        enum fcgi_stop stop;
        if (g->taken - had >= TURN)
            return FCGI_TURN;
        size_t n = take_bytes(g, fd, fcgi_gather_limit(max_body), most, &stop);
        if (n == 0)
            return stop;
        size_t before = g->walk.at;
        bool too_long = g->walk.body > max_body;
        g->bytes.len += n;
        g->taken += n;
        fcgi_record_walk(&g->walk, (struct span){g->bytes.at, g->bytes.len});
        if (too_long && g->walk.state == FCGI_PARTIAL)
            drain_body(g, before);
    }
    return FCGI_DRY;
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
    *g = (struct fcgi_gather){0};
}
