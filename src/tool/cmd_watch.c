/* SPDX-License-Identifier: MIT
 * cmd_watch: the alarm for cron: nothing to say while all is well, else one line of all that is wrong. */
#include "account.h"
#include "cmd.h"
#include "health/alarm.h"
#include "json_out.h"
#include "receiver/begun.h"
#include "webhook.h"

#include <stdlib.h>

enum { API_PATIENCE_MS = 10000 };

struct watch {
    const struct cmd *cmd;
    struct figures figures;
    struct alarm alarm;
};

/* ---- what ComplyCube has ---- */

struct asked {
    struct watch *watch;
    const struct config_endpoint *endpoint;
};

static void add_webhook(void *ctx, enum webhook_fault fault, const struct webhook *webhook, const char *words)
{
    const struct asked *a = ctx;
    const struct cmd *cmd = a->watch->cmd;
    const char *config = cmd->config_file ? cmd->config_file : cmd->env->config;
    char cure[PATH_MAX + 120] = "", hint[sizeof cure + 2] = "";
    (void)webhook;
    if (fault == WEBHOOK_DISABLED) {
        snprintf(cure, sizeof cure, "complycube-inbox %s%s%swebhooks enable -e %s", config ? "-c " : "",
                 config ? config : "", config ? " " : "", a->endpoint->name);
        snprintf(hint, sizeof hint, ": %s", cure);
    }
    alarm_add(&a->watch->alarm, ALARM_WEBHOOK, hint, cure, "endpoint %s: %.150s", a->endpoint->name, words)
        ->severity = fault == WEBHOOK_DISABLED ? ALARM_CRITICAL : ALARM_WARNING;
}

static void ask_endpoint(struct asked *a, const struct config *c, struct webhooks *all)
{
    const struct cmd *cmd = a->watch->cmd;
    struct account *account;
    struct err e = {0};
    if (account_open(&account, cmd, c, a->endpoint, API_PATIENCE_MS, &e) != 0 || webhook_list(account, all, &e) != 0)
        alarm_add(&a->watch->alarm, ALARM_WEBHOOK, "", "", "endpoint %s: %.300s", a->endpoint->name, e.msg);
    else
        webhook_judge(all, a->endpoint, cmd->now_ms, add_webhook, a);
    account_close(account);
}

/* --api: what the vendor has, a request for each endpoint that has a key. */
static void judge_webhooks(struct watch *w, const struct config *c)
{
    struct webhooks *all = calloc(1, sizeof *all);
    struct err e = {0};
    size_t n = 0;
    for (size_t i = 0; all && i < c->n_endpoints; i++) {
        struct asked a = {w, &c->endpoint[i]};
        bool mine =
            w->cmd->endpoint ? strcmp(w->cmd->endpoint, c->names[i]) == 0 : account_has_key(w->cmd, c, a.endpoint);
        if (mine)
            ask_endpoint(&a, c, all);
        n += mine;
    }
    if (n == 0 && !account_endpoint(w->cmd, c, &e))
        alarm_add(&w->alarm, ALARM_WEBHOOK, "", "", "%.300s", e.msg);
    free(all);
}

/* ---- the report ---- */

static void put_moment(struct json_out *j, const char *name, int64_t ms)
{
    if (ms)
        json_out_number(j, name, ms);
    else
        json_out_null(j, name);
}

static void put_database(struct json_out *j, const struct figures *f, int64_t silence_ms)
{
    json_out_number(j, "waiting", f->n[STORE_STATE_WAITING]);
    put_moment(j, "oldest_ms", f->oldest_ms);
    json_out_number(j, "dead", f->n[STORE_STATE_DEAD]);
    json_out_number(j, "quarantined", f->n[STORE_STATE_QUARANTINED]);
    if (silence_ms)
        put_moment(j, "latest_ms", f->latest_ms >= f->now_ms - silence_ms ? f->latest_ms : 0);
}

static void print_watch_json(const struct watch *w, const char *line)
{
    const struct figures *f = &w->figures;
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_bool(j, "ok", w->alarm.n == 0);
    json_out_text(j, "wrong", w->alarm.n ? span_of(line) : (struct span){0});
    if (f->known)
        put_database(j, f, w->cmd->limits.silence_ms);
    json_out_number(j, "spooled", f->spooled);
    put_moment(j, "spooled_ms", f->spooled_ms);
    json_out_number(j, "spool_aside", f->aside);
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS; k++) {
        char name[32];
        snprintf(name, sizeof name, "refused_%s", refusals_word(k));
        json_out_number(j, k == REFUSALS_FAILED ? "answered_5xx" : name,
                        refusals_sum(&f->refused, k, f->now_ms - w->cmd->limits.within_ms, f->now_ms + 1));
    }
    json_out_print(j);
}

static void examine_inbox(struct watch *w, const struct config *c)
{
    const struct cmd *cmd = w->cmd;
    struct err e = {0};
    figures_begin(&w->figures, c, cmd->endpoint, cmd->now_ms);
    struct store *s = cmd_store(c, false, &e);
    figures_read(&w->figures, c, s, &e);
    store_close(s);
    if (w->figures.known)
        begun_mark(c); /* a confined receiver that began it could not */
    alarm_judge(&w->alarm, &w->figures, c, &cmd->limits);
    alarm_judge_secrets(&w->alarm, c, cmd->endpoint);
    if (cmd->api)
        judge_webhooks(w, c);
}

static void watch_inbox(struct watch *w)
{
    const char *endpoint = w->cmd->endpoint;
    struct err *e = &w->figures.unknown;
    struct config *c = cmd_load_public_config(w->cmd, e);
    if (c && endpoint && !config_has_endpoint(c, endpoint))
        err_set(e, ERR_NOT_FOUND, "there is no endpoint %s", endpoint);
    if (e->code == ERR_NONE)
        examine_inbox(w, c);
    else
        alarm_add(&w->alarm, ALARM_CONFIG, "", "complycube-inbox doctor", "%s", e->msg);
    config_free(c);
}

/* The exit code is that of what keeps the figures from being read, else that of ERR_NOT_FOUND. */
int cmd_watch(const struct cmd *cmd, struct err *e)
{
    struct watch *w = calloc(1, sizeof *w);
    char line[ALARM_LINE];
    if (!w)
        return err_set(e, ERR_MEMORY, "looking: out of memory");
    w->cmd = cmd;
    watch_inbox(w);
    alarm_line(&w->alarm, line);
    if (cmd->json)
        print_watch_json(w, line);
    enum err_code code = w->figures.known ? ERR_NOT_FOUND : w->figures.unknown.code;
    int result = w->alarm.n ? err_set(e, code, "%s", line) : 0;
    free(w);
    return result;
}
