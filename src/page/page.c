/* SPDX-License-Identifier: MIT
 * page: a request, and the view that answers it. */
#include "page.h"

#include "health/metrics.h"
#include "page_gate.h"
#include "page_view.h"
#include "receiver/receiver.h"

#include <stdio.h>
#include <stdlib.h>

static const char policy[] = {
#include "policy.inc"
};

/* ---- answers without a view ---- */

static void write_plain(struct page_answer *a, int status, const char *text)
{
    a->status = status;
    a->type = "text/plain; charset=utf-8";
    html_release(&a->html);
    html_lit_(&a->html, text, strlen(text));
}

static const char *plain_of(int status)
{
    switch (status) {
    case 401: return "a token is needed\n";
    case 400: return "the address or the form asks for what this page does not know\n";
    case 403: return "closed\n";
    case 404: return "there is no such page\n";
    case 405: return "this page is for reading\n";
    default: return "closed: the configuration is to be corrected; see complycube-page -n\n";
    }
}

/* ---- views ---- */

static const struct view {
    const char *name;
    void (*write)(struct page_view *v);
    bool opens; /* it opens the store itself */
    bool seq;   /* it is of an event, whose number must be given */
} views[] = {
    {"", page_glance, true, false},          {"events", page_list, false, false},
    {"event", page_event, false, true},      {"contents", page_contents, false, false},
    {"client", page_client, false, true},    {"resource", page_resource, false, true},
    {"find", page_find, false, false},       {"quarantine", page_quarantine, false, false},
    {"refused", page_refused, true, false},  {"keys", page_keys, false, false},
    {"history", page_history, false, false},
};

static const struct view *view_named(const char *name)
{
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        if (strcmp(name, views[i].name) == 0)
            return &views[i];
    return NULL;
}

void page_open(struct page_view *v)
{
    struct store_options o;
    if (receiver_store_options(v->config, true, &o, &v->why) != 0)
        return;
    o.create = false;
    o.read_only = true;
    o.deadline_ms = PAGE_DEADLINE_MS;
    o.limit_ms = 0;
    o.wait_ms = PAGE_DEADLINE_MS / 2;
    if (store_open(&v->store, &o, &v->why) != 0)
        v->store = NULL;
}

static void write_unopened(struct page_view *v)
{
    page_begin(v, "The inbox cannot be read", "The inbox cannot be read");
    if (v->why.code == ERR_NOT_FOUND)
        html_lit(v->h, "<p>There is no database yet: it is made when the first event arrives.</p>\n");
    else
        page_failed(v, &v->why);
    page_end(v);
}

static void write_view(struct page_view *v, const struct view *view)
{
    if (!view->opens)
        page_open(v);
    if (view->opens || v->store)
        view->write(v);
    else
        write_unopened(v);
    store_close(v->store);
}

/* ---- together ---- */

/* The form of find comes as a body, so that no id of a person stands in a log of addresses. */
static int read_query(const struct page_request *q, struct page_query *query)
{
    bool post = span_equal(q->method, span_of("POST"));
    if (page_query_read(query, post ? q->body : q->query) != 0 || (post && *query->view))
        return -1;
    if (post)
        memcpy(query->view, "find", sizeof "find");
    return 0;
}

static void answer_view(const struct config *c, const struct page_request *q, int64_t now_ms, struct page_answer *a)
{
    struct page_query query;
    const struct view *view = NULL;
    bool known = read_query(q, &query) == 0;
    if (known)
        view = view_named(query.view);
    if (!view || (view->seq && !query.seq)) {
        write_plain(a, known && !view ? 404 : 400, plain_of(known && !view ? 404 : 400));
        return;
    }
    struct page_view v = {.config = c,
                          .request = q,
                          .query = &query,
                          .h = &a->html,
                          .now_ms = now_ms,
                          .may_payload = page_gate_payload(c, q->user),
                          .status = 200};
    write_view(&v, view);
    a->status = v.status;
    if (a->html.failed)
        write_plain(a, 503, "the page is too long, or memory is out\n");
}

/* As complycube-inbox metrics writes them. */
static void answer_metrics(const struct config *c, int64_t now_ms, struct page_answer *a)
{
    struct page_view v = {.config = c, .now_ms = now_ms};
    struct figures *figures = calloc(1, sizeof *figures);
    struct alarm *alarm = calloc(1, sizeof *alarm);
    struct err e;
    bool late = false;
    if (figures && alarm) {
        figures_begin(figures, c, NULL, now_ms);
        page_open(&v);
        figures_read(figures, c, v.store, &v.why);
        alarm_judge(alarm, figures, c, &ALARM_LIMITS);
        late = figures_late(figures);
        store_close(v.store);
    }
    a->status = 200;
    a->type = METRICS_CONTENT_TYPE;
    if (late)
        write_plain(a, 503, "there is too much to count in two seconds; complycube-inbox metrics counts all of it\n");
    else if (!figures || !alarm || metrics_write(figures, alarm, &a->html.out, &e) != 0)
        write_plain(a, 503, "memory is out\n");
    free(figures);
    free(alarm);
}

void page_answer(const struct config *c, struct span token, const struct page_request *q, int64_t now_ms,
                 struct page_answer *a)
{
    *a = (struct page_answer){.type = "text/html; charset=utf-8"};
    bool metrics = span_equal(q->path, span_of("/metrics"));
    int status = metrics && page_gate_has_token(q, token) ? page_gate_token(c, q, a) : page_gate(c, q, a);
    a->bearer = metrics && token.len && status == 403;
    if (a->bearer)
        status = 401;
    if (metrics && !status)
        answer_metrics(c, now_ms, a);
    else if (status)
        write_plain(a, status, plain_of(status));
    else if (q->path.len && !span_equal(q->path, span_of("/")))
        write_plain(a, 404, plain_of(404));
    else
        answer_view(c, q, now_ms, a);
}

void page_answer_release(struct page_answer *a) { html_release(&a->html); }

static const char *phrase(int status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 500: return "Internal Server Error";
    default: return "Service Unavailable";
    }
}

size_t page_head(const struct page_answer *a, char out[PAGE_HEAD_MAX])
{
    int n = snprintf(out, PAGE_HEAD_MAX,
                     "Status: %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s%s%s"
                     "Content-Security-Policy: %.*s\r\n"
                     "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
                     "X-Robots-Tag: noindex, nofollow\r\nX-Frame-Options: DENY\r\n"
                     "Cross-Origin-Resource-Policy: same-origin\r\n\r\n",
                     a->status, phrase(a->status), a->type, a->html.out.len, a->allow ? "Allow: " : "",
                     a->allow ? a->allow : "", a->allow ? "\r\n" : "",
                     a->bearer ? "WWW-Authenticate: Bearer\r\n" : "", (int)sizeof policy, policy);
    return n > 0 && n < PAGE_HEAD_MAX ? (size_t)n : 0;
}
