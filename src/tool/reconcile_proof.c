/* SPDX-License-Identifier: MIT
 * reconcile_proof: does the API do what its pages say of filters?
 *
 * source: docs.complycube.com, "Filtering": an unknown filter or operator is answered by 200 and no items */
#include "reconcile.h"

#include "base/json.h"

static const char never[] = "2100-01-01T00:00:00.000Z";

/* What is looked for in an answer. */
struct probe {
    char id[API_ID_MAX + 1], type[64], action[64]; /* of the newest item; then it is that which must be there */
    int64_t time_ms;
    const char *member;
    bool any, found;
};

static int note_newest(void *ctx, struct span item, struct err *e)
{
    struct probe *p = ctx;
    struct json_wanted w[] = {{.name = "id"}, {.name = p->member}, {.name = "resourceType"}, {.name = "action"}};
    (void)e;
    json_pick(item, w, sizeof w / sizeof *w);
    p->any = true;
    p->time_ms = vendor_time(w[1].value);
    api_text(w[0].value, p->id, sizeof p->id);
    api_text(w[2].value, p->type, sizeof p->type);
    api_text(w[3].value, p->action, sizeof p->action);
    return 0;
}

static int look_for_newest(void *ctx, struct span item, struct err *e)
{
    struct probe *p = ctx;
    struct json_wanted id = {.name = "id"};
    char text[API_ID_MAX + 1];
    (void)e;
    json_pick(item, &id, 1);
    p->found |= api_text(id.value, text, sizeof text) && strcmp(text, p->id) == 0;
    return 0;
}

static int ask_probe(struct reconcile *r, const char *path, const struct api_param *params, size_t n, api_item *visit,
                     struct probe *p, struct api_page *page, struct err *e)
{
    const struct api_request q = {.path = path, .params = params, .n_params = n};
    return windows_check_deadline(r->end_ms, e) != 0 ? -1 : api_list(r->account->api, &q, visit, p, page, e);
}

static int refuse_list(const char *path, const char *after, const char *before, struct err *e)
{
    return err_set(e, ERR_REMOTE, "the filters %s and %s of %s do not work as documented: nothing is recorded", after,
                   before, path);
}

/* The newest item must be among those since just before its time, and nobody's time is in 2100. */
static int prove_list(struct reconcile *r, const char *path, const char *after, const char *before, struct probe *p,
                      struct err *e)
{
    struct api_page page;
    char time[API_TIME];
    const struct api_param one[] = {{"pageSize", "1"}}, none[] = {{after, never}, {"pageSize", "1"}};
    if (ask_probe(r, path, one, 1, note_newest, p, &page, e) != 0)
        return -1;
    if (!p->any)
        return 0; /* there is nothing to be missed */
    if (p->time_ms < 0)
        return err_set(e, ERR_REMOTE, "the API's answer to %s cannot be read: an item has no %s", path, p->member);
    const struct api_param some[] = {{after, api_time(p->time_ms - 1, time)},
                                     {before, never},
                                     {"pageSize", "1000"},
                                     {"resourceType", p->type},
                                     {"action", p->action}};
    if (ask_probe(r, path, some, *p->type ? 5 : 3, look_for_newest, p, &page, e) != 0)
        return -1;
    if (!p->found && page.total <= (int64_t)page.n)
        return refuse_list(path, after, before, e);
    if (ask_probe(r, path, none, 2, look_for_newest, p, &page, e) != 0)
        return -1;
    return page.total == 0 && page.n == 0 ? 0 : refuse_list(path, after, before, e);
}

int reconcile_prove(struct reconcile *r, const char *path, struct err *e)
{
    struct probe p = {.member = "updatedAt"};
    return prove_list(r, path, "updatedAfter", "updatedBefore", &p, e);
}

int reconcile_prove_audit(struct reconcile *r, struct err *e)
{
    struct probe p = {.member = "createdAt"};
    return prove_list(r, "/auditLogs", "createdAfter", "createdBefore", &p, e);
}
