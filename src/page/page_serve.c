/* SPDX-License-Identifier: MIT
 * page_serve: how a request for the page comes and its answer goes. */
#include "page_serve.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/print.h"
#include "page.h"
#include "sandbox/sandbox.h"
#include "web/exposure.h"
#include "web/fcgi_gather.h"
#include "web/fcgi_record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUESTS = 500, IDLE_MS = 600000, DEADLINE_MS = 10000, KEPT = PAGE_QUERY_MAX + 1, RECORD_MAX = 65528 };

/* ---- both ---- */

/* The sandbox of a CGI has a rule for this file alone, so it must exist. page_log_write reports a fault. */
static void make_log(const char *path)
{
    struct log log;
    struct err e;
    if (log_open(&log, path, &e) == 0)
        log_close(&log);
}

/* The receiver's sandbox, with what the page needs: the database's folder, its own log, this configuration. */
static void confine_page(const struct config *c, bool brief)
{
    struct config mine = *c;
    tzset(); /* reads the time zone */
    if (c->page.payload.n && *c->page.log)
        make_log(c->page.log);
    mine.n_endpoints = 0;
    mine.log = *c->page.log ? c->page.log : "stderr";
    sandbox_confine(&mine, brief);
}

static void say_refused(const struct page_answer *a)
{
    if (*a->said)
        print_err("complycube-page: %s\n", a->said);
}

struct token {
    struct buf text; /* empty: no token */
    struct files_stamp print;
};

/* A fault in it closes /metrics to all but users. */
static void take_token(const struct config *c, struct token *t)
{
    struct err e;
    t->print = files_look(c->page.metrics);
    if (c->error.code == ERR_NONE && page_token(c, &t->text, &e) != 0)
        print_err("complycube-page: %s\n", e.msg);
}

static bool token_changed(const struct config *c, const struct token *t)
{
    struct files_stamp now = files_look(c->page.metrics);
    return !files_print_equal(&now, &t->print);
}

/* What a confined process may open was decided by these. */
static bool same_files(const struct config *a, const struct config *b)
{
    return strcmp(a->database, b->database) == 0 && strcmp(a->directory, b->directory) == 0 &&
           strcmp(a->spool, b->spool) == 0 && strcmp(a->page.log, b->page.log) == 0 &&
           strcmp(a->page.metrics, b->page.metrics) == 0;
}

/*
 * Before each request: does this process know the files as they are now? It takes up a changed configuration. If that names
 * other files, is broken, or if the token changed, only a new process can: then false.
 */
static bool is_up_to_date(const struct config_env *env, struct config **c, const struct token *t)
{
    if (token_changed(*c, t))
        return false;
    if (!config_changed(*c, clock_time_ms()))
        return true;
    struct config *next = config_load(env, clock_time_ms());
    if (!next || next->error.code != ERR_NONE || !same_files(*c, next)) {
        config_free(next);
        return false;
    }
    config_free(*c);
    *c = next;
    return true;
}

/* ---- CGI ---- */

/* To its end, keeping at most KEPT bytes: mod_cgid loses the answer of a program that leaves input unread. */
static void read_input(struct buf *body)
{
    char rest[8192];
    int64_t end_ms = clock_ms() + DEADLINE_MS;
    const char *said = getenv("CONTENT_LENGTH");
    unsigned long long expected = said ? strtoull(said, NULL, 10) : 0, got = 0;
    while (clock_ms() < end_ms && got < expected) {
        struct pollfd p = {STDIN_FILENO, POLLIN, 0};
        ssize_t n = poll(&p, 1, (int)(end_ms - clock_ms())) > 0 ? read(STDIN_FILENO, rest, sizeof rest) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        got += (unsigned long long)n;
        size_t room = buf_room(body, (size_t)n, KEPT);
        size_t kept = room < (size_t)n ? room : (size_t)n;
        if (kept)
            memcpy(body->at + body->len, rest, kept);
        body->len += kept;
    }
}

int page_serve_cgi(const struct config_env *env)
{
    struct page_request q = {.method = {0}};
    struct page_answer a;
    struct buf body = {0};
    struct token token = {0};
    char head[PAGE_HEAD_MAX];
    signal(SIGPIPE, SIG_IGN);
    struct config *c = config_load(env, clock_time_ms());
    if (!c)
        return err_exit(ERR_MEMORY);
    take_token(c, &token);
    confine_page(c, true);
    for (size_t i = 0; i < PAGE_REQUEST_VARIABLES; i++)
        *page_request_variable(&q, i) = span_of(getenv(page_request_names[i]));
    read_input(&body);
    q.body = (struct span){body.at, body.len};
    page_answer(c, (struct span){token.text.at, token.text.len}, &q, clock_time_ms(), &a);
    say_refused(&a);
    bool bare = span_equal(q.method, span_of("HEAD"));
    size_t len = page_head(&a, head);
    int failed = files_write_all(STDOUT_FILENO, (struct span){head, len}) != 0 ||
                 (!bare && files_write_all(STDOUT_FILENO, (struct span){a.html.out.at, a.html.out.len}) != 0);
    page_answer_release(&a);
    buf_release(&body);
    buf_release(&token.text);
    config_free(c);
    return failed;
}

/* ---- FastCGI ---- */

struct asked {
    struct fcgi_gather gather;
    struct buf params, body;
    struct page_request request;
};

static void release_asked(struct asked *r)
{
    fcgi_gather_release(&r->gather);
    buf_release(&r->params);
    buf_release(&r->body);
}

/* Whole and checked, or -1. */
static int gather_request(struct asked *r, int fd)
{
    int64_t end_ms = clock_ms() + DEADLINE_MS;
    while (r->gather.walk.state == FCGI_PARTIAL) {
        struct pollfd p = {fd, POLLIN, 0};
        int64_t left_ms = end_ms - clock_ms();
        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0 ||
            fcgi_gather_read(&r->gather, fd, KEPT, SIZE_MAX) == FCGI_LOST)
            break;
    }
    return r->gather.walk.state == FCGI_WHOLE ? 0 : -1;
}

/* Of equal names the first counts: a server writes its own before those that it makes of headers. */
static int take_variables(struct asked *r)
{
    struct span arrived = {r->gather.bytes.at, r->gather.bytes.len}, params, name, value;
    if (fcgi_record_content(arrived, FCGI_RECORD_PARAMS, FCGI_PARAMS_MAX, &r->params) != 0 ||
        fcgi_record_content(arrived, FCGI_RECORD_STDIN, KEPT, &r->body) != 0)
        return -1;
    params = (struct span){r->params.at, r->params.len};
    while (fcgi_record_variable(&params, &name, &value))
        for (size_t i = 0; i < PAGE_REQUEST_VARIABLES; i++)
            if (span_equal(name, span_of(page_request_names[i])) && !page_request_variable(&r->request, i)->at)
                *page_request_variable(&r->request, i) = value;
    r->request.body = (struct span){r->body.at, r->body.len};
    return 0;
}

static int write_stdout(int fd, unsigned id, struct span bytes)
{
    char header[FCGI_RECORD_HEADER];
    while (bytes.len) {
        size_t n = bytes.len < RECORD_MAX ? bytes.len : RECORD_MAX;
        fcgi_record_head(header, FCGI_RECORD_STDOUT, id, n);
        if (files_write_all(fd, (struct span){header, sizeof header}) != 0 ||
            files_write_all(fd, (struct span){bytes.at, n}) != 0)
            return -1;
        bytes = (struct span){bytes.at + n, bytes.len - n};
    }
    return 0;
}

static void write_answer(int fd, const struct asked *r, const struct page_answer *a)
{
    static const char end[8];
    char head[PAGE_HEAD_MAX], header[FCGI_RECORD_HEADER];
    unsigned id = r->gather.walk.id;
    size_t len = page_head(a, head);
    bool bare = span_equal(r->request.method, span_of("HEAD"));
    if (write_stdout(fd, id, (struct span){head, len}) != 0 ||
        (!bare && write_stdout(fd, id, (struct span){a->html.out.at, a->html.out.len}) != 0))
        return;
    fcgi_record_head(header, FCGI_RECORD_STDOUT, id, 0);
    if (files_write_all(fd, (struct span){header, sizeof header}) != 0)
        return;
    fcgi_record_head(header, FCGI_RECORD_END, id, sizeof end);
    if (files_write_all(fd, (struct span){header, sizeof header}) == 0)
        files_write_all(fd, (struct span){end, sizeof end});
}

static void answer_connection(const struct config *c, const struct token *token, int fd)
{
    struct asked r = {.request = {.method = {0}}};
    struct page_answer a;
    const struct timeval patience = {DEADLINE_MS / 1000, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (gather_request(&r, fd) == 0 && take_variables(&r) == 0) {
        page_answer(c, (struct span){token->text.at, token->text.len}, &r.request, clock_time_ms(), &a);
        say_refused(&a);
        write_answer(fd, &r, &a);
        page_answer_release(&a);
    }
    release_asked(&r);
}

static void accept_requests(const struct config_env *env, struct config **c, const struct token *token, int listen_fd)
{
    for (int n = 0; n < REQUESTS && is_up_to_date(env, c, token); n++) {
        struct pollfd p = {listen_fd, POLLIN, 0};
        if (poll(&p, 1, IDLE_MS) <= 0 || !is_up_to_date(env, c, token))
            return; /* what has connected by now is left to the next process */
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        answer_connection(*c, token, fd);
        close(fd);
    }
}

int page_serve_fcgi(const struct config_env *env, int listen_fd)
{
    char name[160];
    enum exposure reach = exposure_socket(listen_fd, name, sizeof name);
    if (reach != EXPOSURE_NARROW) {
        print_err(
            "complycube-page: %s can connect to %s, and claim to be any user of the page; use a unix socket of mode "
            "0660 that belongs to the web server's user\n",
            exposure_who(reach), name);
        return err_exit(ERR_CONFIG);
    }
    signal(SIGPIPE, SIG_IGN);
    struct config *c = config_load(env, clock_time_ms());
    if (!c)
        return err_exit(ERR_MEMORY);
    struct token token = {0};
    take_token(c, &token);
    confine_page(c, false);
    accept_requests(env, &c, &token, listen_fd);
    buf_release(&token.text);
    config_free(c);
    return 0;
}
