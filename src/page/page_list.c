/* SPDX-License-Identifier: MIT
 * page_list: events, the newest first, a hundred at a time. */
#include "page_view.h"

#include <stdio.h>

struct listed {
    struct page_view *v;
    struct page_events events;
};

/* Those that wait are of three kinds, of which a query knows one. */
static bool is_asked_kind(const struct page_view *v, const struct store_event *e)
{
    bool later = e->due_ms > v->now_ms;
    return v->query->claimed ? later && e->claimed : v->query->delayed ? later && !e->claimed : true;
}

static void take_meant(void *ctx, const struct store_event *e)
{
    struct listed *l = ctx;
    if (is_asked_kind(l->v, e))
        page_events_add(&l->events, e);
}

static int read_listed(struct listed *l, struct err *e)
{
    const struct page_query *q = l->v->query;
    struct store_query f = {.state = q->state,
                            .endpoint = *q->endpoint ? q->endpoint : NULL,
                            .type = *q->type ? q->type : NULL,
                            .to = q->before ? q->before - 1 : 0,
                            .limit = q->claimed || q->delayed ? -1 : PAGE_ROWS + 1};
    if (*q->day && page_query_day(q->day, &f.since_ms, &f.before_ms) != 0)
        return err_set(e, ERR_USAGE, "there is no such day");
    l->events.left = PAGE_ROWS;
    return q->before == 1 ? 0 : store_read(l->v->store, &f, take_meant, l, e);
}

/* ---- the form ---- */

#define WRITE_OPTION(h, value, text, on) \
    (html_lit(h, "<option value=\"" value "\""), (on) ? html_lit(h, " selected") : (void)0, \
     html_lit(h, ">" text "</option>"))

static void write_states(struct page_view *v)
{
    const struct page_query *q = v->query;
    bool plain = q->state == STORE_STATE_WAITING && !q->claimed && !q->delayed;
    html_lit(v->h, "<div><label for=\"state\">State</label><select id=\"state\" name=\"state\">");
    WRITE_OPTION(v->h, "", "Any", q->state == PAGE_ANY);
    WRITE_OPTION(v->h, "waiting", "Waiting, all", plain);
    WRITE_OPTION(v->h, "claimed", "Being worked on", q->claimed);
    WRITE_OPTION(v->h, "delayed", "Next try later", q->delayed);
    WRITE_OPTION(v->h, "done", "Done", q->state == STORE_STATE_DONE);
    WRITE_OPTION(v->h, "dead", "Given up", q->state == STORE_STATE_DEAD);
    WRITE_OPTION(v->h, "ignored", "Not asked for", q->state == STORE_STATE_IGNORED);
    html_lit(v->h, "</select></div>\n");
}

static void write_endpoints(struct page_view *v)
{
    const struct config *c = v->config;
    if (c->n_endpoints < 2)
        return;
    html_lit(
        v->h,
        "<div><label for=\"endpoint\">Endpoint</label><select id=\"endpoint\" name=\"endpoint\"><option value=\"\">"
        "Any</option>");
    for (size_t i = 0; i < c->n_endpoints; i++) {
        html_lit(v->h, "<option");
        if (strcmp(c->names[i], v->query->endpoint) == 0)
            html_lit(v->h, " selected");
        html_lit(v->h, ">");
        html_text(v->h, span_of(c->names[i]));
        html_lit(v->h, "</option>");
    }
    html_lit(v->h, "</select></div>\n");
}

static void write_filter(struct page_view *v)
{
    html_lit(
        v->h,
        "<form class=\"filter\" method=\"get\" action=\"?\"><input type=\"hidden\" name=\"view\" value=\"events\">\n");
    write_states(v);
    html_lit(
        v->h,
        "<div><label for=\"type\">Kind, as check.completed</label><input id=\"type\" name=\"type\" maxlength=\"255\" "
        "value=\"");
    html_text(v->h, span_of(v->query->type));
    html_lit(v->h,
             "\"></div>\n<div><label for=\"day\">Day</label><input id=\"day\" name=\"day\" type=\"date\" value=\"");
    html_text(v->h, span_of(v->query->day));
    html_lit(v->h, "\"></div>\n");
    write_endpoints(v);
    html_lit(v->h, "<button>Show</button></form>\n");
}

/* ---- the pages ---- */

static void add_to_query(struct page_view *v, const char *name, const char *value)
{
    if (!*value)
        return;
    html_lit(v->h, "&amp;");
    html_query(v->h, name, span_of(value));
}

static const char *state_asked(const struct page_query *q)
{
    static const char *const words[] = {"waiting", "done", "dead", "ignored"};
    return q->claimed ? "claimed" : q->delayed ? "delayed" : q->state >= 0 ? words[q->state] : "";
}

static void write_same_query(struct page_view *v)
{
    html_lit(v->h, "?view=events");
    add_to_query(v, "state", state_asked(v->query));
    add_to_query(v, "type", v->query->type);
    add_to_query(v, "day", v->query->day);
    add_to_query(v, "endpoint", v->query->endpoint);
}

static void write_pager(struct page_view *v, const struct page_events *all)
{
    if (!all->more && !v->query->before)
        return;
    html_lit(v->h, "<div class=\"pager\">");
    if (v->query->before) {
        html_lit(v->h, "<a href=\"");
        write_same_query(v);
        html_lit(v->h, "\">The newest</a>");
    }
    if (all->more) {
        html_lit(v->h, "<a rel=\"next\" href=\"");
        write_same_query(v);
        html_lit(v->h, "&amp;before=");
        html_value(v->h, all->list[all->n - 1].event.seq);
        html_lit(v->h, "\">Older ones</a>");
    }
    html_lit(v->h, "</div>\n");
}

static const char *heading_of(const struct page_query *q)
{
    if (q->claimed)
        return "Events being worked on";
    if (q->delayed)
        return "Events to be tried again later";
    switch (q->state) {
    case STORE_STATE_WAITING: return "Events that wait";
    case STORE_STATE_DONE: return "Events that are done";
    case STORE_STATE_DEAD: return "Events that were given up";
    case STORE_STATE_IGNORED: return "Events that nobody asked for";
    default: return "Events";
    }
}

static void explain_state(struct page_view *v)
{
    if (v->query->state == STORE_STATE_DEAD)
        html_lit(
            v->h,
            "<p>These were tried as often as may be, and failed. Your administrator can let them be tried again: "
            "<code>complycube-inbox requeue</code></p>\n");
    else if (v->query->state == STORE_STATE_WAITING)
        html_lit(v->h, "<p>These have arrived, and your own program has not dealt with them yet.</p>\n");
}

void page_list(struct page_view *v)
{
    struct listed l = {.v = v};
    struct err e = {0};
    const char *heading = heading_of(v->query);
    int failed = read_listed(&l, &e);
    page_begin(v, heading, heading);
    explain_state(v);
    write_filter(v);
    if (failed)
        page_failed(v, &e);
    if (l.events.n) {
        page_table(v, l.events.more ? "The newest 100 of them" : "All of them, the newest first");
        for (size_t i = 0; i < l.events.n; i++)
            page_row(v, &l.events.list[i].event);
        page_table_end(v);
        write_pager(v, &l.events);
    } else if (!failed) {
        html_lit(v->h, "<p>There are none.</p>\n");
    }
    page_end(v);
    page_events_release(&l.events);
}
