/* SPDX-License-Identifier: MIT
 * page_find: what somebody looks for, by whatever id they have. */
#include "page_view.h"

void page_find_form(struct page_view *v)
{
    html_lit(
        v->h,
        "<p>Enter the id of a client, a check, a document, an address, a workflow session or an event, as it stands "
        "in ComplyCube's portal or in your own program; or an event's number.</p>\n"
        "<form class=\"filter\" method=\"post\" action=\"?view=find\"><div><label for=\"find\">Id or number</label>"
        "<input id=\"find\" type=\"search\" name=\"find\" maxlength=\"255\" autocomplete=\"off\" spellcheck=\"false\" "
        "required></div><button>Find</button></form>\n"
        "<form class=\"filter\" method=\"get\" action=\"?\"><input type=\"hidden\" name=\"view\" value=\"events\"><div>"
        "<label for=\"day\">Or all that came on a day</label><input id=\"day\" name=\"day\" type=\"date\" required>"
        "</div><button>Show</button></form>\n");
}

static void show_rows(struct page_view *v, const struct page_events *all, const char *caption)
{
    html_lit(v->h, "<h1>Found</h1>\n");
    page_table(v, caption);
    for (size_t i = 0; i < all->n; i++)
        page_row(v, &all->list[i].event);
    page_table_end(v);
}

/* By number or event id; two endpoints may have the same event. 1: it was shown; 0: not found; or -1 and *e. */
static int find_event(struct page_view *v, struct err *e)
{
    struct page_events all = {.left = PAGE_ROWS};
    int failed = store_find(v->store, span_of(v->query->find), page_events_add, &all, e);
    bool none = failed && e->code == ERR_NOT_FOUND;
    if (all.n == 1)
        page_event_shown(v, &all.list[0].event);
    else if (all.n)
        show_rows(v, &all, "Events with this id");
    page_events_release(&all);
    return none ? 0 : failed ? -1 : 1;
}

static int find_resource(struct page_view *v, struct err *e)
{
    struct page_events all = {.left = PAGE_ROWS};
    struct store_query q = {.state = -1, .limit = PAGE_ROWS + 1, .resource_id = v->query->find};
    int failed = store_read(v->store, &q, page_events_add, &all, e);
    bool client = all.n && span_equal(all.list[0].event.resource_type, span_of("client"));
    if (client)
        page_client_shown(v, v->query->find, NULL);
    else if (all.n)
        show_rows(v, &all, "Events of this one, the newest first");
    int found = all.n > 0;
    page_events_release(&all);
    return failed < 0 ? -1 : found;
}

static int find_client(struct page_view *v, struct err *e)
{
    struct page_events one = {.left = 1};
    struct store_query q = {.state = -1, .limit = 1, .client_id = v->query->find};
    int failed = store_read(v->store, &q, page_events_add, &one, e), found = one.n > 0;
    if (found)
        page_client_shown(v, v->query->find, NULL);
    page_events_release(&one);
    return failed < 0 ? -1 : found;
}

struct set_aside {
    struct page_view *v;
    int n;
};

static void show_aside(void *ctx, const struct store_quarantined *row)
{
    struct set_aside *a = ctx;
    if (!row->event_id.at || !span_equal(row->event_id, span_of(a->v->query->find)))
        return;
    if (a->n++ == 0)
        html_lit(a->v->h, "<h1>Found</h1>\n");
    html_lit(a->v->h, "<p>A delivery with this event's id <a ");
    page_link(a->v, "quarantine&amp;number", row->id);
    html_lit(a->v->h, ">was set aside</a>.</p>\n");
}

static int find_aside(struct page_view *v, struct err *e)
{
    struct set_aside a = {v, 0};
    return store_list_quarantine(v->store, 0, NULL, show_aside, &a, e) != 0 ? -1 : a.n > 0;
}

void page_find(struct page_view *v)
{
    static int (*const ways[])(struct page_view *, struct err *) = {find_event, find_resource, find_client,
                                                                    find_aside};
    struct err e = {0};
    int found = 0;
    page_begin(v, "Find", *v->query->find ? NULL : "Find");
    for (size_t i = 0; *v->query->find && !found && i < sizeof ways / sizeof *ways; i++)
        found = ways[i](v, &e);
    if (found <= 0 && *v->query->find)
        html_lit(v->h, "<h1>Not found</h1>\n");
    if (found < 0)
        page_failed(v, &e);
    if (!found && *v->query->find)
        html_lit(
            v->h,
            "<div class=\"say note\" role=\"status\"><strong>Nothing has this id.</strong> No event of it has arrived "
            "here, or it was erased. Look whether the whole id was copied; and see what was "
            "<a href=\"?view=refused\">refused</a> or <a href=\"?view=quarantine\">set aside</a>.</div>\n");
    if (found <= 0)
        page_find_form(v);
    page_end(v);
}
