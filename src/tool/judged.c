/* SPDX-License-Identifier: MIT
 * judged: the figures of an inbox and what is wrong with them, as a command reads them. */
#include "judged.h"

#include "account.h"
#include "command.h"
#include "receiver/begun.h"
#include "webhook.h"

#include <stdlib.h>

enum { API_PATIENCE_MS = 10000 };

/* ---- what ComplyCube has ---- */

struct asked {
    struct judged *judged;
    const struct cmd *cmd;
    const struct config_endpoint *endpoint;
};

/* The whole command stands in the words, with this program's path and configuration, to be pasted. */
static void name_command(struct alarm_finding *f, const struct cmd *cmd)
{
    char line[ALARM_WORDS];
    const char *words = f->cure + strlen("complycube-inbox ");
    command_advice(line, sizeof line, cmd, f->words, words, *f->file ? f->file : NULL, f->hint);
    memcpy(f->words, line, sizeof f->words);
    f->hint[0] = '\0';
}

static void add_webhook(void *ctx, enum webhook_fault fault, const struct webhook *webhook, const char *words)
{
    const struct asked *a = ctx;
    char what[ALARM_WORDS], enable[100];
    (void)webhook;
    snprintf(what, sizeof what, "endpoint %s: %.200s", a->endpoint->name, words);
    snprintf(enable, sizeof enable, "complycube-inbox webhooks enable -e %s", a->endpoint->name);
    bool disabled = fault == WEBHOOK_DISABLED;
    struct alarm_finding *f = alarm_add(&a->judged->alarm, ALARM_WEBHOOK, "", disabled ? enable : "", "%s", what);
    f->severity = disabled || fault == WEBHOOK_MISSING ? ALARM_CRITICAL : ALARM_WARNING;
    if (disabled)
        name_command(f, a->cmd);
}

/* An endpoint without a URL may have any of them. */
static enum figures_webhook webhook_state(const struct webhooks *all, const char *url)
{
    enum figures_webhook state = *url ? FIGURES_WEBHOOK_DISABLED : FIGURES_WEBHOOK_UNKNOWN;
    for (size_t i = 0; *url && i < all->n; i++)
        if (all->list[i].enabled && webhook_is_at(&all->list[i], url))
            state = FIGURES_WEBHOOK_ENABLED;
    return state;
}

static void keep_webhook_state(struct figures *f, const char *endpoint, enum figures_webhook state)
{
    for (size_t i = 0; i < f->n_endpoints; i++)
        if (strcmp(f->by_endpoint[i].name, endpoint) == 0)
            f->by_endpoint[i].webhook = state;
}

static void ask_endpoint(struct asked *a, const struct config *c, struct webhooks *all)
{
    const struct config_endpoint *p = a->endpoint;
    struct judged *j = a->judged;
    struct account *account;
    struct err e = {0};
    if (account_open(&account, a->cmd, c, p, API_PATIENCE_MS, &e) == 0 && webhook_list(account, all, &e) == 0) {
        webhook_judge(all, p, a->cmd->now_ms, add_webhook, a);
        keep_webhook_state(&j->figures, p->name, webhook_state(all, p->url));
    } else
        alarm_add(&j->alarm, ALARM_WEBHOOK, "", "", "endpoint %s: %.300s", p->name, e.msg);
    account_close(account);
}

/* --api: a request for each endpoint that has a key. */
static void judge_webhooks(struct judged *j, const struct cmd *cmd, const struct config *c)
{
    struct webhooks *all = calloc(1, sizeof *all);
    struct err e = {0};
    size_t n = 0;
    for (size_t i = 0; all && i < c->n_endpoints; i++) {
        struct asked a = {j, cmd, &c->endpoint[i]};
        bool meant = cmd->endpoint ? strcmp(cmd->endpoint, c->names[i]) == 0 : account_has_key(cmd, c, a.endpoint);
        if (meant)
            ask_endpoint(&a, c, all);
        n += meant;
    }
    if (n == 0 && !account_endpoint(cmd, c, &e))
        alarm_add(&j->alarm, ALARM_WEBHOOK, "", "", "%.300s", e.msg);
    j->alarm.judged[ALARM_WEBHOOK] = all != NULL;
    free(all);
}

/* ---- all of it ---- */

static void read_inbox(struct judged *j, const struct cmd *cmd, const struct config *c)
{
    struct err e = {0};
    figures_begin(&j->figures, c, cmd->endpoint, cmd->now_ms);
    struct store *s = cmd_store(c, false, &e);
    figures_read(&j->figures, c, s, &e);
    store_close(s);
    if (j->figures.known)
        begun_mark(c); /* a confined receiver that began it could not */
    alarm_judge(&j->alarm, &j->figures, c, &cmd->limits);
    for (size_t i = 0; i < j->alarm.n; i++)
        if (*j->alarm.found[i].file)
            name_command(&j->alarm.found[i], cmd);
    alarm_judge_secrets(&j->alarm, c, cmd->endpoint);
    if (cmd->api)
        judge_webhooks(j, cmd, c);
}

int judged_read(struct judged *j, const struct cmd *cmd, struct err *e)
{
    struct config *c = cmd_load_public_config(cmd, e);
    int result = c ? 0 : -1;
    if (c && cmd->endpoint && !config_has_endpoint(c, cmd->endpoint))
        result = err_set(e, ERR_NOT_FOUND, "there is no endpoint %s", cmd->endpoint);
    if (result == 0)
        read_inbox(j, cmd, c);
    config_free(c);
    return result;
}
