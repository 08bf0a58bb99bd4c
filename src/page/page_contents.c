/* SPDX-License-Identifier: MIT
 * page_contents: what is in an event or in quarantine, for those who may see it, once that is on record. */
#include "page_view.h"

#include "page_log.h"

struct contents {
    struct page_view *v;
    bool found, shown;
    struct err why; /* ERR_NONE, or why nothing may be shown */
};

/* ---- JSON, indented ---- */

enum { DEPTH_SHOWN = 20 };

static void write_line(struct html *h, int depth)
{
    html_lit(h, "\n");
    for (int i = 0; i < depth && i < DEPTH_SHOWN; i++)
        html_lit(h, "  ");
}

/* Up to the end of a string that begins here, with its quotes. */
static size_t string_length(struct span s)
{
    size_t i = 1;
    while (i < s.len && s.at[i] != '"')
        i += s.at[i] == '\\' ? 2 : 1;
    return i < s.len ? i + 1 : s.len;
}

/* Whatever it is, its bytes are shown, but for blanks between tokens. */
static void write_json(struct html *h, struct span s)
{
    int depth = 0;
    while (s.len) {
        char c = *s.at;
        size_t n = c == '"' ? string_length(s) : 1;
        if (c == '}' || c == ']')
            write_line(h, --depth);
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            html_text(h, (struct span){s.at, n});
        if (c == '{' || c == '[')
            write_line(h, ++depth);
        else if (c == ',')
            write_line(h, depth);
        else if (c == ':')
            html_lit(h, " ");
        s = (struct span){s.at + n, s.len - n};
    }
}

/* ---- on record, then shown ---- */

static bool is_recorded(struct contents *c, struct page_look *look)
{
    const struct page_view *v = c->v;
    look->now_ms = v->now_ms;
    look->user = v->request->user;
    look->address = v->request->remote;
    c->found = true;
    return page_log_write(v->config->page.log, look, &c->why) == 0;
}

static void show_text(struct contents *c, struct span text, bool json)
{
    c->shown = true;
    html_lit(c->v->h, "<p>That you looked at this is recorded.</p>\n<pre tabindex=\"0\">");
    if (json)
        write_json(c->v->h, text);
    else
        html_text(c->v->h, text);
    html_lit(c->v->h, "</pre>\n");
}

static void show_event(void *ctx, const struct store_event *e)
{
    struct contents *c = ctx;
    struct page_look look = {.number = e->seq, .id = e->id, .type = e->type};
    if (!c->found && is_recorded(c, &look))
        show_text(c, e->payload.at ? e->payload : span_of(""), true);
}

static void show_quarantined(void *ctx, const struct store_quarantined *row)
{
    struct contents *c = ctx;
    struct page_look look = {.number = row->id, .quarantined = true, .id = row->event_id};
    if (!c->found && is_recorded(c, &look))
        show_text(c, row->body, false);
}

void page_contents(struct page_view *v)
{
    struct contents c = {.v = v};
    struct err e = {0};
    struct store_query q = {.state = -1, .limit = 1, .seqs = &v->query->seq, .n_seqs = 1};
    page_begin(v, "What is in it", "What is in it");
    if (!v->may_payload) {
        v->status = 403;
        html_lit(v->h, "<p>You may not see that: it may name a person. Ask your administrator.</p>\n");
        page_end(v);
        return;
    }
    int failed = v->query->number ? store_list_quarantine(v->store, v->query->number, NULL, show_quarantined, &c, &e)
                 : v->query->seq  ? store_read(v->store, &q, show_event, &c, &e)
                                  : 0;
    if (failed < 0)
        page_failed(v, &e);
    else if (!c.found)
        html_lit(v->h, "<p>There is nothing with this number.</p>\n");
    else if (!c.shown)
        page_failed(v, &c.why);
    page_end(v);
}
