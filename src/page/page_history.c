/* SPDX-License-Identifier: MIT
 * page_history: who changed what by hand; and the keys, when each last matched. */
#include "page_view.h"

#include "words.h"

#include <stdlib.h>

#define DAY_MS INT64_C(86400000)
enum { KEY_OLD_DAYS = 30 };

/* ---- changes by hand ---- */

struct changes {
    struct page_view *v;
    int64_t n;
};

static void write_action(struct page_view *v, const struct store_past *p)
{
    static const struct {
        const char *action, *says;
    } words[] = {{"requeue", "let it be tried again"},
                 {"ack", "marked it as done"},
                 {"dead", "gave it up"},
                 {"accept", "accepted what was set aside"},
                 {"drop", "removed what was set aside"},
                 {"erase", "erased what was in it"},
                 {"prune", "emptied old events"},
                 {"import", "brought in events from a file"},
                 {"restore", "restored a backup"},
                 {"migrate", "brought the database up to date"},
                 {"sql", "changed the database directly"}};
    const char *says = NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_equal(p->action, span_of(words[i].action)))
            says = words[i].says;
    html_text(v->h, says ? span_of(says) : p->action);
    if (p->n > 1) {
        html_lit(v->h, ", ");
        html_number(v->h, p->n);
        html_lit(v->h, " of them");
    }
    if (p->from < 0 || p->to < 0 || p->from == p->to)
        return;
    html_lit(v->h, " (");
    page_state_word(v, p->from);
    html_lit(v->h, " \xe2\x86\x92 ");
    page_state_word(v, p->to);
    html_lit(v->h, ")");
}

static void write_who(struct page_view *v, const struct store_past *p)
{
    html_text(v->h, p->sudo_user.len ? p->sudo_user : p->user.len ? p->user : span_of("a program, unnamed"));
    if (p->sudo_user.len && p->user.len) {
        html_lit(v->h, " as ");
        html_text(v->h, p->user);
    }
    if (p->host.len) {
        html_lit(v->h, " on ");
        html_text(v->h, p->host);
    }
}

static void write_change(void *ctx, const struct store_past *p)
{
    struct changes *c = ctx;
    struct page_view *v = c->v;
    if (c->n++ == 0)
        html_lit(v->h,
                 "<table class=\"stack\"><caption>The newest first</caption><thead><tr><th scope=\"col\">When</th>"
                 "<th scope=\"col\">Who</th><th scope=\"col\">Did what</th><th scope=\"col\">Event</th>"
                 "<th scope=\"col\">Why</th></tr></thead><tbody>\n");
    html_lit(v->h, "<tr><td class=\"when\" data-h=\"When\">");
    html_time(v->h, p->at_ms, v->now_ms);
    html_lit(v->h, "</td><td data-h=\"Who\"><span>");
    write_who(v, p);
    html_lit(v->h, "</span></td><td data-h=\"Did\"><span>");
    write_action(v, p);
    html_lit(v->h, "</span></td><td data-h=\"Event\">");
    if (p->seq > 0) {
        html_lit(v->h, "<a ");
        page_link(v, "event&amp;seq", p->seq);
        html_lit(v->h, ">");
        words_type(v->h, p->type.len ? p->type : span_of("an event"));
        html_lit(v->h, "</a>");
    } else {
        html_lit(v->h, "-");
    }
    html_lit(v->h, "</td><td data-h=\"Why\">");
    html_text(v->h, p->reason.len ? p->reason : span_of("-"));
    html_lit(v->h, "</td></tr>\n");
}

void page_history_table(struct page_view *v, int64_t seq, int64_t limit)
{
    struct changes c = {v, 0};
    struct err e = {0};
    int failed = store_history(v->store, seq, 0, 0, limit, write_change, &c, &e);
    if (c.n)
        html_lit(v->h, "</tbody></table>\n");
    if (failed)
        page_failed(v, &e);
    else if (!c.n)
        html_lit(v->h, "<p>Nobody has changed anything by hand.</p>\n");
}

void page_history(struct page_view *v)
{
    page_begin(v, "Changes", "Changes by hand");
    html_lit(
        v->h,
        "<p>Whatever a person changed with the tool, or a program directly in the database. The latest 100.</p>\n");
    page_history_table(v, 0, PAGE_ROWS);
    page_end(v);
}

/* ---- keys ---- */

struct keys {
    size_t n;
    struct key {
        char endpoint[TEXT_NAME_MAX + 1], name[TEXT_NAME_MAX + 1];
        int64_t last_ms, matches;
    } key[FIGURES_SECRETS];
};

static bool name_fits(struct span name) { return name.len && name.len <= TEXT_NAME_MAX; }

static void take_key(void *ctx, const struct store_count *c)
{
    struct keys *all = ctx;
    size_t i = 0;
    while (i < all->n && !(span_equal(c->endpoint, span_of(all->key[i].endpoint)) &&
                           span_equal(c->secret, span_of(all->key[i].name))))
        i++;
    if (i == all->n) {
        if (!name_fits(c->endpoint) || !name_fits(c->secret) || all->n == FIGURES_SECRETS)
            return;
        memcpy(all->key[all->n].endpoint, c->endpoint.at, c->endpoint.len);
        memcpy(all->key[all->n++].name, c->secret.at, c->secret.len);
    }
    all->key[i].matches += c->n;
    if (c->last_ms > all->key[i].last_ms)
        all->key[i].last_ms = c->last_ms;
}

static void write_key(struct page_view *v, const struct key *key)
{
    struct html *h = v->h;
    html_lit(h, "<tr><td data-h=\"Key\">");
    html_text(h, span_of(key->name));
    html_lit(h, "</td><td data-h=\"Endpoint\">");
    html_text(h, span_of(key->endpoint));
    html_lit(h, "</td><td class=\"when\" data-h=\"Last used\">");
    html_time(h, key->last_ms, v->now_ms);
    html_lit(h, "</td><td class=\"n\" data-h=\"Deliveries\">");
    html_number(h, key->matches);
    html_lit(h, "</td><td data-h=\"Verdict\">");
    if (v->now_ms - key->last_ms > KEY_OLD_DAYS * DAY_MS)
        html_lit(h, "Not used for more than 30 days: may be taken away if a newer one is used");
    else
        html_lit(h, "In use");
    html_lit(h, "</td></tr>\n");
}

void page_keys(struct page_view *v)
{
    struct keys *all = calloc(1, sizeof *all);
    struct err e = {0};
    page_begin(v, "Keys", "Keys");
    html_lit(
        v->h,
        "<p>ComplyCube signs each delivery with a key (a webhook's secret). Only names of keys are shown, never their "
        "values.</p>\n");
    if (!all || store_totals(v->store, v->now_ms + FIGURES_FUTURE_MS, take_key, all, &e) != 0)
        page_failed(v, &e);
    else if (!all->n)
        html_lit(v->h, "<p>No key has matched a delivery yet.</p>\n");
    else {
        html_lit(
            v->h,
            "<table class=\"stack\"><caption>Keys that have matched a delivery</caption><thead><tr><th scope=\"col\">Key"
            "</th><th scope=\"col\">Endpoint</th><th scope=\"col\">Last used</th><th scope=\"col\" class=\"n\">Deliveries"
            "</th><th scope=\"col\">Verdict</th></tr></thead><tbody>\n");
        for (size_t i = 0; i < all->n; i++)
            write_key(v, &all->key[i]);
        html_lit(v->h, "</tbody></table>\n");
    }
    free(all);
    page_end(v);
}
