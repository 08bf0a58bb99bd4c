/* SPDX-License-Identifier: MIT
 * web_fcgi: requests from a listening FastCGI socket. */
#include "web_fcgi.h"

#include "fcgi_helper.h"
#include "fcgi_record.h"
#include "fcgi_slot.h"
#include "web.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS = 512,
    BATCH_BYTES = 4 << 20, /* bodies in one batch, the helpers' aside */
    PEEK = 65536,          /* a larger request is never seen whole in the socket's buffer */
    HELP_BYTES = 16384,    /* one that is not whole by then goes to a helper: a writer that polls, as Apache does, */
    HELP_RECORDS = 16,     /* stops at a quarter of the buffer, and each record counts for more than its bytes */
    STALL_MS = 1500,       /* a writer of tiny pieces is blocked before either; two helpers see to such */
    STALLED_MAX = FCGI_HELPERS / 2,
    TICK_MS = 250,
    GRACE_MS = 500 /* after TERM, for requests that are on their way */
};

struct connection {
    enum { FREE, IDLE_KEPT, PARTIAL, READY, LARGE, HELPED } state;
    int fd;
    bool watched; /* in epoll, edge-triggered, once and for all */
    bool trailed, stalled;
    ssize_t seen; /* bytes that had arrived when last looked at, since ... */
    int64_t seen_ms, end_ms;
};

struct server {
    struct receiver *r;
    int listen_fd, epoll_fd, signal_fd, wake_fd;
    bool accepting, incoming, stopping, swept; /* swept: after TERM, no connection waits to be accepted */
    int64_t now_ms, tick_ms, stop_ms;          /* of web_clock_ms */
    size_t open, n_ready, next_ready, n_stalled;
    struct connection connection[CONNECTIONS], *ready[CONNECTIONS];
    struct fcgi_slot *slot[RECEIVE_BATCH_MAX];
    struct fcgi_helpers *helpers;
    char peek[PEEK];
};

/* One member of the batch at hand. */
struct member {
    struct connection *c;
    struct fcgi_slot *slot;
    int helper; /* -1: the main thread read it */
};

static size_t max_body(const struct server *s)
{
    return s->r->config->max_body ? s->r->config->max_body : WEB_BODY_MAX;
}

/* ---- connections ---- */

static void accept_more(struct server *s, bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = &s->listen_fd};
    if (s->accepting != on && epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, s->listen_fd, &event) == 0)
        s->accepting = on;
}

static void forget(struct server *s, struct connection *c)
{
    s->n_stalled -= c->stalled;
    c->state = FREE;
    c->stalled = false;
    s->open--;
    if (!s->stopping)
        accept_more(s, true);
}

static void cut(struct server *s, struct connection *c)
{
    close(c->fd);
    forget(s, c);
}

static void log_cut(struct server *s, const char *why)
{
    struct log_line line;
    const struct log_line *lines[] = {&line};
    log_begin(&line, web_time_ms(), LEVEL_WARNING, err_word(ERR_INCOMPLETE));
    log_text(&line, "msg", span_of(why));
    log_end(&line);
    log_write(&s->r->log, lines, 1);
}

static void watch(struct server *s, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (!c->watched && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
        cut(s, c);
    else
        c->watched = true;
}

static void make_ready(struct server *s, struct connection *c, bool trailed)
{
    c->state = READY;
    c->trailed = trailed;
    s->ready[s->n_ready++] = c;
}

static void help(struct server *s, struct connection *c)
{
    c->state = LARGE; /* until a helper is free */
    int flags = fcntl(c->fd, F_GETFL);
    fcntl(c->fd, F_SETFL, flags & ~O_NONBLOCK);
    if (fcgi_helpers_give(s->helpers, c->fd, max_body(s), c))
        c->state = HELPED;
    else
        fcntl(c->fd, F_SETFL, flags);
}

/* What has arrived on a connection that has no request at work? */
static void look(struct server *s, struct connection *c, bool ended)
{
    ssize_t n = recv(c->fd, s->peek, sizeof s->peek, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        cut(s, c);
        return;
    }
    if (n > 0 && c->state == IDLE_KEPT) {
        c->state = PARTIAL;
        c->end_ms = s->now_ms + WEB_DEADLINE_MS;
    }
    if (n != c->seen) {
        c->seen = n;
        c->seen_ms = s->now_ms;
    }
    struct fcgi_walk walk = fcgi_record_walk((struct span){s->peek, n > 0 ? (size_t)n : 0});
    if (walk.state == FCGI_WHOLE || walk.state == FCGI_TRAILED)
        make_ready(s, c, walk.state == FCGI_TRAILED);
    else if (walk.state == FCGI_ALIEN || ended)
        cut(s, c);
    else if (n >= HELP_BYTES || walk.records >= HELP_RECORDS)
        help(s, c);
    else
        watch(s, c);
}

/* An idle kept-alive connection makes room for a new one. */
static struct connection *find_room(struct server *s)
{
    struct connection *idle = NULL;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (s->connection[i].state == FREE)
            return &s->connection[i];
        if (s->connection[i].state == IDLE_KEPT)
            idle = &s->connection[i];
    }
    if (idle)
        cut(s, idle);
    return idle;
}

static void accept_waiting(struct server *s)
{
    while (s->n_ready < RECEIVE_BATCH_MAX) {
        struct connection *c = find_room(s);
        int fd = c ? accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
        if (fd < 0) {
            s->swept = s->stopping;
            if (!c || (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED))
                accept_more(s, false); /* until a connection ends or the next tick */
            return;
        }
        *c = (struct connection){.state = PARTIAL, .fd = fd, .end_ms = s->now_ms + WEB_DEADLINE_MS};
        s->open++;
        look(s, c, false);
    }
}

/* Nothing new has come for a while to a request that has begun: its writer may be blocked by a full buffer. */
static void help_stalled(struct server *s, struct connection *c)
{
    if (c->seen <= 0 || s->now_ms - c->seen_ms < STALL_MS || s->n_stalled == STALLED_MAX)
        return;
    help(s, c);
    c->stalled = c->state == HELPED;
    s->n_stalled += c->stalled;
}

static void cut_late(struct server *s, struct connection *c)
{
    log_cut(s, "a request was not whole at its deadline; its client was too slow");
    if (c->state != HELPED) {
        cut(s, c);
        return;
    }
    shutdown(c->fd, SHUT_RDWR); /* its helper returns */
    c->end_ms = INT64_MAX;
}

/* Cut what is late, and give what is large to a helper that has become free. */
static void tick(struct server *s)
{
    s->tick_ms = s->now_ms + TICK_MS;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &s->connection[i];
        bool late = s->now_ms >= c->end_ms || (s->stopping && s->now_ms - s->stop_ms >= GRACE_MS);
        if (c->state == LARGE && !late)
            look(s, c, false);
        else if (c->state == PARTIAL && !late)
            help_stalled(s, c);
        if (late && (c->state == PARTIAL || c->state == LARGE || c->state == HELPED))
            cut_late(s, c);
        if (s->stopping && c->state == IDLE_KEPT)
            cut(s, c);
    }
    if (!s->stopping)
        accept_more(s, true);
}

/* ---- a batch ---- */

static size_t gather(struct server *s, struct member *members)
{
    size_t n = 0, bytes = 0;
    unsigned which;
    void *tag;
    struct fcgi_slot *slot;
    while (n < FCGI_HELPERS && fcgi_helpers_take(s->helpers, &tag, &slot, &which)) {
        if (slot) {
            members[n++] = (struct member){tag, slot, (int)which};
        } else {
            cut(s, tag);
            fcgi_helpers_release(s->helpers, which, false);
        }
    }
    while (s->next_ready < s->n_ready && n < RECEIVE_BATCH_MAX && bytes < BATCH_BYTES) {
        struct connection *c = s->ready[s->next_ready++];
        if (fcgi_slot_read(s->slot[n], c->fd, max_body(s)) != 0) {
            forget(s, c); /* libfcgi has closed it */
            continue;
        }
        members[n] = (struct member){c, s->slot[n], -1};
        bytes += fcgi_slot_exchange(s->slot[n++])->request.body.len;
    }
    return n;
}

static void answer(struct server *s, const struct member *m)
{
    struct connection *c = m->c;
    const struct exchange *x = fcgi_slot_exchange(m->slot);
    if (m->helper >= 0)
        fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK); /* an answer never waits for its peer */
    bool to_stream = s->r->log.sink == LOG_AUTO && x->line.level != LEVEL_INFO;
    bool kept = fcgi_slot_answer(m->slot, !c->trailed && !s->stopping, to_stream);
    if (m->helper >= 0) {
        fcgi_helpers_release(s->helpers, (unsigned)m->helper, kept);
        s->tick_ms = 0; /* another large one may be waiting */
    }
    if (!kept) {
        if (m->helper >= 0)
            close(c->fd);
        forget(s, c);
        return;
    }
    s->n_stalled -= c->stalled;
    c->stalled = false;
    c->state = IDLE_KEPT;
    c->seen = 0;
    c->end_ms = INT64_MAX;
    look(s, c, false); /* more may have come, its edge gone by unseen */
}

static void log_batch(struct server *s, const struct member *members, size_t n)
{
    const struct log_line *lines[RECEIVE_BATCH_MAX];
    if (s->r->log.sink == LOG_AUTO)
        return; /* the web server logs them */
    for (size_t i = 0; i < n; i++)
        lines[i] = &fcgi_slot_exchange(members[i].slot)->line;
    log_write(&s->r->log, lines, n);
}

static void serve(struct server *s)
{
    struct member members[RECEIVE_BATCH_MAX];
    struct exchange *batch[RECEIVE_BATCH_MAX];
    size_t n = gather(s, members);
    s->n_ready -= s->next_ready; /* what did not fit comes first in the next batch */
    memmove(s->ready, s->ready + s->next_ready, s->n_ready * sizeof *s->ready);
    s->next_ready = 0;
    if (n == 0)
        return;
    int64_t time_ms = web_time_ms();
    receiver_refresh(s->r, time_ms, false);
    for (size_t i = 0; i < n; i++)
        batch[i] = fcgi_slot_exchange(members[i].slot);
    receive_batch(s->r, batch, n, time_ms);
    log_batch(s, members, n);
    for (size_t i = 0; i < n; i++)
        answer(s, &members[i]);
}

/* ---- running ---- */

static void on_signal(struct server *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            receiver_refresh(s->r, web_time_ms(), true);
        } else if (!s->stopping) {
            s->stopping = true; /* what has connected is accepted and answered still */
            s->stop_ms = s->now_ms;
            s->tick_ms = 0;
            accept_more(s, false);
        }
    }
}

static void on_event(struct server *s, const struct epoll_event *event)
{
    uint64_t count;
    struct connection *c = event->data.ptr;
    if (event->data.ptr == &s->listen_fd) {
        s->incoming = true; /* later: a new connection must not take the place of one with an event in this round */
    } else if (event->data.ptr == &s->signal_fd) {
        on_signal(s);
    } else if (event->data.ptr == &s->wake_fd) {
        if (read(s->wake_fd, &count, sizeof count) < 0)
            return;
    } else if (c->state == PARTIAL || c->state == LARGE || c->state == IDLE_KEPT) {
        look(s, c, event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    }
}

static void loop(struct server *s)
{
    struct epoll_event events[RECEIVE_BATCH_MAX];
    while (!s->stopping || !s->swept || s->open) {
        int wait_ms = s->n_ready ? 0 : s->stopping ? 20 : s->open || !s->accepting ? TICK_MS : -1;
        int n = epoll_wait(s->epoll_fd, events, RECEIVE_BATCH_MAX, wait_ms);
        s->now_ms = web_clock_ms();
        for (int i = 0; i < n; i++)
            on_event(s, &events[i]);
        if (s->incoming || (s->stopping && !s->swept))
            accept_waiting(s);
        s->incoming = false;
        serve(s);
        if (s->now_ms >= s->tick_ms)
            tick(s);
        if (s->stopping && s->now_ms - s->stop_ms >= GRACE_MS + TICK_MS)
            break;
    }
}

static int watch_forever(struct server *s, int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
    return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, *fd, &event);
}

static int set_up(struct server *s, struct err *e)
{
    sigset_t signals;
    sigemptyset(&signals);
    const int handled[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        sigaddset(&signals, handled[i]);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before any thread is there */
    fcntl(s->listen_fd, F_SETFL, fcntl(s->listen_fd, F_GETFL) | O_NONBLOCK);
    fcntl(s->listen_fd, F_SETFD, FD_CLOEXEC);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fcgi_slot_setup() != 0 || s->epoll_fd < 0 || watch_forever(s, &s->listen_fd) != 0 ||
        watch_forever(s, &s->signal_fd) != 0 || watch_forever(s, &s->wake_fd) != 0)
        return err_set(e, ERR_SYSTEM, "preparing to listen: %s", strerror(errno));
    for (size_t i = 0; i < RECEIVE_BATCH_MAX; i++)
        if (!(s->slot[i] = fcgi_slot_new()))
            return err_set(e, ERR_MEMORY, "preparing to listen: out of memory");
    s->accepting = true;
    return fcgi_helpers_start(&s->helpers, s->wake_fd, e);
}

static void clean_up(struct server *s)
{
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (s->connection[i].state != FREE)
            shutdown(s->connection[i].fd, SHUT_RDWR);
    fcgi_helpers_stop(s->helpers);
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (s->connection[i].state != FREE)
            close(s->connection[i].fd);
    for (size_t i = 0; i < RECEIVE_BATCH_MAX; i++)
        fcgi_slot_free(s->slot[i]);
    close(s->epoll_fd);
    close(s->signal_fd);
    close(s->wake_fd);
    free(s);
}

static void say(const struct receiver *r, const struct err *e)
{
    struct log_line line;
    const struct log_line *lines[] = {&line};
    log_error(&line, web_time_ms(), e);
    log_write(&r->log, lines, 1);
}

int web_fcgi(struct receiver *r, int listen_fd)
{
    struct err e = {0};
    struct server *s = calloc(1, sizeof *s);
    if (!s)
        return err_exit(ERR_MEMORY);
    s->r = r;
    s->listen_fd = listen_fd;
    int code = 0;
    if (set_up(s, &e) != 0) {
        say(r, &e);
        code = err_exit(e.code);
    } else {
        if (r->verifier && !receiver_store(r, &e)) /* said now, not at the first event; it is tried again */
            say(r, &e);
        loop(s);
    }
    clean_up(s);
    return code;
}
