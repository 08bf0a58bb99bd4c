/* SPDX-License-Identifier: MIT
 * cgi: one request from the environment and standard input. */
#include "cgi.h"

#include "base/clock.h"
#include "base/files.h"
#include "receiver/receive.h"
#include "sandbox/sandbox.h"
#include "web.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct span variable(const char *name)
{
    struct span value = span_of(getenv(name));
    return value.len ? value : (struct span){0};
}

/* After how many bytes may the body be at its end, though no end of file comes? UINT64_MAX: that cannot be known. */
static uint64_t bytes_expected(const struct request *q)
{
    uint64_t said = 0;
    bool known = request_length(q, &said), post = span_equal(q->method, span_of("POST"));
    if (post) /* some servers say 0 of a body whose length they do not know */
        return known && said > 0 ? said : UINT64_MAX;
    return known ? said : 0;
}

/*
 * Read the body to its end, whatever CONTENT_LENGTH says, keeping at most max bytes; what is above is drained,
 * since mod_cgid loses the answer of a program that leaves input unread. A server that keeps standard input open
 * is waited for AT_END_MS only, once it has sent as many bytes as it said.
 * source: RFC 3875, section 4.2: a server need not signal an end of file
 */
static enum request_body read_cgi_body(const struct request *q, struct buf *body, size_t max)
{
    enum { AT_END_MS = 100 };
    static char rest[65536];
    const uint64_t expected = bytes_expected(q);
    int64_t end_ms = clock_ms() + WEB_DEADLINE_MS;
    uint64_t got = 0;
    enum request_body whole = REQUEST_WHOLE;
    for (;;) {
        struct pollfd p = {STDIN_FILENO, POLLIN, 0};
        int64_t left_ms = end_ms - clock_ms();
        int wait_ms = got == expected && left_ms > AT_END_MS ? AT_END_MS : (int)left_ms;
        if (left_ms <= 0 || (poll(&p, 1, wait_ms) == 0))
            return got == expected ? whole : REQUEST_CUT;
        size_t room = whole == REQUEST_WHOLE ? buf_room(body, 16384, max + 1) : 0;
        ssize_t n = room ? read(STDIN_FILENO, body->at + body->len, room) : read(STDIN_FILENO, rest, sizeof rest);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return REQUEST_CUT;
        if (n == 0)
            return whole;
        got += (uint64_t)n;
        if (room)
            body->len += (size_t)n;
        if (!room || body->len > max)
            whole = REQUEST_TOO_LARGE;
    }
}

/* A restart of the web server must not end us between commit and answer. */
static void ignore_signals(void)
{
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

int web_cgi(struct receiver *r)
{
    static struct exchange x;
    struct exchange *batch[] = {&x};
    struct buf body = {0};
    char out[REPLY_SIZE];
    ignore_signals();
    sandbox_confine(r->config, true);
    struct request *q = &x.request;
    q->method = variable("REQUEST_METHOD");
    q->method_before = variable("REDIRECT_REQUEST_METHOD");
    q->signature = variable("HTTP_COMPLYCUBE_SIGNATURE");
    q->content_length = variable("CONTENT_LENGTH");
    q->remote = variable("REMOTE_ADDR");
    q->end = read_cgi_body(q, &body, r->config->max_body ? r->config->max_body : WEB_BODY_MAX);
    q->body = (struct span){body.at ? body.at : "", body.len};
    receive_batch(r, batch, 1, clock_time_ms());
    size_t len = reply_write(&x.reply, span_equal(q->method, span_of("HEAD")), out);
    const struct log_line *lines[] = {&x.line};
    log_write(&r->log, lines, 1);
    receiver_count(r, clock_time_ms());
    store_close(r->store); /* the log is written back before the answer: nothing is left to do after it */
    r->store = NULL;
    int failed = files_write_all(STDOUT_FILENO, (struct span){out, len});
    buf_release(&body);
    return failed ? 1 : 0;
}
