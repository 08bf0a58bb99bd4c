/* SPDX-License-Identifier: MIT
 * page_aside: what was set aside, what was refused, and why. */
#include "page_view.h"

#include <stdlib.h>

#define HOUR_MS INT64_C(3600000)

/* ---- quarantine ---- */

struct asides {
    struct page_view *v;
    int64_t n;
};

static void write_row(void *ctx, const struct store_quarantined *row)
{
    struct asides *a = ctx;
    struct html *h = a->v->h;
    if (++a->n > PAGE_ROWS)
        return;
    html_lit(h, "<tr><td class=\"when\" data-h=\"First\">");
    html_time(h, row->first_ms, a->v->now_ms);
    html_lit(h, "</td><td class=\"n\" data-h=\"Times\">");
    html_number(h, row->times);
    html_lit(h, "</td><td data-h=\"Why\"><a ");
    page_link(a->v, "quarantine&amp;number", row->id);
    html_lit(h, ">");
    html_text(h, row->reason);
    html_lit(h, "</a></td><td data-h=\"Event\"><span class=\"id\">");
    html_text(h, row->event_id.len ? row->event_id : span_of("-"));
    html_lit(h, "</span></td></tr>\n");
}

static void write_one_aside(void *ctx, const struct store_quarantined *row)
{
    struct asides *a = ctx;
    struct html *h = a->v->h;
    a->n++;
    html_lit(h, "<dl class=\"facts\"><dt>Why</dt><dd>");
    html_text(h, row->reason);
    html_lit(h, "</dd><dt>First came</dt><dd>");
    html_time(h, row->first_ms, a->v->now_ms);
    html_lit(h, "</dd><dt>Last came</dt><dd>");
    html_time(h, row->last_ms, a->v->now_ms);
    html_lit(h, ", ");
    html_number(h, row->times);
    if (row->times == 1)
        html_lit(h, " time in all");
    else
        html_lit(h, " times in all");
    html_lit(h, "</dd><dt>Event</dt><dd class=\"id\">");
    html_text(h, row->event_id.len ? row->event_id : span_of("none could be read"));
    html_lit(h, "</dd><dt>Key</dt><dd>");
    html_text(h, row->secret);
    html_lit(h, "</dd><dt>Size</dt><dd>");
    html_number(h, (int64_t)row->body.len);
    html_lit(h, " bytes</dd></dl>\n");
    if (a->v->may_payload) {
        html_lit(h, "<p><a ");
        page_link(a->v, "contents&amp;number", row->id);
        html_lit(h, ">Show what came</a>. That you looked is recorded.</p>\n");
    }
    html_lit(h, "<p>Your administrator decides what becomes of it: <code>complycube-inbox quarantine accept ");
    html_value(h, row->id);
    html_lit(h, "</code> or <code>quarantine drop</code></p>\n");
}

static void write_how_many(const struct asides *a)
{
    if (a->n <= PAGE_ROWS)
        return;
    html_lit(a->v->h, "<p>These are the newest 100 of ");
    html_number(a->v->h, a->n);
    html_lit(a->v->h, ".</p>\n");
}

void page_quarantine(struct page_view *v)
{
    struct asides a = {v, 0};
    struct err e = {0};
    const char *heading = v->query->number ? "A delivery that was set aside" : "Set aside";
    page_begin(v, heading, heading);
    html_lit(
        v->h,
        "<p>These came from ComplyCube with a right signature, but could not be taken as an event. They are kept until "
        "your administrator decides.</p>\n");
    if (!v->query->number)
        html_lit(
            v->h,
            "<table class=\"stack\"><caption>The newest first</caption><thead><tr><th scope=\"col\">First came</th>"
            "<th scope=\"col\" class=\"n\">Times</th><th scope=\"col\">Why</th><th scope=\"col\">Event</th></tr></thead>"
            "<tbody>\n");
    int failed = store_list_quarantine(v->store, v->query->number, NULL,
                                       v->query->number ? write_one_aside : write_row, &a, &e);
    if (!v->query->number) {
        html_lit(v->h, "</tbody></table>\n");
        write_how_many(&a);
    }
    if (failed)
        page_failed(v, &e);
    else if (!a.n)
        html_lit(v->h, "<p>There is none.</p>\n");
    page_end(v);
}

/* ---- what was refused ---- */

static const struct refusal {
    const char *what, *means;
} refusals[REFUSALS_KINDS] = {
    [REFUSALS_SIGNATURE] =
        {"The signature was missing or wrong",
         "Somebody else than ComplyCube sent it, or the key here is not the one of the webhook. Some a day are "
         "ordinary: strangers try addresses. If ComplyCube's own are among them, the key must be corrected."},
    [REFUSALS_INCOMPLETE] = {"It was not complete", "The connection broke off. ComplyCube sends the event again."},
    [REFUSALS_TOO_LARGE] = {"It was too large", "It has more bytes than the setting max_body allows."},
    [REFUSALS_METHOD] = {"It was no delivery",
                         "Somebody opened the address of the webhook, with a browser for example."},
    [REFUSALS_FAILED] =
        {"It could not be recorded",
         "A fault here: the database was locked, full or damaged. ComplyCube sends the event again for a while."},
};

void page_refused(struct page_view *v)
{
    struct html *h = v->h;
    struct refusals_log *log = malloc(sizeof *log);
    struct err e = {0};
    page_begin(v, "Refused", "Refused deliveries");
    html_lit(
        h,
        "<p>These were not taken in. What was in them is not kept: anybody on the internet may send such things. A delivery "
        "that has the right signature and could not be read is <a href=\"?view=quarantine\">set aside</a> instead.</p>\n");
    if (!log || refusals_read(v->config->database, log, &e) != 0)
        page_failed(v, &e);
    else {
        html_lit(
            h,
            "<table class=\"stack\"><caption>How many, by the reason</caption><thead><tr><th scope=\"col\">Why</th>"
            "<th scope=\"col\" class=\"n\">Last hour</th><th scope=\"col\" class=\"n\">Last 24 hours</th>"
            "<th scope=\"col\" class=\"n\">Last 7 days</th><th scope=\"col\">What it means</th></tr></thead><tbody>\n");
        for (int k = 0; k < REFUSALS_KINDS; k++) {
            html_lit(h, "<tr><td data-h=\"Why\">");
            html_text(h, span_of(refusals[k].what));
            html_lit(h, "</td><td class=\"n\" data-h=\"Last hour\">");
            html_number(h, refusals_sum(log, (enum refusals_kind)k, v->now_ms - HOUR_MS, v->now_ms + 1));
            html_lit(h, "</td><td class=\"n\" data-h=\"24 hours\">");
            html_number(h, refusals_sum(log, (enum refusals_kind)k, v->now_ms - 24 * HOUR_MS, v->now_ms + 1));
            html_lit(h, "</td><td class=\"n\" data-h=\"7 days\">");
            html_number(
                h, refusals_sum(log, (enum refusals_kind)k, v->now_ms - (int64_t)7 * 24 * HOUR_MS, v->now_ms + 1));
            html_lit(h, "</td><td data-h=\"Means\">");
            html_text(h, span_of(refusals[k].means));
            html_lit(h, "</td></tr>\n");
        }
        html_lit(h, "</tbody></table>\n");
    }
    free(log);
    page_end(v);
}
