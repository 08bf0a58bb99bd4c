/* SPDX-License-Identifier: MIT
 * page_words: what ComplyCube's words and ours mean, and events as rows. */
#include "page_view.h"

#include "words.h"

#include <stdlib.h>

/* ---- words ---- */

void page_state_word(struct page_view *v, int state)
{
    switch (state) {
    case STORE_STATE_WAITING: html_lit(v->h, "waiting"); break;
    case STORE_STATE_DONE: html_lit(v->h, "done"); break;
    case STORE_STATE_DEAD: html_lit(v->h, "given up"); break;
    case STORE_STATE_IGNORED: html_lit(v->h, "not asked for"); break;
    default: html_lit(v->h, "-");
    }
}

/* Of those that wait, what for. */
static void write_waiting(struct page_view *v, const struct store_event *e)
{
    bool later = e->due_ms > v->now_ms;
    html_lit(v->h, "<span class=\"tag waiting\">");
    if (later && e->claimed)
        html_lit(v->h, "Being worked on");
    else if (later)
        html_lit(v->h, "Next try later");
    else
        html_lit(v->h, "Waiting");
    html_lit(v->h, "</span>");
    if (!later)
        return;
    if (e->claimed)
        html_lit(v->h, " for up to ");
    else
        html_lit(v->h, " in ");
    html_span(v->h, e->due_ms - v->now_ms);
}

void page_state(struct page_view *v, const struct store_event *e)
{
    switch (e->state) {
    case STORE_STATE_WAITING: write_waiting(v, e); break;
    case STORE_STATE_DONE: html_lit(v->h, "<span class=\"tag done\">Done</span>"); break;
    case STORE_STATE_DEAD: html_lit(v->h, "<span class=\"tag dead\">Given up</span>"); break;
    case STORE_STATE_IGNORED: html_lit(v->h, "<span class=\"tag other\">Not asked for</span>"); break;
    default: html_lit(v->h, "<span class=\"tag other\">Unknown</span>");
    }
    if (e->superseded && e->state != STORE_STATE_DONE)
        html_lit(v->h, ", replaced by a newer one");
}

void page_result(struct page_view *v, const struct store_event *e)
{
    if (e->outcome.len)
        words_of(v->h, e->outcome);
    else if (e->status.len)
        words_of(v->h, e->status);
    else
        html_lit(v->h, "-");
}

/* ---- events in a table ---- */

void page_table(struct page_view *v, const char *caption)
{
    html_lit(v->h, "<table class=\"stack\"><caption>");
    html_text(v->h, span_of(caption));
    html_lit(v->h, "</caption><thead><tr><th scope=\"col\">Received</th><th scope=\"col\">What happened</th>"
                   "<th scope=\"col\">Result</th><th scope=\"col\">State</th><th scope=\"col\">Client</th>");
    if (v->config->n_endpoints > 1)
        html_lit(v->h, "<th scope=\"col\">Endpoint</th>");
    html_lit(v->h, "</tr></thead><tbody>\n");
}

void page_row(struct page_view *v, const struct store_event *e)
{
    struct html *h = v->h;
    html_lit(h, "<tr><td class=\"when\" data-h=\"Received\">");
    html_time(h, e->received_ms, v->now_ms);
    html_lit(h, "</td><td data-h=\"Event\"><a ");
    page_link(v, "event&amp;seq", e->seq);
    html_lit(h, ">");
    words_type(v->h, e->type);
    html_lit(h, "</a></td>");
    if (e->outcome.len || e->status.len) {
        html_lit(h, "<td data-h=\"Result\">");
        page_result(v, e);
    } else {
        html_lit(h, "<td class=\"none\">-");
    }
    html_lit(h, "</td><td data-h=\"State\"><span>");
    page_state(v, e);
    html_lit(h, "</span></td>");
    if (e->client_id.len) {
        html_lit(h, "<td data-h=\"Client\"><a class=\"id\" ");
        page_link(v, "client&amp;seq", e->seq);
        html_lit(h, ">");
        words_id(h, e->client_id);
        html_lit(h, "</a>");
    } else {
        html_lit(h, "<td class=\"none\">-");
    }
    if (v->config->n_endpoints > 1) {
        html_lit(h, "</td><td data-h=\"Endpoint\">");
        html_text(h, e->endpoint);
    }
    html_lit(h, "</td></tr>\n");
}

void page_table_end(struct page_view *v) { html_lit(v->h, "</tbody></table>\n"); }

/* ---- events, copied ---- */

static size_t copy_texts(struct store_event *e, char *to)
{
    struct span *const spans[] = {&e->endpoint,    &e->id,        &e->type,   &e->resource_type,
                                  &e->resource_id, &e->client_id, &e->status, &e->outcome,
                                  &e->source,      &e->secret,    &e->owner,  &e->error};
    size_t len = 0;
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        if (to && spans[i]->len)
            spans[i]->at = memcpy(to + len, spans[i]->at, spans[i]->len);
        len += spans[i]->len;
    }
    return len;
}

void page_events_add(void *ctx, const struct store_event *e)
{
    struct page_events *all = ctx;
    all->more |= all->left == 0;
    if (all->left == 0)
        return;
    struct page_event_copy *list =
        all->n & (all->n - 1) ? all->list : realloc(all->list, (all->n ? 2 * all->n : 1) * sizeof *list);
    if (!list)
        return;
    all->list = list;
    struct page_event_copy *copy = &list[all->n];
    copy->event = *e;
    copy->event.payload = copy->event.body = copy->event.signature = (struct span){0};
    copy->text = malloc(copy_texts(&copy->event, NULL) + 1);
    if (!copy->text)
        return;
    copy_texts(&copy->event, copy->text);
    all->n++;
    all->left--;
}

void page_events_release(struct page_events *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->list[i].text);
    free(all->list);
}
