/* SPDX-License-Identifier: MIT
 * cmd_verify_api: after a secret leaked: what was accepted with it, compared with the objects that ComplyCube has. It writes
 * nothing, so a run that was broken off is run again. */
#include "base/print.h"
#include "base/when.h"
#include "cmd_spool.h"
#include "json_out.h"
#include "verify_api.h"

#include <stdlib.h>

/* ---- which events ---- */

static void take_claim(void *ctx, const struct store_event *v)
{
    struct verify_api *k = ctx;
    if (k->n == k->room) {
        size_t room = k->room ? 2 * k->room : 256;
        struct verify_api_claim *list = realloc(k->list, room * sizeof *list);
        k->out_of_memory |= !list;
        if (!list)
            return;
        k->list = list;
        k->room = room;
    }
    struct verify_api_claim *c = &k->list[k->n++];
    *c = (struct verify_api_claim){.seq = v->seq, .kind = (uint8_t)vendor_kind(v->resource_type)};
    bool emptied = v->erased_ms || !v->body.at;
    if (emptied || !v->resource_id.at)
        c->kind = VENDOR_KINDS;
    if (c->kind == VENDOR_KINDS)
        verify_api_settle(k, c, emptied ? COMPARE_EMPTIED : COMPARE_UNASKED, NULL);
    else
        verify_api_key(c, v->resource_id);
}

static int read_claims(struct verify_api *k, struct err *e)
{
    struct store_query q = cmd_query(k->cmd);
    q.endpoint = k->account->endpoint->name;
    q.oldest_first = q.log_only = true;
    if (store_newest(k->store, &q.to, e) != 0)
        return -1;
    for (int more = q.to > 0; more > 0;)
        if ((more = store_read(k->store, &q, take_claim, k, e)) < 0)
            return -1;
    if (k->out_of_memory)
        return err_set(e, ERR_MEMORY, "reading events: out of memory");
    if (k->n)
        qsort(k->list, k->n, sizeof *k->list, verify_api_order);
    return 0;
}

/* ---- reporting ---- */

static void print_claim(void *ctx, const struct store_event *v)
{
    const struct verify_api *k = ctx;
    const struct verify_api_claim *c = verify_api_find(k, v->seq);
    if (!c)
        return;
    const char *name = compare_name((enum compare_class)c->found);
    if (!k->cmd->json) {
        print_out("%10lld  %-8s  %-10s  ", (long long)v->seq, name, c->what ? c->what : "");
        print_text(stdout, v->type, 28);
        print_out("  ");
        print_text(stdout, v->resource_id.at ? v->resource_id : span_of("-"), 0);
        print_out("\n");
        return;
    }
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "seq", v->seq);
    json_out_text(j, "event_id", v->id);
    json_out_text(j, "type", v->type);
    json_out_text(j, "resource_type", v->resource_type);
    json_out_text(j, "resource_id", v->resource_id);
    json_out_text(j, "finding", span_of(name));
    json_out_text(j, "what", span_of(c->what));
    json_out_print(j);
}

/* Each event that does not agree; those that are emptied are counted alone. */
static int print_claims(struct verify_api *k, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < k->n; i++)
        if (k->list[i].judged && k->list[i].found != COMPARE_AGREES && k->list[i].found != COMPARE_EMPTIED)
            k->list[n++] = k->list[i];
    k->group = k->list;
    k->n_group = n;
    if (n)
        qsort(k->list, n, sizeof *k->list, verify_api_by_seq);
    if (n && !k->cmd->json)
        print_out("%10s  %-8s  %-10s  %-28s  %s\n", "EVENT", "FINDING", "OF", "TYPE", "RESOURCE");
    return verify_api_read(k, print_claim, e);
}

static void print_compared(const struct verify_api *k)
{
    const struct cmd *cmd = k->cmd;
    char since[32];
    struct json_out *j = cmd->json ? json_out_new() : NULL;
    if (j) {
        json_out_number(j, "schema", 1);
        json_out_text(j, "endpoint", span_of(k->account->endpoint->name));
        json_out_text(j, "secret", span_of(cmd->secret));
        json_out_number(j, "since_ms", cmd->since_ms);
    } else
        print_out("endpoint %s, signed with the secret %s, received since %s:\n", k->account->endpoint->name,
                  cmd->secret, when_time(cmd->since_ms, since));
    for (int c = 0; c < COMPARE_CLASSES; c++)
        if (j)
            json_out_number(j, compare_name((enum compare_class)c), k->sums[c]);
        else if (k->sums[c] || c == COMPARE_AGREES)
            print_out("%10lld  %-8s  %s\n", (long long)k->sums[c], compare_name((enum compare_class)c),
                      compare_words((enum compare_class)c));
    int64_t left = (int64_t)k->n_all - k->judged, requests = api_requests(k->account->api);
    if (j) {
        json_out_number(j, "not_compared", left);
        json_out_number(j, "requests", requests);
        json_out_print(j);
        return;
    }
    if (left)
        print_out("%10lld  were not compared\n", (long long)left);
    print_out("%lld requests\n", (long long)requests);
}

static int end_comparison(const struct verify_api *k, struct err *e)
{
    uint32_t allowed;
    if (compare_allow(k->cmd->allow, &allowed, e) != 0)
        return -1;
    int64_t forged = k->sums[COMPARE_UNKNOWN] + k->sums[COMPARE_DIFFERS], open = 0;
    for (int c = COMPARE_CHANGED; c < COMPARE_UNKNOWN; c++)
        open += allowed & (uint32_t)1 << c ? 0 : k->sums[c];
    if (forged)
        return err_set(e, ERR_NOT_FOUND, "ComplyCube did not send %lld of them, by its own records",
                       (long long)forged);
    return open ? err_set(
                      e, ERR_UNVERIFIED,
                      "of %lld it cannot be said whether ComplyCube sent them; look at them, and --allow names what "
                      "may be",
                      (long long)open)
                : 0;
}

/* A name that is misspelt would look like "nothing was signed with it". */
static int check_name(const struct verify_api *k, struct err *e)
{
    const struct secrets *s = &k->account->endpoint->secrets;
    for (size_t i = 0; i < s->n; i++)
        if (k->n || strcmp(s->list[i].name, k->cmd->secret) == 0)
            return 0;
    return k->n ? 0
                : err_set(e, ERR_NOT_FOUND, "endpoint %s has no secret %.60s, and no event signed with it",
                          k->account->endpoint->name, k->cmd->secret);
}

static int compare_stored(struct verify_api *k, struct err *e)
{
    if (read_claims(k, e) != 0 || check_name(k, e) != 0)
        return -1;
    k->n_all = k->n;
    k->progress = progress_begin((int64_t)k->n);
    bool failed = verify_api_ask(k, e) != 0;
    progress_end(&k->progress);
    struct err other = {0};
    if (print_claims(k, &other) != 0 && !failed) {
        *e = other;
        return -1;
    }
    print_compared(k);
    return failed ? -1 : end_comparison(k, e);
}

int cmd_verify_api(const struct cmd *cmd, struct err *e)
{
    struct verify_api k = {.cmd = cmd};
    const struct config_endpoint *p = account_endpoint(cmd, cmd->config, e);
    int result = -1;
    if (p && (k.store = cmd_store(cmd->config, false, e)) &&
        account_open(&k.account, cmd, cmd->config, p, 0, e) == 0) {
        cmd_spool_try(cmd, cmd->config, k.store);
        result = compare_stored(&k, e);
    }
    free(k.list);
    account_close(k.account);
    store_close(k.store);
    return result;
}
