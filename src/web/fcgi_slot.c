/* SPDX-License-Identifier: MIT
 * fcgi_slot: one FastCGI request inside libfcgi. */
#include "fcgi_slot.h"

#include <fcgiapp.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { BODY_KEPT = 16384 /* bytes of a body buffer that outlive a request */ };

struct fcgi_slot {
    FCGX_Request fcgx;
    struct exchange exchange;
    struct buf body;
};

int fcgi_slot_setup(void)
{
    setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "100", 0);
    if (FCGX_Init() != 0)
        return -1;
    signal(SIGPIPE, SIG_IGN); /* libfcgi has put handlers of its own */
    return 0;
}

struct fcgi_slot *fcgi_slot_new(void)
{
    struct fcgi_slot *slot = calloc(1, sizeof *slot);
    if (slot && FCGX_InitRequest(&slot->fcgx, -1 /* it accepts no connection itself */, 0) != 0) {
        free(slot);
        return NULL;
    }
    return slot;
}

void fcgi_slot_free(struct fcgi_slot *slot)
{
    if (!slot)
        return;
    FCGX_Free(&slot->fcgx, slot->fcgx.ipcFd >= 0);
    buf_release(&slot->body);
    free(slot);
}

/* The variables of a request in one walk; of equal names the first counts, and an empty value is none. */
static void read_variables(const struct fcgi_slot *slot, struct request *q)
{
    static const char *const names[] = {"REQUEST_METHOD=", "HTTP_COMPLYCUBE_SIGNATURE=", "CONTENT_LENGTH=",
                                        "REMOTE_ADDR=", "REDIRECT_REQUEST_METHOD="};
    *q = (struct request){.end = REQUEST_WHOLE};
    struct span *const values[] = {&q->method, &q->signature, &q->content_length, &q->remote, &q->method_before};
    unsigned times[sizeof names / sizeof *names] = {0};
    for (char **p = slot->fcgx.envp; p && *p; p++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            size_t len = strlen(names[i]);
            if (**p == *names[i] && strncmp(*p, names[i], len) == 0 && times[i]++ == 0)
                *values[i] = (*p)[len] ? span_of(*p + len) : (struct span){0};
        }
    q->signature_twice = times[1] > 1; /* nginx passes a header that came twice as two variables */
}

static enum request_body read_fcgi_body(struct fcgi_slot *slot, size_t max)
{
    struct buf *body = &slot->body;
    enum request_body end = REQUEST_WHOLE;
    char rest[8192];
    buf_clear(body, BODY_KEPT);
    for (;;) {
        size_t room = end == REQUEST_WHOLE ? buf_room(body, sizeof rest, max + 1) : 0;
        int want = (int)(room < 65536 ? room : 65536);
        int n = room ? FCGX_GetStr(body->at + body->len, want, slot->fcgx.in)
                     : FCGX_GetStr(rest, sizeof rest, slot->fcgx.in);
        if (room)
            body->len += n > 0 ? (size_t)n : 0;
        if ((!room && n > 0) || body->len > max)
            end = REQUEST_TOO_LARGE;
        if (n < (room ? want : (int)sizeof rest)) /* FCGX_GetStr falls short at the end only */
            break;
    }
    return FCGX_GetError(slot->fcgx.in) ? REQUEST_CUT : end;
}

/* libfcgi has closed what it read from; the connection, where that is another, is left to us. */
static int give_up(int fd, int from)
{
    if (from != fd)
        close(fd);
    return -1;
}

int fcgi_slot_read(struct fcgi_slot *slot, int fd, int from, size_t max_body)
{
    struct request *q = &slot->exchange.request;
    slot->fcgx.ipcFd = from;
    slot->fcgx.keepConnection = 1; /* or FCGX_Accept_r would close it and accept another */
    FCGX_Detach(&slot->fcgx);      /* closing does not wait for the peer to close */
    if (FCGX_Accept_r(&slot->fcgx) != 0)
        return give_up(fd, from);
    read_variables(slot, q);
    q->end = read_fcgi_body(slot, max_body);
    q->body = (struct span){slot->body.at ? slot->body.at : "", slot->body.len};
    if (q->end == REQUEST_CUT) {
        FCGX_Detach(&slot->fcgx); /* nobody is there to answer */
        FCGX_Free(&slot->fcgx, 1);
        return give_up(fd, from);
    }
    if (from != fd) { /* read to its end: what is left is to answer */
        close(from);
        slot->fcgx.ipcFd = fd;
    }
    return 0;
}

struct exchange *fcgi_slot_exchange(struct fcgi_slot *slot) { return &slot->exchange; }

bool fcgi_slot_answer(struct fcgi_slot *slot, bool may_keep, bool to_stream)
{
    struct exchange *x = &slot->exchange;
    FCGX_Request *fcgx = &slot->fcgx;
    char out[REPLY_SIZE];
    size_t len = reply_write(&x->reply, span_equal(x->request.method, span_of("HEAD")), out);
    FCGX_PutStr(out, (int)len, fcgx->out);
    if (to_stream)
        FCGX_PutStr(x->line.text, (int)x->line.len, fcgx->err);
    if (!may_keep)
        fcgx->keepConnection = 0;
    FCGX_Detach(fcgx);
    FCGX_Finish_r(fcgx);
    bool kept = fcgx->ipcFd >= 0;
    fcgx->ipcFd = -1;
    return kept;
}
