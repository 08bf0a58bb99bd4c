/* SPDX-License-Identifier: MIT
 * page_event: one event, and what became of it. */
#include "page_view.h"

#include "words.h"

#include <stdio.h>
#include <stdlib.h>

enum { ERROR_SHOWN = 200 /* bytes of what a program said of a failure */ };

/* ---- its facts ---- */

#define WRITE_FACT(v, name) html_lit((v)->h, "<dt>" name "</dt><dd>")
static void end_fact(struct page_view *v) { html_lit(v->h, "</dd>\n"); }

static void write_ids(struct page_view *v, const struct store_event *e)
{
    if (e->resource_id.len) {
        html_lit(v->h, "<dt>");
        words_of(v->h, e->resource_type.len ? e->resource_type : span_of("Of"));
        html_lit(v->h, "</dt><dd><a class=\"id\" ");
        page_link(v, "resource&amp;seq", e->seq);
        html_lit(v->h, ">");
        html_text(v->h, e->resource_id);
        html_lit(v->h, "</a>");
        end_fact(v);
    }
    if (e->client_id.len) {
        WRITE_FACT(v, "Client");
        html_lit(v->h, "<a class=\"id\" ");
        page_link(v, "client&amp;seq", e->seq);
        html_lit(v->h, ">");
        html_text(v->h, e->client_id);
        html_lit(v->h, "</a> (all about this client)");
        end_fact(v);
    }
    WRITE_FACT(v, "Event");
    html_lit(v->h, "<span class=\"id\">");
    html_text(v->h, e->id);
    html_lit(v->h, "</span>, number ");
    html_value(v->h, e->seq);
    end_fact(v);
    WRITE_FACT(v, "ComplyCube calls it");
    html_lit(v->h, "<code>");
    html_text(v->h, e->type);
    html_lit(v->h, "</code>");
    end_fact(v);
}

static void write_facts(struct page_view *v, const struct store_event *e)
{
    html_lit(v->h, "<dl class=\"facts\">\n");
    WRITE_FACT(v, "State");
    page_state(v, e);
    end_fact(v);
    WRITE_FACT(v, "Result");
    page_result(v, e);
    if (e->outcome.len && e->status.len) {
        html_lit(v->h, " (");
        html_text(v->h, e->status);
        html_lit(v->h, ")");
    }
    end_fact(v);
    write_ids(v, e);
    if (v->config->n_endpoints > 1) {
        WRITE_FACT(v, "Endpoint");
        html_text(v->h, e->endpoint);
        end_fact(v);
    }
    html_lit(v->h, "</dl>\n");
}

/* ---- its story ---- */

static void begin_step(struct page_view *v, int64_t ms)
{
    html_lit(v->h, "<li><span class=\"when\">");
    html_time(v->h, ms, v->now_ms);
    html_lit(v->h, "</span>");
}

static void end_step(struct page_view *v) { html_lit(v->h, "</li>\n"); }

static void write_arrival(struct page_view *v, const struct store_event *e)
{
    static const struct {
        const char *source, *says;
    } ways[] = {
        {"received", "It arrived here and was recorded"},
        {"spool",
         "It arrived here, was kept on the disk while the database could not be written, and was recorded later"},
        {"imported", "It was brought in from a file by your administrator"},
        {"accepted", "It was set aside at first, and then accepted by hand"},
        {"reconciled", "It had not arrived: your administrator fetched it from ComplyCube"}};
    begin_step(v, e->created_ms);
    html_lit(v->h, "ComplyCube made this event");
    end_step(v);
    begin_step(v, e->received_ms);
    const char *says = "It arrived here";
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (span_equal(e->source, span_of(ways[i].source)))
            says = ways[i].says;
    html_text(v->h, span_of(says));
    if (e->secret.len) {
        html_lit(v->h, "; its signature was right, by the key ");
        html_text(v->h, e->secret);
    }
    end_step(v);
}

static void write_error(struct page_view *v, const struct store_event *e)
{
    if (!e->error.len)
        return;
    html_lit(v->h, ". Your program said: ");
    if (v->may_payload)
        html_cut_text(v->h, e->error, ERROR_SHOWN);
    else
        html_lit(v->h, "(shown only to those who may see what is in an event)");
}

static void write_owner(struct page_view *v, const struct store_event *e)
{
    if (!e->owner.len)
        return;
    html_lit(v->h, " by ");
    html_text(v->h, e->owner);
}

static void write_work(struct page_view *v, const struct store_event *e)
{
    bool later = e->due_ms > v->now_ms;
    begin_step(v, e->state == STORE_STATE_DONE ? e->done_ms : 0);
    if (e->state == STORE_STATE_DONE)
        html_lit(v->h, "It was done");
    else if (e->state == STORE_STATE_DEAD)
        html_lit(v->h, "It was given up");
    else if (e->state == STORE_STATE_IGNORED)
        html_lit(v->h, "It was recorded only: the configuration asks for no events of this kind");
    else if (later && e->claimed)
        html_lit(v->h, "It is being worked on");
    else if (later)
        html_lit(v->h, "It failed, and will be tried again");
    else
        html_lit(v->h, "It waits for your program");
    if (e->state != STORE_STATE_IGNORED)
        write_owner(v, e);
    if (e->attempts) {
        html_lit(v->h, ", after ");
        html_value(v->h, e->attempts);
        if (e->attempts == 1)
            html_lit(v->h, " attempt");
        else
            html_lit(v->h, " attempts");
    }
    if (e->state == STORE_STATE_WAITING && later) {
        if (e->claimed)
            html_lit(v->h, ", until ");
        else
            html_lit(v->h, ", at ");
        html_time(v->h, e->due_ms, v->now_ms);
    }
    write_error(v, e);
    end_step(v);
}

static void write_related(struct page_view *v, const struct store_event *e)
{
    struct store_related related;
    struct err why;
    if (store_relate(v->store, e->seq, &related, &why) != 0) {
        page_failed(v, &why);
        return;
    }
    if (related.same) {
        html_lit(v->h, "<p>It tells of the same change as <a ");
        page_link(v, "event&amp;seq", related.same);
        html_lit(v->h, ">an event that came before</a>.</p>\n");
    }
    if (related.newer) {
        html_lit(v->h, "<p>It is out of date: <a ");
        page_link(v, "event&amp;seq", related.newer);
        html_lit(v->h, ">a newer event</a> tells of a later state.</p>\n");
    }
}

/* ---- in quarantine ---- */

struct aside {
    struct page_view *v;
    struct span id;
};

static void write_aside(void *ctx, const struct store_quarantined *row)
{
    struct aside *a = ctx;
    if (!row->event_id.at || !span_equal(row->event_id, a->id))
        return;
    html_lit(a->v->h, "<p>Another delivery with this event's id <a ");
    page_link(a->v, "quarantine&amp;number", row->id);
    html_lit(a->v->h, ">was set aside</a>.</p>\n");
}

/* ---- together ---- */

void page_event_shown(struct page_view *v, const struct store_event *e)
{
    struct aside aside = {v, e->id};
    struct err why;
    html_lit(v->h, "<h1>");
    words_type(v->h, e->type);
    html_lit(v->h, "</h1>\n");
    write_facts(v, e);
    html_lit(v->h, "<h2>What became of it</h2>\n<ol class=\"story\">\n");
    write_arrival(v, e);
    write_work(v, e);
    html_lit(v->h, "</ol>\n");
    write_related(v, e);
    store_list_quarantine(v->store, 0, NULL, write_aside, &aside, &why);
    html_lit(v->h, "<h2>Changes by hand</h2>\n");
    page_history_table(v, e->seq, PAGE_ROWS);
    html_lit(v->h, "<h2>What is in it</h2>\n");
    if (e->erased_ms)
        html_lit(v->h, "<p>It was erased.</p>\n");
    else if (v->may_payload) {
        html_lit(v->h, "<p><a ");
        page_link(v, "contents&amp;seq", e->seq);
        html_lit(v->h, ">Show what is in it</a>. That you looked is recorded.</p>\n");
    } else
        html_lit(v->h, "<p>You may not see that: it may name a person. Ask your administrator.</p>\n");
}

void page_event(struct page_view *v)
{
    struct page_events one = {.left = 1};
    struct store_query q = {.state = -1, .limit = 1, .seqs = &v->query->seq, .n_seqs = 1};
    struct err e = {0};
    int failed = store_read(v->store, &q, page_events_add, &one, &e);
    page_begin(v, "An event", one.n ? NULL : "An event");
    if (failed < 0)
        page_failed(v, &e);
    else if (!one.n)
        html_lit(v->h, "<p>There is no event with this number.</p>\n");
    else
        page_event_shown(v, &one.list[0].event);
    page_end(v);
    page_events_release(&one);
}
