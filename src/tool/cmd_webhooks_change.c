/* SPDX-License-Identifier: MIT
 * cmd_webhooks_change: enable, disable, update and delete; they report what the API says afterwards. */
#include "base/clock.h"
#include "base/print.h"
#include "cmd_webhooks.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { HOUR_MS = 3600000 };

/* ---- what all of them share ---- */

bool cmd_webhooks_dry(const struct webhooks_run *r, const char *method, const char *id,
                      const struct webhook_change *c)
{
    char *body = r->cmd->dry_run && c ? webhook_json(c) : NULL;
    if (!r->cmd->dry_run)
        return false;
    print_out("%s %s/webhooks%s%s%s%s\n", method, r->account->url, id ? "/" : "", id ? id : "", body ? " " : "",
              body ? body : "");
    free(body);
    return true;
}

int cmd_webhooks_record(const struct webhooks_run *r, const char *verb, const struct webhook *w, struct err *e)
{
    char detail[400];
    struct cmd_who who;
    struct store_actor by = cmd_actor(r->cmd, &who);
    if (!r->store)
        return 0;
    snprintf(detail, sizeof detail, "%s %.60s of endpoint %s, %.200s", verb, w->id, r->account->endpoint->name,
             w->url);
    if (store_add_history(r->store, "webhook", 1, detail, &by, clock_time_ms(), e) == 0)
        return 0;
    return err_prefix(e, "%s of webhook %.60s is done, and is not in the history", verb, w->id);
}

static int report_webhook_change(const struct webhooks_run *r, const char *verb, const char *done,
                                 const struct webhook *w, struct err *e)
{
    if (r->cmd->json)
        cmd_webhooks_print(r, w);
    else
        print_out("webhook %s of endpoint %s, %s: %s\n", w->id, r->account->endpoint->name, w->url, done);
    return cmd_webhooks_record(r, verb, w, e);
}

/* ---- enable, disable ---- */

/* The one of ID; without ID the one that is at the endpoint's URL, a disabled one first. */
static int choose_webhook(const struct webhooks_run *r, struct webhook *w, struct err *e)
{
    const struct config_endpoint *p = r->account->endpoint;
    const struct webhook *found = NULL;
    if (r->cmd->operands[1])
        return webhook_get(r->account, r->cmd->operands[1], w, e);
    if (!*p->url)
        return err_set(e, ERR_CONFIG,
                       "endpoint %s has no url in the configuration; name the webhook's id: webhooks lists them",
                       p->name);
    struct webhooks *all = calloc(1, sizeof *all);
    int result = !all ? err_set(e, ERR_MEMORY, "reading webhooks: out of memory") : webhook_list(r->account, all, e);
    for (size_t i = 0; all && result == 0 && i < all->n; i++)
        if (webhook_is_at(&all->list[i], p->url) && (!found || (found->enabled && !all->list[i].enabled)))
            found = &all->list[i];
    if (found)
        *w = *found;
    else if (result == 0)
        result = err_set(e, ERR_NOT_FOUND, "no webhook of endpoint %s has the URL %.200s", p->name, p->url);
    free(all);
    return result;
}

static void take_last(void *ctx, const struct store_count *c)
{
    int64_t *last_ms = ctx;
    if (c->secret.at && c->last_ms > *last_ms)
        *last_ms = c->last_ms;
}

/* What came while it was disabled is found from an hour before the last delivery on. */
static void tell_reconcile(const struct webhooks_run *r)
{
    char words[200], since[40] = "";
    int64_t last_ms = 0;
    if (r->store)
        store_counts(r->store, 0, take_last, &last_ms, NULL);
    time_t seconds = (time_t)((last_ms - HOUR_MS) / 1000);
    struct tm tm;
    if (last_ms > HOUR_MS && gmtime_r(&seconds, &tm))
        strftime(since, sizeof since, " --since %Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(words, sizeof words, "reconcile -e %s%s", r->account->endpoint->name, since);
    print_out("What was missed meanwhile is found by\n");
    cmd_webhooks_next(stdout, r->cmd, words);
}

int cmd_webhooks_switch(struct webhooks_run *r, bool enabled, struct err *e)
{
    struct webhook w = {0};
    const struct webhook_change change = {.enabled = &enabled};
    if (choose_webhook(r, &w, e) != 0)
        return -1;
    if (w.enabled == enabled && !r->cmd->dry_run) {
        print_out("webhook %s is %s already\n", w.id, enabled ? "enabled" : "disabled");
        return 0;
    }
    if (cmd_webhooks_dry(r, "POST", w.id, &change))
        return 0;
    char id[sizeof w.id];
    memcpy(id, w.id, sizeof id);
    if (webhook_update(r->account, id, &change, &w, e) != 0)
        return -1;
    if (w.enabled != enabled)
        return err_set(e, ERR_REMOTE, "the API took the change, and still says that webhook %.60s is %s", id,
                       enabled ? "disabled" : "enabled");
    if (report_webhook_change(r, enabled ? "enable" : "disable", enabled ? "enabled" : "disabled", &w, e) != 0)
        return -1;
    if (enabled && !r->cmd->json)
        tell_reconcile(r);
    return 0;
}

/* ---- update ---- */

struct types {
    const char *list[WEBHOOK_EVENTS_MAX];
    size_t n;
};

static bool is_among(const char *type, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], type) == 0)
            return true;
    return false;
}

static int add_one_type(struct types *t, const char *type, struct err *e)
{
    if (is_among(type, t->list, t->n))
        return 0;
    if (t->n == WEBHOOK_EVENTS_MAX)
        return err_set(e, ERR_USAGE, "these are more than %d types", WEBHOOK_EVENTS_MAX);
    t->list[t->n++] = type;
    return 0;
}

/* The types it is to have: --type, or those it has with --add and without --remove. The vendor knows whole lists only. */
static int make_types(const struct cmd *cmd, const struct webhook *w, struct types *t, struct err *e)
{
    t->n = 0;
    for (size_t i = 0; i < cmd->n_types; i++)
        if (add_one_type(t, cmd->types[i], e) != 0)
            return -1;
    if (cmd->n_types || !(cmd->n_add || cmd->n_remove))
        return 0;
    for (size_t i = 0; i < cmd->n_remove; i++)
        if (!is_among(cmd->remove[i], (const char *const[]){"*"}, 1) && webhook_sends(w, "*"))
            return err_set(e, ERR_USAGE, "webhook %.60s has all types; name those that it is to have by --type",
                           w->id);
    for (size_t i = 0; i < w->n_events; i++)
        if (!is_among(w->events[i], cmd->remove, cmd->n_remove) && add_one_type(t, w->events[i], e) != 0)
            return -1;
    for (size_t i = 0; i < cmd->n_add; i++)
        if (add_one_type(t, cmd->add[i], e) != 0)
            return -1;
    return t->n ? 0 : err_set(e, ERR_USAGE, "no type would be left; webhooks disable stops all of them");
}

static bool has_types(const struct webhook *w, const struct types *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (!webhook_sends(w, t->list[i]))
            return false;
    return w->n_events == t->n;
}

/* Is all as it was asked for, and the rest as it was? */
static bool is_as_asked(const struct webhook *before, const struct webhook *after, const struct webhook_change *c,
                        const struct types *t)
{
    bool types = c->n_events ? has_types(after, t) : after->n_events == before->n_events;
    return types && strcmp(after->url, c->url ? c->url : before->url) == 0 && after->enabled == before->enabled &&
           strcmp(after->description, c->description ? c->description : before->description) == 0;
}

int cmd_webhooks_update(struct webhooks_run *r, struct err *e)
{
    const struct cmd *cmd = r->cmd;
    const char *id = cmd->operands[1];
    struct webhook before, after;
    struct types types;
    if (webhook_get(r->account, id, &before, e) != 0 || make_types(cmd, &before, &types, e) != 0)
        return -1;
    const struct webhook_change change = {
        .url = cmd->url, .description = cmd->description, .events = types.list, .n_events = types.n};
    if (cmd_webhooks_dry(r, "POST", id, &change))
        return 0;
    if (webhook_update(r->account, id, &change, &after, e) != 0 ||
        report_webhook_change(r, "update", "updated", &after, e) != 0)
        return -1;
    if (is_as_asked(&before, &after, &change, &types))
        return 0;
    return err_set(e, ERR_NOT_FOUND,
                   "webhook %.60s is not as asked: somebody else has changed it meanwhile; webhooks show %.60s", id,
                   id);
}

/* ---- delete ---- */

static int ask_before_delete(const struct cmd *cmd, const struct webhook *w, struct err *e)
{
    char line[16];
    if (cmd->yes)
        return 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return err_set(e, ERR_USAGE, "webhooks delete asks on a terminal; elsewhere give it --yes");
    print_out("Delete webhook %s, %s, %s? Its secret is worth nothing afterwards. [y/N] ", w->id, w->url,
              w->enabled ? "which is enabled" : "which is disabled");
    fflush(stdout);
    bool yes = fgets(line, sizeof line, stdin) && (*line == 'y' || *line == 'Y');
    return yes ? 0 : err_set(e, ERR_NOT_FOUND, "nothing was deleted");
}

int cmd_webhooks_delete(struct webhooks_run *r, struct err *e)
{
    const char *id = r->cmd->operands[1];
    struct webhook w;
    if (webhook_get(r->account, id, &w, e) != 0)
        return -1;
    if (cmd_webhooks_dry(r, "DELETE", id, NULL))
        return 0;
    if (ask_before_delete(r->cmd, &w, e) != 0 || webhook_delete(r->account, id, e) != 0)
        return -1;
    return report_webhook_change(r, "delete", "deleted", &w, e);
}
