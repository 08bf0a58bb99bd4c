/* SPDX-License-Identifier: MIT
 * fcgi: requests from a listening FastCGI socket. */
#include "fcgi.h"

#include "base/clock.h"
#include "base/kernel.h"
#include "fcgi_gather.h"
#include "fcgi_record.h"
#include "fcgi_slot.h"
#include "sandbox/sandbox.h"
#include "web.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS = 512,
    OTHER_FILES = 32,      /* descriptors for the store, the log and what is read again; not for connections */
    SLOW_MS = 1000,        /* where all places are taken, a request that is not whole by then makes room */
    BATCH_BYTES = 4 << 20, /* bodies in one batch */
    OWN_BYTES = 128 << 10, /* each connection may keep so much of its request, whatever the others do; */
    LARGE = 8,             /* so many requests at a time may be larger, and others wait in their sockets */
    PEEK = 65536,          /* a larger request is never seen whole in the socket's buffer */
    GATHER_BYTES = 16384,  /* one that is not whole by then is gathered: a writer that polls, as Apache does, */
    GATHER_RECORDS = 16,   /* stops at a quarter of the buffer, and each record counts for more than its bytes */
    TICK_MS = 250,         /* and one that does not move on for so long: its writer may be blocked before either */
    SLOW_TICKS = 2,        /* a large request that is slow for so many in a row makes way for another */
    SLOW_BYTES = OWN_BYTES * TICK_MS / WEB_DEADLINE_MS, /* slow: less in a tick, with which none is in time anyway */
    GRACE_MS = 500                                      /* after TERM, for requests that are on their way */
};

struct connection {
    enum { FREE, IDLE_KEPT, PARTIAL, GATHERING, READY } state;
    int fd;
    bool watched; /* in epoll, edge-triggered, once and for all */
    bool trailed;
    bool large;         /* one of LARGE */
    enum fcgi_stop why; /* of GATHERING: it is not read on now */
    unsigned slow;      /* ticks in a row */
    size_t seen;        /* bytes that had arrived at the latest tick */
    int64_t end_ms;
    struct fcgi_gather gather;
};

struct server {
    struct receiver *r;
    int listen_fd, epoll_fd, signal_fd, memory_fd;
    bool accepting, incoming, stopping, swept; /* swept: after TERM, no connection waits to be accepted */
    bool displaced;                            /* since the latest tick, for want of room */
    bool unread, waiting;             /* of connections: the turn of some is over; some wait to be one of LARGE */
    int64_t now_ms, tick_ms, stop_ms; /* of clock_ms */
    size_t places /* of connection[] */, open, n_ready, next_ready, n_large;
    struct connection connection[CONNECTIONS], *ready[CONNECTIONS];
    struct fcgi_slot *slot[RECEIVE_BATCH_MAX];
    char peek[PEEK];
    bool reached; /* what it needs, when it had just confined itself */
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

static void forget_gathered(struct server *s, struct connection *c)
{
    s->n_large -= c->large;
    c->large = false;
    c->slow = 0;
    fcgi_gather_release(&c->gather);
}

static void forget(struct server *s, struct connection *c)
{
    forget_gathered(s, c);
    c->state = FREE;
    s->open--;
    if (!s->stopping)
        accept_more(s, true);
}

static void cut(struct server *s, struct connection *c)
{
    close(c->fd);
    forget(s, c);
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

static void move_on(struct server *s, struct connection *c, enum fcgi_state state, bool ended)
{
    if (state == FCGI_WHOLE || state == FCGI_TRAILED)
        make_ready(s, c, state == FCGI_TRAILED);
    else if (state == FCGI_ALIEN || ended)
        cut(s, c);
    else
        watch(s, c);
}

/* Take over what has arrived, so that its writer can go on. */
static void gather_more(struct server *s, struct connection *c)
{
    c->why = fcgi_gather_read(&c->gather, c->fd, max_body(s), c->large ? SIZE_MAX : OWN_BYTES);
    c->state = c->gather.taken ? GATHERING : PARTIAL; /* of nothing all may yet be seen at once */
    s->unread |= c->why == FCGI_TURN;
    s->waiting |= c->why == FCGI_FULL;
    move_on(s, c, c->gather.walk.state, c->why == FCGI_LOST);
}

/* Let it be one of LARGE, if need be in the place of the slowest; false: none is slow. */
static bool make_large(struct server *s, struct connection *c)
{
    struct connection *slowest = NULL;
    for (size_t i = 0; s->n_large == LARGE && i < s->places; i++) {
        struct connection *other = &s->connection[i];
        if (other->state == GATHERING && other->large && other->slow >= SLOW_TICKS &&
            (!slowest || other->slow > slowest->slow))
            slowest = other;
    }
    if (slowest) {
        s->displaced = true;
        cut(s, slowest);
    }
    if (s->n_large == LARGE)
        return false;
    c->large = true;
    c->slow = 0; /* it has waited for us */
    s->n_large++;
    return true;
}

/* Of those that wait to be one of LARGE the one that came first. */
static struct connection *find_waiting(struct server *s)
{
    struct connection *first = NULL;
    for (size_t i = 0; i < s->places; i++) {
        struct connection *c = &s->connection[i];
        if (c->state == GATHERING && c->why == FCGI_FULL && (!first || c->end_ms < first->end_ms))
            first = c;
    }
    return first;
}

/* Go on with those whose turn is over, and with those that wait, as far as there are places. */
static void read_on(struct server *s)
{
    s->unread = false;
    for (size_t i = 0; i < s->places; i++)
        if (s->connection[i].state == GATHERING && s->connection[i].why == FCGI_TURN)
            gather_more(s, &s->connection[i]);
    while (s->waiting) {
        struct connection *c = find_waiting(s);
        s->waiting = c;
        if (!c || !make_large(s, c))
            return;
        gather_more(s, c);
    }
}

/* What has arrived on a connection that has no request at work? */
static void look_for_changes(struct server *s, struct connection *c, bool ended)
{
    if (c->state == GATHERING) {
        gather_more(s, c);
        return;
    }
    ssize_t n = recv(c->fd, s->peek, sizeof s->peek, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        cut(s, c);
        return;
    }
    if (n > 0 && c->state == IDLE_KEPT) {
        c->state = PARTIAL;
        c->end_ms = s->now_ms + WEB_DEADLINE_MS;
    }
    struct fcgi_walk walk = {0};
    fcgi_record_walk(&walk, (struct span){s->peek, n > 0 ? (size_t)n : 0});
    if (walk.state == FCGI_PARTIAL && (n >= GATHER_BYTES || walk.records >= GATHER_RECORDS))
        gather_more(s, c);
    else
        move_on(s, c, walk.state, ended);
}

/* One that has begun and has not moved on since the latest tick: its writer may be blocked by a full buffer. */
static void look_again_soon(struct server *s, struct connection *c)
{
    ssize_t n = c->state == PARTIAL ? recv(c->fd, s->peek, sizeof s->peek, MSG_PEEK | MSG_DONTWAIT) : 0;
    if (c->state == GATHERING || (n > 0 && (size_t)n == c->seen))
        gather_more(s, c);
    size_t arrived = c->state == GATHERING ? c->gather.taken : n > 0 ? (size_t)n : 0;
    c->slow = arrived < c->seen + SLOW_BYTES ? c->slow + 1 : 0;
    c->seen = arrived;
}

/* A free place, else that of an idle kept-alive connection, else of the slowest request. NULL: each may yet be whole. */
static struct connection *find_place(struct server *s)
{
    struct connection *idle = NULL, *slowest = NULL;
    for (size_t i = 0; i < s->places; i++) {
        struct connection *c = &s->connection[i];
        if (c->state == FREE)
            return c;
        if (c->state == IDLE_KEPT)
            idle = c;
        else if (c->state != READY && (!slowest || c->end_ms < slowest->end_ms))
            slowest = c;
    }
    bool slow = slowest && s->now_ms >= slowest->end_ms - WEB_DEADLINE_MS + SLOW_MS;
    return idle ? idle : slow ? slowest : NULL;
}

static void accept_waiting(struct server *s)
{
    for (size_t n = 0; n < CONNECTIONS && s->n_ready < RECEIVE_BATCH_MAX; n++) {
        struct connection *c = find_place(s);
        int fd = c ? accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
        if (fd < 0) {
            s->swept = s->stopping;
            if (!c || (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED))
                accept_more(s, false); /* until a connection ends or the next tick */
            return;
        }
        s->displaced |= c->state == PARTIAL || c->state == GATHERING;
        if (c->state != FREE)
            cut(s, c);
        *c = (struct connection){.state = PARTIAL, .fd = fd, .end_ms = s->now_ms + WEB_DEADLINE_MS};
        s->open++;
        look_for_changes(s, c, false);
    }
}

/* Cut what is late, help on what does not move, and write what was refused: at a time, however many there are. */
static void tick_receiver(struct server *s)
{
    s->tick_ms = s->now_ms + TICK_MS;
    receiver_count(s->r, clock_time_ms());
    if (s->n_ready == 0 && !s->stopping)
        receiver_unspool(s->r, clock_time_ms());
    if (s->displaced)
        receiver_note(s->r, clock_time_ms(), err_word(ERR_INCOMPLETE), "msg",
                      "requests that were not whole were cut, to make room for others");
    s->displaced = false;
    for (size_t i = 0; i < s->places; i++) {
        struct connection *c = &s->connection[i];
        bool late = s->now_ms >= c->end_ms || (s->stopping && s->now_ms - s->stop_ms >= GRACE_MS);
        if (s->stopping && c->state == IDLE_KEPT) {
            cut(s, c);
        } else if ((c->state == PARTIAL || c->state == GATHERING) && late) {
            receiver_note(s->r, clock_time_ms(), err_word(ERR_INCOMPLETE), "msg",
                          "a request was not whole at its deadline; its client was too slow");
            cut(s, c);
        } else if (c->state == PARTIAL || c->state == GATHERING) {
            look_again_soon(s, c);
        }
    }
    if (!s->stopping)
        accept_more(s, true);
}

/* ---- a batch ---- */

/* One member of the batch at hand. */
struct member {
    struct connection *c;
    struct fcgi_slot *slot;
};

static int read_request(struct server *s, struct connection *c, struct fcgi_slot *slot)
{
    int from = c->gather.bytes.len ? fcgi_gather_file(&c->gather, s->memory_fd) : c->fd;
    if (from < 0)
        close(c->fd);
    int failed = from < 0 ? -1 : fcgi_slot_read(slot, c->fd, from, max_body(s));
    forget_gathered(s, c);
    return failed;
}

static size_t collect_requests(struct server *s, struct member *members)
{
    size_t n = 0, bytes = 0;
    while (s->next_ready < s->n_ready && n < RECEIVE_BATCH_MAX && bytes < BATCH_BYTES) {
        struct connection *c = s->ready[s->next_ready++];
        if (read_request(s, c, s->slot[n]) != 0) {
            forget(s, c); /* it is closed */
            continue;
        }
        members[n] = (struct member){c, s->slot[n]};
        bytes += fcgi_slot_exchange(s->slot[n++])->request.body.len;
    }
    return n;
}

static void answer_batch(struct server *s, const struct member *m)
{
    struct connection *c = m->c;
    bool to_stream = s->r->log.sink == LOG_AUTO && fcgi_slot_exchange(m->slot)->line.len;
    if (!fcgi_slot_answer(m->slot, !c->trailed && !s->stopping, to_stream)) {
        forget(s, c);
        return;
    }
    c->state = IDLE_KEPT;
    c->seen = 0;
    c->end_ms = INT64_MAX;
    look_for_changes(s, c, false); /* more may have come, its edge gone by unseen */
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

static void confine_receiver(struct server *s)
{
    sandbox_confine(s->r->config, false);
    s->reached = sandbox_reaches(s->r->config, &(struct err){0}) == 0;
    sandbox_warn(&s->r->log, clock_time_ms());
}

static void stop(struct server *s)
{
    s->stopping = true; /* what has connected is accepted and answered still */
    s->stop_ms = s->now_ms, s->tick_ms = 0;
    accept_more(s, false);
}

static void serve(struct server *s)
{
    struct member members[RECEIVE_BATCH_MAX];
    struct exchange *batch[RECEIVE_BATCH_MAX];
    size_t n = collect_requests(s, members);
    s->n_ready -= s->next_ready; /* what did not fit comes first in the next batch */
    memmove(s->ready, s->ready + s->next_ready, s->n_ready * sizeof *s->ready);
    s->next_ready = 0;
    if (n == 0)
        return;
    int64_t time_ms = clock_time_ms();
    receiver_refresh(s->r, time_ms, false);
    if (!sandbox_is_done())
        confine_receiver(s);
    for (size_t i = 0; i < n; i++)
        batch[i] = fcgi_slot_exchange(members[i].slot);
    receive_batch(s->r, batch, n, time_ms);
    log_batch(s, members, n);
    for (size_t i = 0; i < n; i++)
        answer_batch(s, &members[i]);
    if (s->r->shut_out && s->reached && !s->stopping)
        stop(s); /* nothing else heals it; whoever started it starts it again */
}

/* ---- running ---- */

static void on_signal(struct server *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP)
            receiver_refresh(s->r, clock_time_ms(), true);
        else if (!s->stopping)
            stop(s);
    }
}

static void on_event(struct server *s, const struct epoll_event *event)
{
    struct connection *c = event->data.ptr;
    if (event->data.ptr == &s->listen_fd) {
        s->incoming = true; /* later: a new connection must not take the place of one with an event in this round */
    } else if (event->data.ptr == &s->signal_fd) {
        on_signal(s);
    } else if (c->state == PARTIAL || c->state == GATHERING || c->state == IDLE_KEPT) {
        look_for_changes(s, c, event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    }
}

static void loop(struct server *s)
{
    struct epoll_event events[RECEIVE_BATCH_MAX];
    while (!s->stopping || !s->swept || s->open) {
        bool ticks = s->open || !s->accepting || s->r->refusals.any || s->r->spool.waits;
        int wait_ms = s->n_ready || s->unread ? 0 : s->stopping ? 20 : ticks ? TICK_MS : -1;
        int n = epoll_wait(s->epoll_fd, events, RECEIVE_BATCH_MAX, wait_ms);
        s->now_ms = clock_ms();
        for (int i = 0; i < n; i++)
            on_event(s, &events[i]);
        if (s->incoming || (s->stopping && !s->swept))
            accept_waiting(s);
        s->incoming = false;
        if (s->unread || s->waiting)
            read_on(s);
        serve(s);
        if (s->now_ms >= s->tick_ms)
            tick_receiver(s);
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
    const int handled[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP, SIGXCPU};
    signal(SIGXCPU, SIG_DFL); /* an ignored one would not be seen */
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        sigaddset(&signals, handled[i]);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    fcntl(s->listen_fd, F_SETFL, fcntl(s->listen_fd, F_GETFL) | O_NONBLOCK);
    fcntl(s->listen_fd, F_SETFD, FD_CLOEXEC);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    s->memory_fd = kernel_memory_file();
    if (fcgi_slot_setup() != 0 || s->epoll_fd < 0 || s->memory_fd < 0 || watch_forever(s, &s->listen_fd) != 0 ||
        watch_forever(s, &s->signal_fd) != 0)
        return err_set(e, ERR_SYSTEM, "preparing to listen: %s", strerror(errno));
    for (size_t i = 0; i < RECEIVE_BATCH_MAX; i++)
        if (!(s->slot[i] = fcgi_slot_new()))
            return err_set(e, ERR_MEMORY, "preparing to listen: out of memory");
    s->places = web_places(CONNECTIONS, OTHER_FILES);
    s->accepting = true;
    return 0;
}

static void clean_up(struct server *s)
{
    for (size_t i = 0; i < s->places; i++)
        if (s->connection[i].state != FREE)
            cut(s, &s->connection[i]);
    for (size_t i = 0; i < RECEIVE_BATCH_MAX; i++)
        fcgi_slot_free(s->slot[i]);
    close(s->epoll_fd);
    close(s->signal_fd);
    close(s->memory_fd);
    free(s);
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
        code = err_exit(err_failure(&e));
        receiver_say(r, clock_time_ms(), &e);
    } else {
        if (r->verifier && !receiver_store(r, &e)) /* said now, not at the first event; it is tried again */
            receiver_say(r, clock_time_ms(), &e);
        log_prepare(); /* a changed configuration may want it */
        confine_receiver(s);
        loop(s);
        receiver_count(r, clock_time_ms());
    }
    clean_up(s);
    return code;
}
