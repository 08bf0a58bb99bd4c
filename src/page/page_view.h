/* SPDX-License-Identifier: MIT
 *
 * page_view: what a view of the page is written with: its frame, and words for those who do not know the database.
 */
#ifndef PAGE_VIEW_H
#define PAGE_VIEW_H

#include "health/figures.h"
#include "page.h"
#include "store/store.h"

enum { PAGE_ROWS = 100, PAGE_DEADLINE_MS = 2000 };

struct page_view {
    const struct config *config;
    const struct page_request *request;
    const struct page_query *query;
    struct store *store; /* NULL: it could not be opened, for the reason `why` */
    struct err why;
    struct html *h;
    int64_t now_ms;
    bool may_payload;
    int status;
};

/* Open the store; where it cannot be, `why` says so. The first page does it itself, for all others it is done. */
void page_open(struct page_view *v);

/* Open the page: `title` is the text of its tab, `heading` of its h1; NULL: the view writes that. */
void page_begin(struct page_view *v, const char *title, const char *heading);
void page_end(struct page_view *v);

/* A box that says why a part of the page cannot be shown: of a read that failed. */
void page_failed(struct page_view *v, const struct err *e);

/* ---- words ---- */

void page_state(struct page_view *v, const struct store_event *e);
void page_result(struct page_view *v, const struct store_event *e); /* its outcome, else its status, else "-" */
void page_state_word(struct page_view *v, int state);               /* of the history */

/* ---- events in a table: begin, each row, end ---- */

void page_table(struct page_view *v, const char *caption);
void page_row(struct page_view *v, const struct store_event *e);
void page_table_end(struct page_view *v);

/* href="?view=VIEW&amp;seq=N" with its quotes */
#define page_link(v, literal, n) \
    (html_lit((v)->h, "href=\"?view=" literal "="), html_value((v)->h, n), html_lit((v)->h, "\""))

/* Events that outlive their read; the zero value takes none. */
struct page_events {
    struct page_event_copy {
        struct store_event event; /* without payload, body and signature */
        char *text;
    } * list; /* n of them; a power of two is room */
    size_t n;
    int64_t left; /* how many more are taken */
    bool more;    /* there were more */
};
void page_events_add(void *ctx, const struct store_event *e); /* a store_each */
void page_events_release(struct page_events *all);

/* ---- the views ---- */

void page_glance(struct page_view *v);
void page_list(struct page_view *v);
void page_event(struct page_view *v);
void page_contents(struct page_view *v);
void page_client(struct page_view *v);
void page_resource(struct page_view *v);
void page_find(struct page_view *v);
void page_quarantine(struct page_view *v);
void page_refused(struct page_view *v);
void page_keys(struct page_view *v);
void page_history(struct page_view *v);

/* Parts that several have. */
void page_event_shown(struct page_view *v, const struct store_event *e);
void page_client_shown(struct page_view *v, const char *client, const char *endpoint);
void page_history_table(struct page_view *v, int64_t seq, int64_t limit);
void page_find_form(struct page_view *v);

#endif
