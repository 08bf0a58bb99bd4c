/* SPDX-License-Identifier: MIT
 * fuzz: a request in pieces over a socket, with little room at times, is gathered to what was sent; too long a body is
 * drained to a request that is too long still. */
#include "web/fcgi_gather.h"
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_BODY = 200, LITTLE = 4096 };

static bool complete(enum fcgi_state state) { return state == FCGI_WHOLE || state == FCGI_TRAILED; }

/* The file made of it holds the same bytes, from its beginning. */
static void check_file(const struct fcgi_gather *g, int memory)
{
    char *text = malloc(g->bytes.len + 1);
    int fd = fcgi_gather_file(g, memory);
    FUZZ_CHECK(text && fd >= 0);
    FUZZ_CHECK(read(fd, text, g->bytes.len + 1) == (ssize_t)g->bytes.len);
    FUZZ_CHECK(memcmp(text, g->bytes.at, g->bytes.len) == 0);
    close(fd);
    free(text);
    int sealed = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING); /* one that cannot be written is told */
    FUZZ_CHECK(sealed >= 0 && fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE) == 0 && fcgi_gather_file(g, sealed) < 0);
    close(sealed);
}

static void check(const struct fcgi_gather *g, struct span sent, int memory)
{
    struct fcgi_walk once = {0}, again = {0};
    fcgi_record_walk(&once, sent);
    FUZZ_CHECK(g->walk.state == once.state || (complete(g->walk.state) && complete(once.state)));
    FUZZ_CHECK(g->bytes.cap <= fcgi_gather_limit(MAX_BODY));
    if (!complete(once.state))
        return;
    FUZZ_CHECK(g->walk.body == once.body);
    fcgi_record_walk(&again, (struct span){g->bytes.at, g->bytes.len});
    FUZZ_CHECK(again.state == g->walk.state && (again.body > MAX_BODY) == (once.body > MAX_BODY));
    if (once.body <= MAX_BODY)
        FUZZ_CHECK(g->walk.at == once.at && g->bytes.len <= sent.len &&
                   memcmp(g->bytes.at, sent.at, g->bytes.len) == 0);
    check_file(g, memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int memory = -1;
    struct span rest = {(const char *)data, size};
    struct fcgi_gather g = {0};
    enum fcgi_stop why = FCGI_DRY;
    int pair[2];
    if (memory < 0)
        memory = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(memory >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    unsigned step = 1 + fuzz_byte(&rest) * 16, growth = fuzz_byte(&rest);
    struct span sent = rest;
    while (rest.len && why != FCGI_LOST && g.walk.state == FCGI_PARTIAL) {
        struct span piece = fuzz_take(&rest, step);
        while (piece.len && why != FCGI_LOST) {
            ssize_t n = send(pair[1], piece.at, piece.len, MSG_DONTWAIT);
            FUZZ_CHECK(n > 0 || errno == EAGAIN);
            if (n > 0)
                fuzz_take(&piece, (size_t)n);
            else /* the socket is full of what was left behind */
                why = fcgi_gather_read(&g, pair[0], MAX_BODY, SIZE_MAX);
        }
        if (why != FCGI_LOST) /* with little room some stays behind */
            why = fcgi_gather_read(&g, pair[0], MAX_BODY, growth & 1 ? SIZE_MAX : LITTLE);
        growth = growth >> 1 | (growth & 1) << 7;
    }
    FUZZ_CHECK(why != FCGI_LOST);
    if (g.walk.state == FCGI_PARTIAL) {
        shutdown(pair[1], SHUT_WR);
        why = fcgi_gather_read(&g, pair[0], MAX_BODY, SIZE_MAX);
        FUZZ_CHECK((why != FCGI_LOST) == (g.walk.state != FCGI_PARTIAL));
    }
    close(pair[0]);
    close(pair[1]);
    check(&g, (struct span){sent.at, sent.len - rest.len}, memory);
    fcgi_gather_release(&g);
    FUZZ_CHECK(!g.bytes.at && g.walk.at == 0);
    return 0;
}
