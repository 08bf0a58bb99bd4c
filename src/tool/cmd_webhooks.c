/* SPDX-License-Identifier: MIT
 * cmd_webhooks: the webhooks of an account: seen here, and changed by cmd_webhooks_change.c and cmd_webhooks_create.c. */
#include "cmd_webhooks.h"

#include "base/print.h"
#include "base/when.h"
#include "command.h"
#include "json_out.h"

#include <stdlib.h>

/* ---- printing ---- */

void cmd_webhooks_next(FILE *to, const struct cmd *cmd, const char *words)
{
    print_to(to, "-> ");
    command_print(to, cmd, words, NULL);
    print_to(to, "\n");
}

static struct span events_json(const struct webhook *w, char *out, size_t size)
{
    size_t used = 0;
    out[used++] = '[';
    for (size_t i = 0; i < w->n_events; i++) {
        struct span type = span_of(w->events[i]);
        if (used + text_json_size(type) + 2 > size)
            break;
        if (i)
            out[used++] = ',';
        used += text_json(type, out + used);
    }
    out[used++] = ']';
    return (struct span){out, used};
}

static void put_time(struct json_out *j, const char *name, int64_t ms)
{
    if (ms > 0)
        json_out_number(j, name, ms);
    else
        json_out_null(j, name);
}

static void print_webhook_json(const struct config_endpoint *p, const struct webhook *w)
{
    static char events[WEBHOOK_EVENTS_MAX * (6 * WEBHOOK_TYPE + 3) + 2];
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "endpoint", span_of(p->name));
    json_out_text(j, "id", span_of(w->id));
    json_out_text(j, "url", span_of(w->url));
    json_out_bool(j, "enabled", w->enabled);
    json_out_raw(j, "events", events_json(w, events, sizeof events));
    json_out_text(j, "description", span_of(w->description));
    put_time(j, "created_ms", w->created_ms);
    put_time(j, "updated_ms", w->updated_ms);
    json_out_bool(j, "ours", webhook_is_at(w, p->url));
    json_out_print(j);
}

void cmd_webhooks_print(const struct webhooks_run *r, const struct webhook *w)
{
    const struct config_endpoint *p = r->account->endpoint;
    char time[32];
    if (r->cmd->json) {
        print_webhook_json(p, w);
        return;
    }
    print_out("%-12s %s\n%-12s %s\n", "id", w->id, "url", w->url);
    print_out("%-12s %s\n%-12s ", "enabled", w->enabled ? "yes" : "NO", "events");
    for (size_t i = 0; i < w->n_events; i++)
        print_out("%s%s", i ? ", " : "", w->events[i]);
    print_out("\n%-12s %s\n", "description", *w->description ? w->description : "-");
    print_out("%-12s %s\n", "created", when_time(w->created_ms > 0 ? w->created_ms : 0, time));
    print_out("%-12s %s\n", "updated", when_time(w->updated_ms > 0 ? w->updated_ms : 0, time));
}

static void print_webhook_row(const struct config_endpoint *p, const struct webhook *w)
{
    char time[32], events[24];
    bool all = webhook_sends(w, "*");
    snprintf(events, sizeof events, all ? "all" : "%zu types", w->n_events);
    print_out("%-10s  %-24s  %-7s  %-8s  %.16s  %s%s\n", p->name, w->id, w->enabled ? "yes" : "NO", events,
              when_time(w->updated_ms > 0 ? w->updated_ms : 0, time), w->url,
              webhook_is_at(w, p->url) ? "   <- this endpoint's" : "");
}

/* ---- all accounts that there are keys of ---- */

/* An account is asked once, for the first endpoint that has its key, and another one whose webhook it holds is named. */
typedef int with_account(struct webhooks_run *r, const struct webhooks *all, void *ctx, struct err *e);

static const struct config_endpoint *owner_of(const struct config *c, const struct config_endpoint *p,
                                              const struct webhook *w)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (webhook_is_at(w, c->endpoint[i].url) && strcmp(c->endpoint[i].api_key_file, p->api_key_file) == 0)
            return &c->endpoint[i];
    return p;
}

static bool came_before(const struct config *c, const struct config_endpoint *p)
{
    for (const struct config_endpoint *other = c->endpoint; other < p; other++)
        if (*p->api_key_file && strcmp(other->api_key_file, p->api_key_file) == 0)
            return true;
    return false;
}

static int ask_account(struct webhooks_run *r, const struct config_endpoint *p, with_account *use, void *ctx,
                       struct err *e)
{
    struct webhooks *all = calloc(1, sizeof *all);
    if (!all)
        return err_set(e, ERR_MEMORY, "reading webhooks: out of memory");
    int result = account_open(&r->account, r->cmd, r->config, p, 0, e);
    if (result == 0)
        result = webhook_list(r->account, all, e);
    if (result == 0)
        result = use(r, all, ctx, e);
    account_close(r->account);
    r->account = NULL;
    free(all);
    return result;
}

static int ask_accounts(struct webhooks_run *r, bool once, with_account *use, void *ctx, struct err *e)
{
    const struct config *c = r->config;
    size_t n = 0;
    for (size_t i = 0; i < c->n_endpoints; i++) {
        const struct config_endpoint *p = &c->endpoint[i];
        bool mine = r->cmd->endpoint ? strcmp(r->cmd->endpoint, p->name) == 0 : account_has_key(r->cmd, c, p);
        if (!mine || (once && !r->cmd->endpoint && came_before(c, p)))
            continue;
        n++;
        if (ask_account(r, p, use, ctx, e) != 0)
            return -1;
    }
    return n || !account_endpoint(r->cmd, c, e) ? (n ? 0 : -1) : 0;
}

static int list_account(struct webhooks_run *r, const struct webhooks *all, void *ctx, struct err *e)
{
    bool *headed = ctx;
    (void)e;
    if (!r->cmd->json && !*headed)
        print_out("%-10s  %-24s  %-7s  %-8s  %-16s  %s\n", "ENDPOINT", "ID", "ENABLED", "EVENTS", "UPDATED", "URL");
    *headed = true;
    for (size_t i = 0; i < all->n; i++) {
        const struct config_endpoint *p = owner_of(r->config, r->account->endpoint, &all->list[i]);
        if (r->cmd->json)
            print_webhook_json(p, &all->list[i]);
        else
            print_webhook_row(p, &all->list[i]);
    }
    return 0;
}

/* ---- check ---- */

struct checking {
    struct webhooks_run *run;
    int wrong;
};

static void print_fault(void *ctx, enum webhook_fault fault, const struct webhook *w, const char *words)
{
    struct checking *k = ctx;
    const struct cmd *cmd = k->run->cmd;
    const char *endpoint = k->run->account->endpoint->name;
    char next[API_ID_MAX + 300];
    k->wrong++;
    if (cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_text(j, "endpoint", span_of(endpoint));
        json_out_text(j, "wrong", span_of(webhook_fault_word(fault)));
        json_out_text(j, "id", w ? span_of(w->id) : (struct span){0});
        json_out_text(j, "words", span_of(words));
        json_out_print(j);
        return;
    }
    print_out("endpoint %s: %s\n", endpoint, words);
    if (fault == WEBHOOK_DISABLED) {
        snprintf(next, sizeof next, "webhooks enable -e %s", endpoint);
        cmd_webhooks_next(stdout, cmd, next);
    }
}

static int judge_account(struct webhooks_run *r, const struct webhooks *all, void *ctx, struct err *e)
{
    (void)e;
    webhook_judge(all, r->account->endpoint, r->cmd->now_ms, print_fault, ctx);
    return 0;
}

static int check_all(struct webhooks_run *r, struct err *e)
{
    struct checking k = {r, 0};
    if (ask_accounts(r, false, judge_account, &k, e) != 0)
        return -1;
    return k.wrong ? err_set(e, ERR_NOT_FOUND, "%d wrong with webhooks", k.wrong) : 0;
}

/* ---- one of them ---- */

static int show_webhook(struct webhooks_run *r, struct err *e)
{
    struct webhook w;
    if (webhook_get(r->account, r->cmd->operands[1], &w, e) != 0)
        return -1;
    cmd_webhooks_print(r, &w);
    return 0;
}

static int enable_one(struct webhooks_run *r, struct err *e) { return cmd_webhooks_switch(r, true, e); }
static int disable_one(struct webhooks_run *r, struct err *e) { return cmd_webhooks_switch(r, false, e); }

/* What each verb takes: how many ids, and options that are not for all of them. */
static const struct verb {
    const char *name;
    int ids_min, ids_max;
    bool changes; /* a row of history is written */
    int (*run)(struct webhooks_run *r, struct err *e);
} verbs[] = {
    {"list", 0, 0, false, NULL},
    {"check", 0, 0, false, NULL},
    {"show", 1, 1, false, show_webhook},
    {"enable", 0, 1, true, enable_one},
    {"disable", 1, 1, true, disable_one},
    {"update", 1, 1, true, cmd_webhooks_update},
    {"create", 0, 0, true, cmd_webhooks_create},
    {"delete", 1, 1, true, cmd_webhooks_delete},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name ? name : "list") == 0)
            return &verbs[i];
    return NULL;
}

int cmd_webhooks_arguments(const struct cmd *cmd, struct err *e)
{
    const struct verb *v = find_verb(cmd->operand);
    int n = 0;
    while (cmd->operand && cmd->operands[n + 1])
        n++;
    if (!v)
        return err_set(e, ERR_USAGE,
                       "webhooks knows no %.40s; it is list, show, check, enable, disable, update, create or delete",
                       cmd->operand);
    if (n < v->ids_min || n > v->ids_max)
        return err_set(e, ERR_USAGE, "webhooks %s takes %s", v->name,
                       v->ids_max ? "the id of a webhook" : "no argument");
    bool fields = cmd->url || cmd->n_types || cmd->description, lists = cmd->n_add || cmd->n_remove;
    if ((fields && v->run != cmd_webhooks_update && v->run != cmd_webhooks_create) ||
        (lists && v->run != cmd_webhooks_update) || (cmd->secret && v->run != cmd_webhooks_create))
        return err_set(e, ERR_USAGE, "webhooks %s does not take these options", v->name);
    if (v->run == cmd_webhooks_create && (!cmd->secret || !text_is_name(span_of(cmd->secret))))
        return err_set(e, ERR_USAGE,
                       "webhooks create takes --secret NAME, the name for its secret in the secret file");
    if (v->run == cmd_webhooks_update && !fields && !lists)
        return err_set(e, ERR_USAGE,
                       "webhooks update takes what is to change: --url, --type, --add, --remove, --description");
    return lists && cmd->n_types
               ? err_set(e, ERR_USAGE, "--type is all types; --add and --remove change those that are there")
               : 0;
}

/* The store is opened before anything is changed at the vendor: a change that cannot be recorded is not made. */
static int open_history(struct webhooks_run *r, struct err *e)
{
    r->store = cmd_store(r->config, false, e);
    return r->store || e->code == ERR_NOT_FOUND ? 0 : -1; /* before the first event there is none */
}

int cmd_webhooks(const struct cmd *cmd, struct err *e)
{
    struct webhooks_run r = {.cmd = cmd, .config = cmd->config};
    const struct verb *v = find_verb(cmd->operand);
    bool headed = false;
    if (!v) /* cmd_webhooks_arguments has refused it */
        return err_set(e, ERR_USAGE, "no such verb");
    if (!v->run)
        return strcmp(v->name, "list") == 0 ? ask_accounts(&r, true, list_account, &headed, e) : check_all(&r, e);
    const struct config_endpoint *p = account_endpoint(cmd, r.config, e);
    if (!p || (v->changes && !cmd->dry_run && open_history(&r, e) != 0))
        return -1;
    int result = account_open(&r.account, cmd, r.config, p, 0, e);
    if (result == 0)
        result = v->run(&r, e);
    account_close(r.account);
    store_close(r.store);
    return result;
}
