/* SPDX-License-Identifier: MIT
 * page_client: all about one client: what there is of it, how each stands, and when what happened. */
#include "page_view.h"

#include "chart.h"
#include "words.h"

#include <stdlib.h>

#define YEAR_10000_MS INT64_C(253402300800000)
enum { EVENTS_MAX = CHART_DOTS, THINGS_MAX = 100 };

/* One resource of the client. */
struct thing {
    struct span type, id;
    const struct store_event *latest; /* the newest that tells its state, else the newest */
    int64_t n;
};

struct client {
    struct page_events events; /* the newest first */
    struct thing thing[THINGS_MAX];
    size_t n_things;
    bool more_things; /* there were more */
    struct chart_dot dot[EVENTS_MAX];
    int64_t all; /* events, of which the newest are in `events` */
};

/* ---- reading ---- */

static bool ends_in(struct span text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len && memcmp(text.at + text.len - len, end, len) == 0;
}

/* As the view resource_state has it: a status or a deletion, or any of what has no status. */
static bool tells_state(const struct store_event *e)
{
    bool has_states = span_equal(e->resource_type, span_of("check")) ||
                      (e->type.len > 17 && memcmp(e->type.at, "workflow.session.", 17) == 0);
    return e->status.len || ends_in(e->type, ".deleted") || !has_states;
}

static bool tells_later(const struct store_event *a, const struct store_event *b)
{
    return a->created_ms > b->created_ms || (a->created_ms == b->created_ms && a->seq > b->seq);
}

static struct thing *thing_of(struct client *c, const struct store_event *e)
{
    for (size_t i = 0; i < c->n_things; i++)
        if (span_equal(c->thing[i].id, e->resource_id) && span_equal(c->thing[i].type, e->resource_type))
            return &c->thing[i];
    if (c->n_things == THINGS_MAX || !e->resource_id.len)
        return NULL;
    struct thing *t = &c->thing[c->n_things++];
    *t = (struct thing){.type = e->resource_type, .id = e->resource_id, .latest = e};
    return t;
}

static void sort_out(struct client *c)
{
    for (size_t i = 0; i < c->events.n; i++) {
        const struct store_event *e = &c->events.list[i].event;
        struct thing *t = thing_of(c, e);
        if (!t) {
            c->more_things |= e->resource_id.len > 0;
            continue;
        }
        t->n++;
        bool better = tells_state(e) && (!tells_state(t->latest) || tells_later(e, t->latest));
        t->latest = better ? e : t->latest;
    }
}

static int compare_received(const void *a, const void *b)
{
    int64_t x = ((const struct page_event_copy *)a)->event.created_ms,
            y = ((const struct page_event_copy *)b)->event.created_ms;
    return (x < y) - (x > y);
}

static int read_events_of_client(struct page_view *v, struct client *c, const char *client, const char *endpoint,
                                 struct err *e)
{
    struct store_query q = {.state = -1, .limit = -1, .client_id = client, .endpoint = endpoint};
    int64_t *seqs, from;
    int more = 1;
    c->all = store_select(v->store, STORE_OF_CLIENT, &q, &seqs, e);
    if (c->all < 0)
        return -1;
    from = c->all > EVENTS_MAX ? c->all - EVENTS_MAX : 0;
    c->events.left = EVENTS_MAX;
    struct store_query these = {.state = -1, .limit = -1, .seqs = seqs ? seqs + from : NULL, .n_seqs = c->all - from};
    while (c->all && more > 0)
        more = store_read(v->store, &these, page_events_add, &c->events, e);
    free(seqs);
    if (c->events.n)
        qsort(c->events.list, c->events.n, sizeof *c->events.list, compare_received);
    sort_out(c);
    return c->all && more < 0 ? -1 : 0;
}

/* ---- writing ---- */

static void write_newest_only(struct page_view *v, const struct client *c)
{
    if (c->all <= EVENTS_MAX)
        return;
    html_lit(v->h, "<p>There are ");
    html_number(v->h, c->all);
    html_lit(v->h, " events of this client. This page shows what the newest 500 say.</p>\n");
}

static void write_things(struct page_view *v, const struct client *c)
{
    struct html *h = v->h;
    html_lit(h,
             "<h2>How it stands</h2>\n<table class=\"stack\"><caption>The latest state of each</caption><thead><tr>"
             "<th scope=\"col\">What</th><th scope=\"col\">Result</th><th scope=\"col\">Latest event</th>"
             "<th scope=\"col\">When</th><th scope=\"col\">Id</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < c->n_things; i++) {
        const struct thing *t = &c->thing[i];
        html_lit(h, "<tr><td data-h=\"What\">");
        words_of(v->h, t->type);
        html_lit(h, "</td><td data-h=\"Result\">");
        page_result(v, t->latest);
        html_lit(h, "</td><td data-h=\"Event\"><a ");
        page_link(v, "event&amp;seq", t->latest->seq);
        html_lit(h, ">");
        words_type(v->h, t->latest->type);
        html_lit(h, "</a></td><td class=\"when\" data-h=\"When\">");
        html_time(h, t->latest->created_ms, v->now_ms);
        html_lit(h, "</td><td data-h=\"Id\"><a class=\"id\" ");
        page_link(v, "resource&amp;seq", t->latest->seq);
        html_lit(h, ">");
        html_text(h, t->id);
        html_lit(h, "</a></td></tr>\n");
    }
    html_lit(h, "</tbody></table>\n");
    if (c->more_things)
        html_lit(h, "<p>There are more. These are the 100 with the latest events.</p>\n");
}

/* Green is no colour of the chart: 1 went on, 2 is a note, 3 needs a look, 4 went wrong. */
static int dot_kind(const struct store_event *e)
{
    if (e->state == STORE_STATE_DEAD || span_equal(e->status, span_of("failed")) || ends_in(e->type, ".deleted"))
        return 4;
    if (span_equal(e->outcome, span_of("attention")) || span_equal(e->outcome, span_of("rejected")))
        return 3;
    return ends_in(e->type, ".updated") ? 2 : 1;
}

/* One that no calendar has, as an application's user may write it, would press all others together. */
static bool has_date(const struct store_event *e) { return e->created_ms >= 0 && e->created_ms < YEAR_10000_MS; }

static void write_time_line(struct page_view *v, struct client *c)
{
    struct chart_line line = {.dot = c->dot};
    for (size_t i = 0; i < c->n_things && i < CHART_LANES; i++)
        line.lane[line.n_lanes++] = (struct chart_lane){c->thing[i].type, c->thing[i].id};
    for (size_t i = c->events.n; i-- > 0;) {
        const struct store_event *e = &c->events.list[i].event;
        const struct thing *t = thing_of(c, e);
        if (!t || t - c->thing >= line.n_lanes || !has_date(e))
            continue;
        c->dot[line.n_dots++] = (struct chart_dot){
            .lane = (int)(t - c->thing), .kind = dot_kind(e), .at_ms = e->created_ms, .type = e->type};
    }
    html_lit(v->h, "<h2>When it happened</h2>\n");
    chart_time_line(v->h, &line);
    html_lit(
        v->h,
        "<ul class=\"key\"><li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><circle cx=\"5\" cy=\"5\" r=\"5\" "
        "class=\"b1\"/></svg>Went on</li><li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><circle cx=\"5\" "
        "cy=\"5\" r=\"5\" class=\"b2\"/></svg>Updated</li><li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\">"
        "<circle cx=\"5\" cy=\"5\" r=\"5\" class=\"b3\"/></svg>Needs attention</li><li><svg viewBox=\"0 0 10 10\" "
        "aria-hidden=\"true\"><circle cx=\"5\" cy=\"5\" r=\"5\" class=\"b4\"/></svg>Failed, deleted or given up"
        "</li></ul>\n");
    if (c->n_things > CHART_LANES)
        html_lit(v->h, "<p>There are more. These are the 24 with the latest events.</p>\n");
}

static void write_events(struct page_view *v, const struct client *c)
{
    page_table(v, c->all > EVENTS_MAX ? "The newest 500 events, the newest first" : "All events, the newest first");
    for (size_t i = 0; i < c->events.n; i++)
        page_row(v, &c->events.list[i].event);
    page_table_end(v);
}

void page_client_shown(struct page_view *v, const char *client, const char *endpoint)
{
    struct client *c = calloc(1, sizeof *c);
    struct err e = {0};
    if (!c) {
        v->h->failed = true;
        return;
    }
    html_lit(v->h, "<h1>A client</h1>\n<p><span class=\"id\">");
    html_text(v->h, span_of(client));
    html_lit(v->h, "</span></p>\n");
    if (read_events_of_client(v, c, client, endpoint, &e) != 0)
        page_failed(v, &e);
    else if (!c->events.n)
        html_lit(v->h, "<p>There is no event of this client.</p>\n");
    else {
        write_newest_only(v, c);
        write_things(v, c);
        write_time_line(v, c);
        html_lit(v->h, "<h2>Its events</h2>\n");
        write_events(v, c);
    }
    page_events_release(&c->events);
    free(c);
}

/* The event that a link named, for its client or its resource. */
static int read_named(struct page_view *v, struct page_events *one)
{
    struct store_query q = {.state = -1, .limit = 1, .seqs = &v->query->seq, .n_seqs = 1};
    struct err e = {0};
    one->left = 1;
    if (store_read(v->store, &q, page_events_add, one, &e) < 0) {
        page_failed(v, &e);
        return -1;
    }
    return one->n ? 0 : -1;
}

static bool copy_name_out(char out[PAGE_VALUE_MAX + 1], struct span text)
{
    if (!text.len || text.len > PAGE_VALUE_MAX)
        return false;
    memcpy(out, text.at, text.len);
    out[text.len] = '\0';
    return true;
}

void page_client(struct page_view *v)
{
    struct page_events one = {.left = 1};
    char client[PAGE_VALUE_MAX + 1], endpoint[PAGE_VALUE_MAX + 1];
    page_begin(v, "A client", NULL);
    if (read_named(v, &one) != 0 || !copy_name_out(client, one.list[0].event.client_id) ||
        !copy_name_out(endpoint, one.list[0].event.endpoint))
        html_lit(v->h, "<h1>A client</h1>\n<p>No client is known for this number.</p>\n");
    else
        page_client_shown(v, client, endpoint);
    page_end(v);
    page_events_release(&one);
}

void page_resource(struct page_view *v)
{
    struct page_events one = {.left = 1}, all = {.left = PAGE_ROWS};
    char id[PAGE_VALUE_MAX + 1];
    struct err e = {0};
    page_begin(v, "Events of one", "Events of one");
    if (read_named(v, &one) != 0 || !copy_name_out(id, one.list[0].event.resource_id)) {
        html_lit(v->h, "<p>There is nothing with this number.</p>\n");
    } else {
        struct store_query q = {.state = -1, .limit = PAGE_ROWS + 1, .resource_id = id};
        html_lit(v->h, "<p>");
        words_of(v->h, one.list[0].event.resource_type);
        html_lit(v->h, " <span class=\"id\">");
        html_text(v->h, span_of(id));
        html_lit(v->h, "</span></p>\n");
        if (store_read(v->store, &q, page_events_add, &all, &e) < 0)
            page_failed(v, &e);
        page_table(v, all.more ? "The newest 100 events" : "All events, the newest first");
        for (size_t i = 0; i < all.n; i++)
            page_row(v, &all.list[i].event);
        page_table_end(v);
    }
    page_end(v);
    page_events_release(&one);
    page_events_release(&all);
}
