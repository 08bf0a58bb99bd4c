/* SPDX-License-Identifier: MIT
 * page_gate: who may look. The first check that fails answers. */
#include "page_gate.h"

#include "base/text.h"

#include <stdio.h>
#include <sys/stat.h>

static const char to_add[] =
    "the web server has authenticated nobody: add AuthType Basic and Require valid-user (Apache), "
    "auth.require (lighttpd) or auth_basic with its fastcgi_param lines (nginx)";

int page_check(const struct config *c, struct err *e)
{
    const struct config_page *p = &c->page;
    if (p->users.n > CONFIG_USERS_MAX || p->payload.n > CONFIG_USERS_MAX)
        return err_set(e, ERR_CONFIG, "%s: page: more than %d users", c->path, CONFIG_USERS_MAX);
    for (size_t i = 0; i < p->users.n; i++)
        if (!*p->users.name[i])
            return err_set(e, ERR_CONFIG, "%s, line %d: a user of the page has an empty name", c->path,
                           p->users.line);
    for (size_t i = 0; i < p->payload.n; i++)
        if (!*p->payload.name[i] || strcmp(p->payload.name[i], "*") == 0)
            return err_set(e, ERR_CONFIG, "%s, line %d: payload names each user; \"*\" and \"\" are not accepted",
                           c->path, p->payload.line);
    if (p->payload.n && !*p->log)
        return err_set(e, ERR_CONFIG,
                       "%s, line %d: payload names users, and no log records what they look at; add log = \"...\"",
                       c->path, p->payload.line);
    return 0;
}

static bool lists_user(const struct config_users *users, struct span user)
{
    for (size_t i = 0; i < users->n && i < CONFIG_USERS_MAX; i++)
        if (span_equal(user, span_of(users->name[i])))
            return true;
    return false;
}

static bool is_user(const struct config *c, struct span user)
{
    return lists_user(&c->page.users, span_of("*")) || lists_user(&c->page.users, user);
}

bool page_gate_payload(const struct config *c, struct span user) { return lists_user(&c->page.payload, user); }

bool page_gate_private(const struct page_request *q)
{
    bool loopback =
        span_equal(q->remote, span_of("::1")) || (q->remote.len > 4 && memcmp(q->remote.at, "127.", 4) == 0);
    return loopback || span_equal(q->https, span_of("on")) || span_equal(q->https, span_of("1"));
}

static int refuse(struct page_answer *a, int status, const char *said)
{
    snprintf(a->said, sizeof a->said, "%s", said);
    return status;
}

static int check_configuration(const struct config *c, struct page_answer *a)
{
    struct err e;
    if (c->error.code != ERR_NONE)
        return refuse(a, 500, c->error.msg);
    if (c->page.users.n == 0)
        return refuse(a, 403, "closed: no users are named; name them in the block page of the configuration");
    return page_check(c, &e) == 0 ? 0 : refuse(a, 500, e.msg);
}

static int check_page_method(const struct page_request *q, struct page_answer *a)
{
    bool reads = span_equal(q->method, span_of("GET")) || span_equal(q->method, span_of("HEAD"));
    bool finds = span_equal(q->method, span_of("POST")) && span_equal(q->query, span_of("view=find"));
    if (reads || finds)
        return 0;
    a->allow = span_equal(q->query, span_of("view=find")) ? "GET, HEAD, POST" : "GET, HEAD";
    return refuse(a, 405, "a request by another method than GET");
}

static int check_user(const struct config *c, const struct page_request *q, struct page_answer *a)
{
    if (!q->auth_type.len || !q->user.len)
        return refuse(a, 403, to_add);
    if (q->user.len > PAGE_VALUE_MAX || text_hides(q->user))
        return refuse(a, 403, "closed: the user's name is too long, or holds what cannot be printed");
    return is_user(c, q->user) ? 0 : refuse(a, 403, "closed: a user who is not among those that are named");
}

int page_gate_token(const struct config *c, const struct page_request *q, struct page_answer *a)
{
    int status = check_configuration(c, a);
    return status ? status : check_page_method(q, a);
}

bool page_gate_has_token(const struct page_request *q, struct span token)
{
    const struct span said = q->authorization, word = span_of("Bearer ");
    unsigned different = 0;
    if (!token.len || said.len != word.len + token.len || memcmp(said.at, word.at, word.len) != 0)
        return false;
    for (size_t i = 0; i < token.len; i++)
        different |= (unsigned char)(said.at[word.len + i] ^ token.at[i]);
    return different == 0;
}

int page_token(const struct config *c, struct buf *out, struct err *e)
{
    struct stat st;
    const char *path = c->page.metrics;
    if (!*path || files_read_text(path, out, &st, e) != 0)
        return *path ? -1 : 0;
    while (out->len && (out->at[out->len - 1] == '\n' || out->at[out->len - 1] == ' '))
        out->len--;
    if (out->len >= PAGE_TOKEN_MIN && !(st.st_mode & (S_IROTH | S_IWOTH)))
        return 0;
    bool open = st.st_mode & (S_IROTH | S_IWOTH);
    buf_release(out);
    return err_set(e, ERR_CONFIG, "%s: %s", path,
                   open ? "others may read it; chmod o-rw it" : "a token has at least 32 characters");
}

int page_gate(const struct config *c, const struct page_request *q, struct page_answer *a)
{
    int status = check_configuration(c, a);
    if (!status)
        status = check_page_method(q, a);
    return status ? status : check_user(c, q, a);
}
