/* SPDX-License-Identifier: MIT
 * questions_api: what ComplyCube's pages leave open, asked of its API, by reading only. */
#include "base/json.h"
#include "questions.h"
#include "tool/vendor.h"

#include <stdio.h>
#include <stdlib.h>

enum { NEAR_MS = 2000, CLIENTS = 10 };

/* An error is an answer, too: its word says enough, and its message may name somebody. */
static bool may_go_on(const struct err *e)
{
    return e->code == ERR_REMOTE || e->code == ERR_USAGE || e->code == ERR_NOT_FOUND;
}

/* ---- lists ---- */

struct item {
    char id[API_ID_MAX + 1], status[64];
    int64_t created_ms, updated_ms;
    bool any;
};

static int take_first(void *ctx, struct span json, struct err *e)
{
    struct item *first = ctx;
    struct json_wanted w[] = {{.name = "id"}, {.name = "status"}, {.name = "createdAt"}, {.name = "updatedAt"}};
    (void)e;
    if (first->any)
        return 0;
    json_pick(json, w, sizeof w / sizeof *w);
    first->any = api_text(w[0].value, first->id, sizeof first->id);
    api_text(w[1].value, first->status, sizeof first->status);
    first->created_ms = vendor_time(w[2].value);
    first->updated_ms = vendor_time(w[3].value);
    return 0;
}

struct search {
    const char *id;
    bool found;
};

static int search_item(void *ctx, struct span json, struct err *e)
{
    struct search *s = ctx;
    struct item one = {0};
    take_first(&one, json, e);
    s->found |= one.any && strcmp(one.id, s->id) == 0;
    return 0;
}

/* A list, and the parameter that it requires. */
struct list {
    const char *path, *client;
};

static int ask_list(struct questions *q, const struct list *l, const char *name, const char *value, const char *size,
                    api_item *visit, void *ctx, struct api_page *page, struct err *e)
{
    struct api_param params[3] = {{"pageSize", size}};
    size_t n = 1;
    if (l->client)
        params[n++] = (struct api_param){"clientId", l->client};
    if (name)
        params[n++] = (struct api_param){name, value};
    const struct api_request request = {.path = l->path, .params = params, .n_params = n};
    return api_list(q->account->api, &request, visit, ctx, page, e);
}

/* ---- 1: the filters of time ---- */

/* Is the item shown with this time in the filter? 1, 0, or -1 and *e. */
static int shows(struct questions *q, const struct list *l, const char *filter, int64_t ms, const struct item *item,
                 struct err *e)
{
    char time[API_TIME];
    struct search s = {item->id, false};
    struct api_page page;
    return ask_list(q, l, filter, api_time(ms, time), "1000", search_item, &s, &page, e) != 0 ? -1 : s.found;
}

static const char *judge_filter(struct questions *q, const struct list *l, const char *filter, int64_t ms,
                                const struct item *item, struct err *e)
{
    int64_t step_ms = strstr(filter, "After") ? 1 : -1;
    int within = ms < 0 ? -2 : shows(q, l, filter, ms - step_ms, item, e);
    if (within == -2)
        return "no such time";
    if (within <= 0)
        return within < 0 ? err_word(e->code) : "does not find it";
    int same = shows(q, l, filter, ms, item, e), beyond = same > 0 ? shows(q, l, filter, ms + step_ms, item, e) : 0;
    if (same < 0 || beyond < 0)
        return err_word(e->code);
    return beyond ? "counts for nothing" : same ? "works, its own time included" : "works";
}

static int ask_filters(struct questions *q, const struct list *l, struct item *newest, struct err *e)
{
    static const char *const filters[] = {"createdAfter", "createdBefore", "updatedAfter", "updatedBefore"};
    char about[64];
    struct api_page page;
    struct err why = {0};
    int result = ask_list(q, l, NULL, NULL, "1", take_first, newest, &page, &why);
    for (size_t i = 0; i < 4 && (result == 0 || may_go_on(&why)); i++) {
        snprintf(about, sizeof about, "%s %s", l->path + 1, filters[i]);
        if (result != 0 || !newest->any) {
            questions_answer(q, 1, l->path + 1, "%s",
                             result != 0 ? err_word(why.code) : "nothing is there to ask about");
            return 0;
        }
        questions_answer(
            q, 1, about, "%s",
            judge_filter(q, l, filters[i], i < 2 ? newest->created_ms : newest->updated_ms, newest, &why));
        result = why.code == ERR_NONE ? 0 : -1;
    }
    if (result == 0 || may_go_on(&why))
        return 0;
    *e = why;
    return -1;
}

/* ---- 2, 3: what is refused ---- */

static int ask_refused(struct questions *q, int number, const char *about, const struct list *l, const char *size,
                       struct err *e)
{
    struct err why = {0};
    struct item first = {0};
    struct api_page page;
    if (ask_list(q, l, NULL, NULL, size, take_first, &first, &page, &why) == 0)
        questions_answer(q, number, about, "no: 200, %zu items", page.n);
    else if (why.code == ERR_USAGE)
        questions_answer(q, number, about, "yes");
    else if (may_go_on(&why))
        questions_answer(q, number, about, "another error: %s", err_word(why.code));
    else {
        *e = why;
        return -1;
    }
    return 0;
}

/* ---- 4, 5: what the audit log has ---- */

struct entries {
    char names[QUESTIONS_NAMES];
    int64_t at_ms; /* the change that is looked for */
    bool near;
    int64_t image_ms; /* the latest that tells of an image; -1: none */
};

static int note_action(void *ctx, struct span json, struct err *e)
{
    struct entries *n = ctx;
    char action[64], trigger[64], both[140];
    struct json_wanted w[] = {{.name = "action"}, {.name = "trigger"}, {.name = "createdAt"}};
    (void)e;
    json_pick(json, w, sizeof w / sizeof *w);
    api_text(w[0].value, action, sizeof action);
    api_text(w[1].value, trigger, sizeof trigger);
    int64_t ms = vendor_time(w[2].value);
    n->near |= llabs(ms - n->at_ms) <= NEAR_MS;
    if ((strstr(trigger, "mage") || strstr(trigger, "pload")) && ms > n->image_ms)
        n->image_ms = ms;
    snprintf(both, sizeof both, "%s %s", action, trigger);
    questions_add_name(n->names, both);
    return 0;
}

static int read_entries(struct questions *q, const struct item *item, struct entries *n, struct err *e)
{
    const struct list log = {"/auditLogs", NULL};
    struct api_page page;
    *n = (struct entries){.at_ms = item->updated_ms, .image_ms = -1};
    return ask_list(q, &log, "resourceId", item->id, "100", note_action, n, &page, e);
}

static int take_complete(void *ctx, struct span json, struct err *e)
{
    struct item *found = ctx, one = {0};
    take_first(&one, json, e);
    if (!found->any && strcmp(one.status, "complete") == 0)
        *found = one;
    return 0;
}

static int ask_completion(struct questions *q, struct err *e)
{
    static const char about[] = "a completed check in the audit log";
    const struct list checks = {"/checks", NULL};
    struct item check = {0};
    struct entries n;
    struct api_page page;
    if (ask_list(q, &checks, NULL, NULL, "100", take_complete, &check, &page, e) != 0)
        return -1;
    if (!check.any) {
        questions_answer(q, 4, about, "no check is complete");
        return 0;
    }
    if (read_entries(q, &check, &n, e) != 0)
        return -1;
    questions_answer(q, 4, about, "%s; its entries: %s", n.near ? "yes" : "no entry of the time when it changed",
                     *n.names ? n.names : "none");
    return 0;
}

static int ask_document(struct questions *q, const struct item *document, const struct item *client, struct err *e)
{
    struct entries n;
    questions_answer(q, 5, "a document's change in the client", "%s",
                     client->updated_ms < document->updated_ms - NEAR_MS
                         ? "no: the client's updatedAt stays"
                         : "cannot be told: the client changed as late");
    if (read_entries(q, document, &n, e) != 0)
        return -1;
    questions_answer(q, 5, "an image in the document", "%s",
                     n.image_ms < 0                                 ? "no entry of an image"
                     : document->updated_ms < n.image_ms - NEAR_MS  ? "no: the document's updatedAt stays"
                     : document->updated_ms <= n.image_ms + NEAR_MS ? "yes: it changes the document's updatedAt"
                                                                    : "cannot be told: the document changed later");
    return 0;
}

/* ---- 1, 3, 5: what belongs to a client ---- */

struct clients {
    struct item list[CLIENTS];
    size_t n;
};

static int take_client(void *ctx, struct span json, struct err *e)
{
    struct clients *all = ctx;
    return all->n < CLIENTS ? take_first(&all->list[all->n++], json, e) : 0;
}

/* The filters of a list that is of one client: of the first client that has something. */
static int ask_owned(struct questions *q, const char *path, const struct clients *all, struct item *newest,
                     const struct item **owner, struct err *e)
{
    struct api_page page;
    *owner = NULL;
    for (size_t i = 0; i < all->n && !newest->any; i++) {
        const struct list l = {path, all->list[i].id};
        if (ask_list(q, &l, NULL, NULL, "1", take_first, newest, &page, e) != 0)
            return -1;
        *owner = &all->list[i];
    }
    if (!newest->any) {
        questions_answer(q, 1, path + 1, "the newest %zu clients have none", all->n);
        return 0;
    }
    *newest = (struct item){0};
    return ask_filters(q, &(struct list){path, (*owner)->id}, newest, e);
}

static int ask_clients(struct questions *q, struct err *e)
{
    const struct list clients = {"/clients", NULL}, none = {"/documents", NULL};
    struct clients all = {.n = 0};
    struct item document = {0}, address = {0};
    const struct item *owner, *other;
    struct api_page page;
    if (ask_list(q, &clients, NULL, NULL, "10", take_client, &all, &page, e) != 0 ||
        ask_owned(q, "/documents", &all, &document, &owner, e) != 0 ||
        ask_owned(q, "/addresses", &all, &address, &other, e) != 0 ||
        ask_refused(q, 3, "documents without clientId refused", &none, "1", e) != 0)
        return -1;
    if (document.any)
        return ask_document(q, &document, owner, e);
    questions_answer(q, 5, "a document's change in the client", "no document is there");
    return 0;
}

/* ---- 6, 7: limits ---- */

static void tell_limits(struct questions *q)
{
    const struct api_limits *l = api_limits(q->account->api);
    if (l->refused)
        questions_answer(q, 6, "Retry-After with 429", "%lld of %lld answers had it", (long long)l->with_retry_after,
                         (long long)l->refused);
    else
        questions_answer(q, 6, "Retry-After with 429", "no 429 came in %lld requests",
                         (long long)api_requests(q->account->api));
    questions_answer(q, 7, "headers that tell the rate", "%s", *l->headers ? l->headers : "none");
}

int questions_ask_api(struct questions *q, struct err *e)
{
    static const struct list lists[] = {{"/checks", NULL},
                                        {"/clients", NULL},
                                        {"/workflowSessions", NULL},
                                        {"/auditLogs", NULL},
                                        {"/webhooks", NULL}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (ask_filters(q, &lists[i], &(struct item){0}, e) != 0)
            return -1;
    struct err why = {0};
    if (ask_refused(q, 2, "pageSize 0 refused", &lists[0], "0", e) != 0 ||
        ask_refused(q, 2, "pageSize 1001 refused", &lists[0], "1001", e) != 0)
        return -1;
    bool failed = ask_clients(q, &why) != 0;
    if (failed && may_go_on(&why))
        questions_answer(q, 5, "documents and addresses", "an error: %s", err_word(why.code));
    if (!failed || may_go_on(&why))
        failed = ask_completion(q, &why) != 0;
    if (failed && may_go_on(&why))
        questions_answer(q, 4, "a completed check in the audit log", "an error: %s", err_word(why.code));
    if (failed && !may_go_on(&why)) {
        *e = why;
        return -1;
    }
    tell_limits(q);
    return 0;
}
