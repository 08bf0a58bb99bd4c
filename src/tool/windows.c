/* SPDX-License-Identifier: MIT
 * windows: a list that changes while it is read, without loss.
 *
 * Pages by number lose items: an item that changes moves, and the items after it move up by one. So a page is asked for
 * by time, and where more matches than a page has, the time is halved. */
#include "windows.h"

#include "base/clock.h"
#include "base/json.h"
#include "vendor.h"

#include <stdio.h>

enum { HALVES_MAX = 64 /* of a time in ms */, PASSES_MAX = 6 };

struct range {
    int64_t from_ms, to_ms;
};

/* An answer that is read. */
struct window {
    const struct windows_list *list;
    struct range range;
    struct api_page page;
    bool all;     /* visit the items even of an answer that is not whole */
    uint64_t sum; /* of the items' texts */
};

int windows_check_deadline(int64_t end_ms, struct err *e)
{
    if (!end_ms || clock_ms() < end_ms)
        return 0;
    return err_set(e, ERR_NOT_FOUND, "the time of --max-time is over; run it again, and it goes on");
}

static int refuse_filter(const struct windows_list *list, struct err *e)
{
    return err_set(e, ERR_REMOTE, "the filters %s and %s of %s do not work as documented", list->after, list->before,
                   list->path);
}

static int visit_window(void *ctx, struct span item, struct err *e)
{
    struct window *w = ctx;
    struct json_wanted time = {.name = w->list->member};
    json_pick(item, &time, 1);
    int64_t ms = vendor_time(time.value);
    if (ms < 0)
        return err_set(e, ERR_REMOTE, "the API's answer to %s cannot be read: an item has no %s", w->list->path,
                       w->list->member);
    if (ms < w->range.from_ms || ms > w->range.to_ms)
        return refuse_filter(w->list, e);
    w->sum += json_hash(item) * 31 + 1;
    return w->all || w->page.total <= API_PAGE_MAX ? w->list->item(w->list->ctx, item, e) : 0;
}

static int ask_window(struct window *w, bool pages, struct err *e)
{
    const struct windows_list *list = w->list;
    char after[API_TIME], before[API_TIME], size[16];
    struct api_param params[5];
    size_t n = 0;
    params[n++] = (struct api_param){list->after, api_time(w->range.from_ms - 1, after)};
    if (w->range.to_ms < INT64_MAX)
        params[n++] = (struct api_param){list->before, api_time(w->range.to_ms + 1, before)};
    for (size_t i = 0; i < list->n; i++)
        params[n++] = list->filter[i];
    w->sum = 0;
    struct api_request q = {.path = list->path, .params = params, .n_params = n};
    if (windows_check_deadline(list->end_ms, e) != 0)
        return -1;
    if (pages)
        return api_list_all(list->account->api, &q, API_PAGE_MAX, visit_window, w, &w->page, e);
    snprintf(size, sizeof size, "%d", API_PAGE_MAX);
    params[q.n_params++] = (struct api_param){"pageSize", size};
    return api_list(list->account->api, &q, visit_window, w, &w->page, e);
}

static int end_page(const struct windows_list *list, struct err *e)
{
    return list->page_end ? list->page_end(list->ctx, e) : 0;
}

/* More of one millisecond than a page has: by pages, until two passes saw the same. */
static int read_crowd(struct window *w, struct err *e)
{
    uint64_t before = 0;
    w->all = true;
    for (int i = 0; i < PASSES_MAX; i++) {
        if (ask_window(w, true, e) != 0 || end_page(w->list, e) != 0)
            return -1;
        if (i && w->sum == before)
            return 0;
        before = w->sum;
    }
    return err_set(e, ERR_BUSY, "%s changes faster than it can be read; try again later", w->list->path);
}

/* In the middle; what has no end is cut at the present. */
static int64_t middle(const struct account *a, const struct range *range)
{
    int64_t offset_ms = 0, to_ms = range->to_ms;
    if (to_ms == INT64_MAX) {
        api_offset_ms(a->api, &offset_ms);
        to_ms = clock_time_ms() + offset_ms;
        if (to_ms <= range->from_ms)
            return range->from_ms;
    }
    return range->from_ms + (to_ms - range->from_ms) / 2;
}

int windows_read(const struct windows_list *list, int64_t from_ms, int64_t to_ms, struct err *e)
{
    struct range open[HALVES_MAX + 2] = {{from_ms, to_ms}}; /* the earliest is the last */
    for (size_t n = 1; n > 0;) {
        struct window w = {.list = list, .range = open[--n]};
        if (ask_window(&w, false, e) != 0)
            return -1;
        if (w.page.total <= API_PAGE_MAX && (int64_t)w.page.n >= w.page.total) {
            if (end_page(list, e) != 0)
                return -1;
            continue;
        }
        if (w.range.from_ms == w.range.to_ms) {
            if (read_crowd(&w, e) != 0)
                return -1;
            continue;
        }
        if (n + 2 > sizeof open / sizeof *open)
            return refuse_filter(list, e);
        int64_t mid = middle(list->account, &w.range);
        open[n++] = (struct range){mid + 1, w.range.to_ms};
        open[n++] = (struct range){w.range.from_ms, mid};
    }
    return 0;
}
