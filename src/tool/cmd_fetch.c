/* SPDX-License-Identifier: MIT
 * cmd_fetch: the objects of events, as they are now. They are printed and never stored. */
#include "account.h"
#include "base/clock.h"
#include "base/print.h"
#include "json_out.h"
#include "new_file.h"
#include "vendor.h"

#include <stdlib.h>

/* An event, and the resource that it is about. */
struct wanted {
    int64_t seq;
    enum vendor_kind kind;
    char type[EVENT_FIELD_MAX + 1], id[EVENT_FIELD_MAX + 1];
    const char *why; /* why its object cannot be asked for; NULL: it can */
};

struct fetch {
    const struct cmd *cmd;
    struct account *account;
    struct wanted *list;
    size_t n;
    FILE *to;
    int64_t unasked;
};

static void take_wanted(void *ctx, const struct store_event *v)
{
    struct fetch *x = ctx;
    struct wanted *w = &x->list[x->n++];
    *w = (struct wanted){.seq = v->seq, .kind = vendor_kind(v->resource_type)};
    snprintf(w->type, sizeof w->type, "%.*s", (int)v->resource_type.len,
             v->resource_type.at ? v->resource_type.at : "");
    snprintf(w->id, sizeof w->id, "%.*s", (int)v->resource_id.len, v->resource_id.at ? v->resource_id.at : "");
    w->why = !span_equal(v->endpoint, span_of(x->account->endpoint->name)) ? "it is of another endpoint"
             : v->erased_ms || !*w->id                                     ? "it names no resource, or was erased"
             : w->kind == VENDOR_KINDS ? "its resource type has no path in the API"
                                       : NULL;
}

static int compare_resources(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    int order = strcmp(x->type, y->type);
    order = order ? order : strcmp(x->id, y->id);
    return order ? order : x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void print_fetched(struct fetch *x, const struct wanted *w, int status, struct span object, int64_t at_ms)
{
    char at[API_TIME];
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "seq", w->seq);
    json_out_text(j, "resource_type", span_of(w->type));
    json_out_text(j, "resource_id", span_of(w->id));
    json_out_number(j, "status", status);
    if (status)
        json_out_text(j, "fetched_at", span_of(api_time(at_ms, at)));
    else
        json_out_text(j, "why", span_of(w->why));
    json_out_raw(j, "object", status == 200 ? object : (struct span){0});
    json_out_print_to(x->to, j);
    x->unasked += status == 0;
}

/* Is this resource, or its client, one that was erased? */
static int check_forgotten(const struct fetch *x, struct wanted *w, struct err *e)
{
    enum store_known known = STORE_KNOWS_NONE;
    const struct store_object o = {
        .endpoint = x->account->endpoint->name, .type = span_of(w->type), .id = span_of(w->id)};
    if (store_know(x->cmd->store, &o, &known, e) != 0)
        return -1;
    if (known == STORE_HAS_FORGOTTEN)
        w->why = "its resource was erased";
    return 0;
}

/* The events of one resource, from `first` on: one request for them. How many there are, or -1 and *e. */
static int64_t fetch_one(struct fetch *x, size_t first, struct err *e)
{
    struct wanted *w = &x->list[first];
    struct span object = {0};
    size_t n = 1;
    while (first + n < x->n && strcmp(w->id, w[n].id) == 0 && strcmp(w->type, w[n].type) == 0)
        n++;
    if (!w->why && check_forgotten(x, w, e) != 0)
        return -1;
    int found = w->why ? 0 : vendor_fetch(x->account->api, w->kind, w->id, &object, e);
    int64_t now_ms = clock_time_ms();
    for (size_t i = 0; i < n && found >= 0; i++) {
        w[i].why = w->why;
        print_fetched(x, &w[i], w->why ? 0 : found ? 200 : 404, object, now_ms);
    }
    return found < 0 ? -1 : (int64_t)n;
}

static int fetch_all(struct fetch *x, struct err *e)
{
    qsort(x->list, x->n, sizeof *x->list, compare_resources);
    for (size_t at = 0; at < x->n;) {
        int64_t n = fetch_one(x, at, e);
        if (n < 0)
            return -1;
        at += (size_t)n;
    }
    return x->unasked == 0
               ? 0
               : err_set(e, ERR_NOT_FOUND, "the objects of %lld events cannot be asked for", (long long)x->unasked);
}

static int read_wanted(struct fetch *x, int64_t *seqs, int64_t n, struct err *e)
{
    struct store_query q = {.state = -1, .seqs = seqs, .n_seqs = n};
    x->list = calloc((size_t)n + 1, sizeof *x->list);
    if (!x->list)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    int more = n > 0;
    while (more > 0)
        more = store_read(x->cmd->store, &q, take_wanted, x, e);
    return more;
}

int cmd_fetch_arguments(const struct cmd *cmd, struct err *e)
{
    if (!cmd->operand == !cmd_selects(cmd))
        return err_set(e, ERR_USAGE, "say of which events: name them, or ask for them, as --state waiting");
    return cmd_type_arguments(cmd, e);
}

int cmd_fetch(const struct cmd *cmd, struct err *e)
{
    struct fetch x = {.cmd = cmd};
    struct store_query f = cmd_query(cmd);
    const struct config_endpoint *p = account_endpoint(cmd, cmd->config, e);
    int64_t *seqs = NULL, n = -1;
    int result = -1;
    if (p && account_open(&x.account, cmd, cmd->config, p, 0, e) == 0)
        n = cmd_select(cmd, cmd->store, &f, &seqs, e);
    if (n >= 0 && read_wanted(&x, seqs, n, e) == 0 && (x.to = new_file_open(cmd, e))) {
        result = fetch_all(&x, e);
        bool whole = result == 0 || e->code == ERR_NOT_FOUND; /* of what cannot be asked for, it says so */
        if (new_file_close(cmd, x.to, whole, whole ? e : NULL) != 0)
            result = -1;
    }
    free(seqs);
    free(x.list);
    account_close(x.account);
    return result;
}
