/* SPDX-License-Identifier: MIT
 * page_glance: the first page: is all well, and what came last. */
#include "page_view.h"

#include "chart.h"
#include "health/alarm.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR_MS INT64_C(3600000)

struct glance {
    struct figures figures;
    struct alarm alarm;
    struct chart_hour hour[CHART_HOURS];
    struct page_events newest;
    struct err why;
    bool read; /* hours and newest */
};

/* ---- reading ---- */

static void add_hour(struct glance *g, int64_t ms, int kind, int64_t n)
{
    for (int i = 0; i < CHART_HOURS; i++)
        if (g->hour[i].start_ms == ms)
            g->hour[i].n[kind] += n;
}

static void count_hour(void *ctx, const struct store_count *c)
{
    static const char *const words[] = {"stored", "duplicate", "quarantined"};
    struct glance *g = ctx;
    for (int k = 0; k < 3; k++)
        if (span_equal(c->outcome, span_of(words[k])))
            add_hour(g, c->hour_ms, k, c->n);
    if (span_equal(c->outcome, span_of("ignored")))
        add_hour(g, c->hour_ms, 0, c->n);
}

static void count_refused(struct glance *g)
{
    for (size_t i = 0; i < REFUSALS_HOURS; i++)
        for (int k = 0; k < REFUSALS_KINDS; k++)
            add_hour(g, g->figures.refused.hour[i].start_ms, CHART_KINDS - 1, g->figures.refused.hour[i].n[k]);
}

static void read_glance(struct page_view *v, struct glance *g)
{
    const int64_t last_ms = v->now_ms - v->now_ms % HOUR_MS, first_ms = last_ms - (CHART_HOURS - 1) * HOUR_MS;
    struct store_query q = {.state = -1, .limit = 20};
    for (int i = 0; i < CHART_HOURS; i++)
        g->hour[i].start_ms = first_ms + i * HOUR_MS;
    figures_read(&g->figures, v->config, v->store, &v->why);
    alarm_judge(&g->alarm, &g->figures, v->config, &ALARM_LIMITS);
    count_refused(g);
    g->newest.left = 20;
    g->read = v->store && store_counts(v->store, first_ms, count_hour, g, &g->why) == 0 &&
              store_read(v->store, &q, page_events_add, &g->newest, &g->why) == 0;
}

/* ---- what is wrong ---- */

static void write_finding(struct page_view *v, const struct alarm_finding *f)
{
    static const struct wrong {
        enum alarm_kind kind;
        const char *says, *view;
    } wrongs[] = {
        {ALARM_WAITS, "Events wait for too long: the program that works on them may have stopped.",
         "events&state=waiting"},
        {ALARM_DEAD, "Some events could not be worked on, and were given up.", "events&state=dead"},
        {ALARM_QUARANTINE, "Some deliveries could not be read, and were set aside.", "quarantine"},
        {ALARM_SILENT, "Nothing has come from ComplyCube for a long time.", ""},
        {ALARM_REFUSED, "Many deliveries with a wrong signature were refused.", "refused"},
        {ALARM_UNMATCHED, "Deliveries are refused, and none has the right signature: the key may be wrong.",
         "refused"},
        {ALARM_FAILED, "The receiver could not take in deliveries, which ComplyCube will repeat for a while.",
         "refused"},
        {ALARM_SPOOL, "Events were put aside on the disk since the database could not be written.", ""},
        {ALARM_DATABASE, "The database cannot be read.", ""},
        {ALARM_LOCK, "Another program blocks the database: nothing can be recorded.", ""},
        {ALARM_CLOCK, "The clock of this server was wrong, or is.", ""},
        {ALARM_SECRETS, "A key file cannot be used, or others could replace it.", "keys"},
        {ALARM_MISSED, "The database was removed or replaced; events may be missing.", ""},
    };
    struct html *h = v->h;
    const struct wrong *w = NULL;
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
        if (wrongs[i].kind == f->kind)
            w = &wrongs[i];
    html_lit(h, "<li><strong>");
    html_text(h, span_of(w ? w->says : alarm_text(f->kind)));
    html_lit(h, "</strong>");
    if (w && *w->view) {
        html_lit(h, " <a href=\"?view=");
        html_text(h, span_of(w->view));
        html_lit(h, "\">Look at them</a>");
    }
    html_lit(h, "<span class=\"cure\">For your administrator: ");
    html_text(h, span_of(f->words));
    if (*f->cure) {
        html_lit(h, " \xe2\x86\x92 <code>");
        html_text(h, span_of(f->cure));
        html_lit(h, "</code>");
    }
    html_lit(h, "</span></li>\n");
}

static void write_wrong(struct page_view *v, const struct glance *g)
{
    if (!g->alarm.n && !v->store) {
        html_lit(
            v->h,
            "<div class=\"say note\" role=\"status\"><strong>Nothing has come yet.</strong> The database is made "
            "when the first event arrives.</div>\n");
        return;
    }
    if (!g->alarm.n && !g->figures.known)
        return; /* page_failed says why */
    if (!g->alarm.n) {
        html_lit(v->h,
                 "<div class=\"say\" role=\"status\"><strong>All is well.</strong> Events arrive and are worked on; "
                 "nothing needs you.</div>\n");
        return;
    }
    html_lit(v->h, "<div class=\"say wrong\" role=\"status\"><ul>\n");
    for (size_t i = 0; i < g->alarm.n; i++)
        write_finding(v, &g->alarm.found[i]);
    html_lit(v->h, "</ul></div>\n");
}

/* ---- cards ---- */

static void begin_card(struct page_view *v, const char *name, bool bad)
{
    html_lit(v->h, "<div");
    if (bad)
        html_lit(v->h, " class=\"bad\"");
    html_lit(v->h, "><dt>");
    html_text(v->h, span_of(name));
    html_lit(v->h, "</dt><dd>");
}

#define WRITE_CARD(v, name, bad, n, link) \
    (begin_card(v, name, bad), html_lit((v)->h, "<a href=\"?" link "\">"), html_number((v)->h, n), \
     html_lit((v)->h, "</a>"))

static void end_card(struct page_view *v) { html_lit(v->h, "</dd></div>\n"); }

static const struct figures_secret *latest_key(const struct figures *f)
{
    const struct figures_secret *latest = NULL;
    for (size_t i = 0; i < f->n_secrets; i++)
        if (f->by_secret[i].last_ms && (!latest || f->by_secret[i].last_ms > latest->last_ms))
            latest = &f->by_secret[i];
    return latest;
}

static void write_last_delivery(struct page_view *v, const struct figures *f)
{
    const struct figures_secret *key = latest_key(f);
    html_lit(v->h, "<div class=\"wide\"><dt>Last delivery</dt><dd>");
    html_lit(v->h, "<span class=\"text\">");
    html_time(v->h, key ? key->last_ms : 0, v->now_ms);
    html_lit(v->h, "</span>");
    if (key) {
        html_lit(v->h, "<small>");
        html_span(v->h, v->now_ms - key->last_ms);
        html_lit(v->h, " ago, by the key ");
        html_text(v->h, span_of(key->name));
        html_lit(v->h, "</small>");
    }
    end_card(v);
}

static void write_cards(struct page_view *v, const struct glance *g)
{
    const struct figures *f = &g->figures;
    int64_t refused = 0;
    for (int k = 0; k < REFUSALS_KINDS; k++)
        refused += refusals_sum(&f->refused, (enum refusals_kind)k, v->now_ms - HOUR_MS, v->now_ms + 1);
    html_lit(v->h, "<dl class=\"cards\">\n");
    write_last_delivery(v, f);
    WRITE_CARD(v, "Waiting", alarm_has(&g->alarm, ALARM_WAITS), f->n[STORE_STATE_WAITING],
               "view=events&amp;state=waiting");
    if (f->oldest_ms) {
        html_lit(v->h, "<small>the oldest for ");
        html_span(v->h, v->now_ms - f->oldest_ms);
        html_lit(v->h, "</small>");
    }
    end_card(v);
    WRITE_CARD(v, "Being worked on", false, f->claimed, "view=events&amp;state=claimed");
    end_card(v);
    WRITE_CARD(v, "Next try later", false, f->delayed, "view=events&amp;state=delayed");
    end_card(v);
    WRITE_CARD(v, "Given up", f->n[STORE_STATE_DEAD], f->n[STORE_STATE_DEAD], "view=events&amp;state=dead");
    end_card(v);
    WRITE_CARD(v, "Set aside", f->n[STORE_STATE_QUARANTINED], f->n[STORE_STATE_QUARANTINED], "view=quarantine");
    end_card(v);
    WRITE_CARD(v, "Refused, last hour", false, refused, "view=refused");
    end_card(v);
    if (f->spooled) {
        begin_card(v, "Held on the disk", true);
        html_number(v->h, f->spooled);
        end_card(v);
    }
    html_lit(v->h, "</dl>\n");
}

/* ---- together ---- */

static void write_refresh(struct page_view *v)
{
    if (v->query->refresh)
        html_lit(v->h, "<p>This page reloads itself each minute. <a href=\"?\">Stop that</a></p>\n");
    else
        html_lit(v->h, "<p><a href=\"?refresh=60\">Reload this page each minute</a></p>\n");
}

static void write_glance(struct page_view *v, const struct glance *g)
{
    char title[64] = "All is well";
    if (!v->store)
        snprintf(title, sizeof title, "Nothing has come yet");
    else if (!g->figures.known)
        snprintf(title, sizeof title, "The inbox cannot be read whole");
    if (g->alarm.n)
        snprintf(title, sizeof title, "%zu %s wrong", g->alarm.n, g->alarm.n == 1 ? "thing is" : "things are");
    page_begin(v, title, title);
    write_wrong(v, g);
    if (g->read && g->figures.known) {
        write_cards(v, g);
        html_lit(v->h, "<h2>Deliveries by the hour</h2>\n");
        chart_hours(v->h, g->hour, v->now_ms);
        html_lit(v->h, "<h2>What came last</h2>\n");
        page_table(v, "The newest 20 events");
        for (size_t i = 0; i < g->newest.n; i++)
            page_row(v, &g->newest.list[i].event);
        page_table_end(v);
    } else if (v->store) {
        page_failed(v, g->figures.known ? &g->why : &g->figures.unknown);
    }
    write_refresh(v);
    page_end(v);
}

void page_glance(struct page_view *v)
{
    struct glance *g = calloc(1, sizeof *g);
    if (!g) {
        v->h->failed = true;
        return;
    }
    figures_begin(&g->figures, v->config, NULL, v->now_ms); /* before the database is opened */
    page_open(v);
    read_glance(v, g);
    write_glance(v, g);
    page_events_release(&g->newest);
    free(g);
}
