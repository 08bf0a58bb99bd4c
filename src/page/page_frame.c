/* SPDX-License-Identifier: MIT
 * page_frame: what every page has around it: head, search, navigation, foot. */
#include "page_view.h"

#include "base/version.h"
#include "page_gate.h"

static const char style[] = {
#include "style.inc"
    , '\0'};

static const struct tab {
    const char *view, *state, *text;
} tabs[] = {{"", "", "Overview"},           {"events", "", "Events"},        {"events", "waiting", "Waiting"},
            {"events", "dead", "Given up"}, {"quarantine", "", "Set aside"}, {"refused", "", "Refused"},
            {"keys", "", "Keys"},           {"history", "", "Changes"},      {"find", "", "Find"}};

static bool is_here(const struct page_query *q, const struct tab *t)
{
    const char *state = q->state == STORE_STATE_WAITING ? "waiting" : q->state == STORE_STATE_DEAD ? "dead" : "";
    return strcmp(q->view, t->view) == 0 && strcmp(strcmp(t->view, "events") == 0 ? state : "", t->state) == 0;
}

static void write_tab(struct page_view *v, const struct tab *t)
{
    html_lit(v->h, "<li><a href=\"?");
    if (*t->view)
        html_query(v->h, "view", span_of(t->view));
    if (*t->state) {
        html_lit(v->h, "&amp;");
        html_query(v->h, "state", span_of(t->state));
    }
    html_lit(v->h, "\"");
    if (is_here(v->query, t))
        html_lit(v->h, " aria-current=\"page\"");
    html_lit(v->h, ">");
    html_text(v->h, span_of(t->text));
    html_lit(v->h, "</a></li>\n");
}

static void write_top(struct page_view *v)
{
    struct html *h = v->h;
    html_lit(h, "<header class=\"top\"><a href=\"?\">ComplyCube inbox");
    if (*v->config->page.title) {
        html_lit(h, " \xc2\xb7 ");
        html_text(h, span_of(v->config->page.title));
    }
    html_lit(h,
             "</a>\n<form method=\"post\" action=\"?view=find\" role=\"search\"><div><label for=\"top-find\">Client, "
             "check, document or event</label><input id=\"top-find\" type=\"search\" name=\"find\" "
             "maxlength=\"255\" autocomplete=\"off\" spellcheck=\"false\"></div><button>Find</button></form>"
             "</header>\n<nav aria-label=\"Views\"><ul>\n");
    for (size_t i = 0; i < sizeof tabs / sizeof *tabs; i++)
        write_tab(v, &tabs[i]);
    html_lit(h, "</ul></nav>\n");
}

void page_begin(struct page_view *v, const char *title, const char *heading)
{
    struct html *h = v->h;
    html_lit(h,
             "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
             "content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex, nofollow\">");
    if (v->query->refresh)
        html_lit(h, "<meta http-equiv=\"refresh\" content=\"60\">");
    html_lit(h, "<title>");
    html_text(h, span_of(title));
    html_lit(h, " - ComplyCube inbox</title><style>");
    html_lit_(h, style, sizeof style - 1);
    html_lit(h, "</style></head>\n<body><a class=\"skip\" href=\"#main\">To the content</a>\n");
    write_top(v);
    html_lit(h, "<main id=\"main\">\n");
    if (!page_gate_private(v->request))
        html_lit(
            h, "<div class=\"say wrong\" role=\"alert\"><strong>Not encrypted.</strong> This page came without TLS: "
               "others on the way can read it, and your password.</div>\n");
    if (!heading)
        return;
    html_lit(h, "<h1>");
    html_text(h, span_of(heading));
    html_lit(h, "</h1>\n");
}

void page_end(struct page_view *v)
{
    html_lit(v->h, "</main>\n<footer>Times are those of this server: ");
    html_zone(v->h, v->now_ms);
    html_lit(v->h, ". Made ");
    html_time(v->h, v->now_ms, v->now_ms);
    html_lit(v->h, " for ");
    html_text(v->h, v->request->user);
    html_lit(v->h, " by complycube-inbox " VERSION ". Nothing can be changed here.</footer></body></html>\n");
}

void page_failed(struct page_view *v, const struct err *e)
{
    html_lit(v->h, "<div class=\"say wrong\" role=\"status\">");
    if (e->detail == ERR_LATE) {
        html_lit(v->h,
                 "<strong>There is too much to look through here.</strong> Ask for less: a day, an endpoint, or one "
                 "client. Your administrator can look through all of it: <code>complycube-inbox list</code></div>\n");
        return;
    }
    v->status = 503;
    html_lit(
        v->h,
        "<strong>This cannot be read at the moment.</strong> <span class=\"cure\">For your administrator: <code>");
    html_text(v->h, span_of(e->msg));
    html_lit(v->h, "</code></span></div>\n");
}
