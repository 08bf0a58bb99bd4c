/* SPDX-License-Identifier: MIT
 * cmd_reconcile: objects that changed, and of whose change the inbox knows nothing, become events. */
#include "base/when.h"
#include "reconcile.h"

#include "base/clock.h"
#include "base/print.h"
#include "command.h"
#include "json_out.h"

#include <stdlib.h>

enum { GRACE_MS = 60000 /* what is on its way arrives */, BACK_MS = 3600000, HOST_OFF_MS = 2000, MARGIN_MS = 2000 };

/* ---- from when on ---- */

struct latest {
    const char *endpoint;
    int64_t at_ms;
};

static void note_delivery(void *ctx, const struct store_count *count)
{
    struct latest *l = ctx;
    if (span_equal(count->endpoint, span_of(l->endpoint)) && count->last_ms > l->at_ms)
        l->at_ms = count->last_ms;
}

static int choose_since(struct reconcile *r, struct err *e)
{
    struct latest latest = {r->endpoint, 0};
    r->since_ms = r->cmd->since_ms;
    if (r->since_ms)
        return 0;
    if (store_counts(r->cmd->store, 0, note_delivery, &latest, e) != 0)
        return -1;
    r->since_ms = latest.at_ms - BACK_MS;
    return latest.at_ms
               ? 0
               : err_set(e, ERR_USAGE, "nothing was ever delivered to endpoint %s; say from when on: --since",
                         r->endpoint);
}

/* Of what was emptied nobody can say whether it was known. */
static int check_emptied(const struct reconcile *r, struct err *e)
{
    struct store_emptied emptied;
    char time[32];
    if (store_emptied(r->cmd->store, &emptied, e) != 0)
        return -1;
    if (emptied.pruned_ms >= r->since_ms)
        return err_set(
            e, ERR_USAGE,
            "events that were received until %s are emptied for their age (retain), and cannot be compared; "
            "name a later time: --since",
            when_time(emptied.pruned_ms, time));
    if (emptied.unknown && !r->cmd->json)
        print_out("events were erased before the history kept digests of what: what belongs to them may come back\n");
    return 0;
}

/* Our times become the API's. */
static int turn_times(struct reconcile *r, struct err *e)
{
    int64_t ahead_ms = 0;
    if (api_offset_ms(r->account->api, &ahead_ms) && llabs(ahead_ms) < HOST_OFF_MS)
        ahead_ms = ahead_ms > 0 ? ahead_ms : 0;
    if (llabs(ahead_ms) >= HOST_OFF_MS)
        print_err("complycube-inbox: this host's clock is %lld s %s that of the API, which counts\n",
                  (long long)llabs(ahead_ms) / 1000, ahead_ms > 0 ? "behind" : "ahead of");
    r->start_ms = clock_time_ms() + ahead_ms - MARGIN_MS;
    r->since_ms += ahead_ms;
    r->before_ms = r->cmd->before_ms ? r->cmd->before_ms + ahead_ms : r->start_ms - GRACE_MS;
    return r->since_ms < r->before_ms
               ? 0
               : err_set(e, ERR_USAGE,
                         "there is no time between --since and --before, which is a minute ago unless given");
}

/* ---- the lists ---- */

struct kind_list {
    struct reconcile *r;
    enum vendor_kind kind;
};

static int take_listed(void *ctx, struct span item, struct err *e)
{
    struct kind_list *l = ctx;
    struct vendor_object o;
    if (vendor_read(&o, l->kind, item, e) != 0 ||
        (l->r->no_audit && reconcile_note_client(l->r, o.client_text, e) != 0))
        return -1;
    return reconcile_take(l->r, &o, false, e);
}

/*
 * What changes while this runs leaves the time that is asked for. Its former change may be one that was missed: so all that
 * has changed since the start is looked at as well.
 */
static int read_kind(struct reconcile *r, enum vendor_kind kind, struct err *e)
{
    struct kind_list ctx = {r, kind};
    const struct windows_list list = {.account = r->account,
                                      .end_ms = r->end_ms,
                                      .path = vendor_names[kind].path,
                                      .member = "updatedAt",
                                      .after = "updatedAfter",
                                      .before = "updatedBefore",
                                      .item = take_listed,
                                      .ctx = &ctx};
    int64_t tail_ms = r->start_ms > r->before_ms ? r->start_ms : r->before_ms + 1;
    return windows_read(&list, r->since_ms, r->before_ms, e) == 0 && windows_read(&list, tail_ms, INT64_MAX, e) == 0
               ? reconcile_flush(r, e)
               : -1;
}

/* The audit log may not be in the plan. */
static int prove_audit(struct reconcile *r, struct err *e)
{
    if (reconcile_prove_audit(r, &r->audit) == 0)
        return 0;
    if (r->audit.code != ERR_REMOTE) {
        *e = r->audit;
        return -1;
    }
    r->no_audit = r->audit.msg;
    return 0;
}

static int read_all(struct reconcile *r, struct err *e)
{
    static const enum vendor_kind lists[] = {VENDOR_CLIENT, VENDOR_CHECK, VENDOR_SESSION};
    for (size_t i = 0; i < 3; i++)
        if (reconcile_prove(r, vendor_names[lists[i]].path, e) != 0)
            return -1;
    if (prove_audit(r, e) != 0 || turn_times(r, e) != 0)
        return -1;
    for (size_t i = 0; i < 3; i++)
        if (read_kind(r, lists[i], e) != 0)
            return -1;
    return r->no_audit ? reconcile_clients(r, e) : reconcile_audit(r, e);
}

/* ---- reporting ---- */

static int64_t count_recorded(const struct reconcile *r)
{
    int64_t n = 0;
    for (int i = 0; i < RECONCILE_ROWS; i++)
        n += r->sums[i].recorded;
    return n;
}

static int64_t count_unseen(const struct reconcile *r)
{
    int64_t n = 0;
    for (int i = 0; i < RECONCILE_ROWS; i++)
        n += r->sums[i].unseen;
    return n;
}

static void print_sums_json(const struct reconcile *r)
{
    struct reconcile_sums all = {0};
    for (int i = 0; i < RECONCILE_ROWS; i++) {
        all.changed += r->sums[i].changed;
        all.known += r->sums[i].known;
    }
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "endpoint", span_of(r->endpoint));
    json_out_number(j, "since_ms", r->since_ms);
    json_out_number(j, "before_ms", r->before_ms);
    json_out_number(j, "changed", all.changed);
    json_out_number(j, "known", all.known);
    json_out_number(j, "recorded", count_recorded(r));
    json_out_number(j, "not_looked_at", count_unseen(r));
    json_out_number(j, "erased", r->forgotten);
    json_out_bool(j, "audit_logs", !r->no_audit);
    json_out_number(j, "requests", api_requests(r->account->api));
    json_out_print(j);
}

static void print_sums(const struct reconcile *r)
{
    char from[32], to[32];
    print_out("endpoint %s, from %s to %s\n", r->endpoint, when_time(r->since_ms, from), when_time(r->before_ms, to));
    print_out("%-18s %9s %12s %10s %15s\n", "", "changed", "known here", "recorded", "not looked at");
    for (int i = 0; i < RECONCILE_ROWS; i++) {
        const struct reconcile_sums *s = &r->sums[i];
        const char *name = i == RECONCILE_DELETED ? "deleted" : vendor_names[i].plural;
        if (r->no_audit && i == RECONCILE_DELETED)
            print_out("%-18s %9s %12s %10s %15s\n", name, "-", "-", "-", "all");
        else
            print_out("%-18s %9lld %12lld %10lld %15lld\n", name, (long long)s->changed, (long long)s->known,
                      (long long)s->recorded, (long long)s->unseen);
    }
    if (r->forgotten)
        print_out("%lld are passed over, since they were erased here\n", (long long)r->forgotten);
    if (r->odd_states)
        print_out("%lld have a status that is not known; their events are updates\n", (long long)r->odd_states);
    print_out("%lld events %s; %lld requests\n", (long long)count_recorded(r),
              r->cmd->dry_run ? "would be recorded"
              : r->cmd->done  ? "recorded as done"
                              : "recorded, which wait",
              (long long)api_requests(r->account->api));
}

static int write_history(const struct reconcile *r, struct err *e)
{
    char detail[160], from[32], to[32];
    struct cmd_who who;
    struct store_actor by = cmd_actor(r->cmd, &who);
    if (r->cmd->dry_run || count_recorded(r) == 0)
        return 0;
    snprintf(detail, sizeof detail, "%s, from %s to %s", r->endpoint, when_time(r->since_ms, from),
             when_time(r->before_ms, to));
    return store_add_history(r->cmd->store, "reconcile", count_recorded(r), detail, &by, clock_time_ms(), e);
}

/* A run that fails reports what it recorded, too. */
static int finish_reconcile(struct reconcile *r, bool failed, struct err *e)
{
    progress_end(&r->account->progress);
    if (failed && count_recorded(r) == 0)
        return -1;
    struct err why = {0};
    bool noted = write_history(r, &why) == 0;
    if (r->cmd->json)
        print_sums_json(r);
    else
        print_sums(r);
    if (failed)
        return -1;
    if (!noted) {
        *e = why;
        return -1;
    }
    if (r->no_audit)
        return err_set(
            e, ERR_NOT_FOUND,
            "deletions, and documents and addresses of clients that nothing here names, were not looked at: "
            "%.250s",
            r->no_audit);
    return count_unseen(r) == 0 ? 0
                                : err_set(e, ERR_NOT_FOUND, "%lld could not be recorded", (long long)count_unseen(r));
}

/* ---- the whole ---- */

/* The views must know the events that are made here. */
static int expect_new_schema(const struct reconcile *r, struct err *e)
{
    char text[sizeof e->msg];
    int missing = store_missing(r->cmd->store, NULL, NULL, e);
    return missing <= 0 ? missing
                        : err_set(e, ERR_SCHEMA, "%s",
                                  command_advice(text, sizeof text, r->cmd,
                                                 "the database is of an older version; bring it up to this one",
                                                 "migrate", NULL, ""));
}

static int run_reconcile(struct reconcile *r, struct err *e)
{
    if (expect_new_schema(r, e) != 0 || choose_since(r, e) != 0 || check_emptied(r, e) != 0 ||
        reconcile_batch_open(r, e) != 0)
        return -1;
    bool failed = read_all(r, e) != 0;
    struct err later = {0};
    if (failed &&
        e->code != ERR_REMOTE) /* if the API cannot be trusted, nothing more is taken from it; the error says why */
        reconcile_flush(r, &later);
    return finish_reconcile(r, failed, e);
}

int cmd_reconcile(const struct cmd *cmd, struct err *e)
{
    struct reconcile r = {.cmd = cmd, .config = cmd->config};
    const struct config_endpoint *p = account_endpoint(cmd, cmd->config, e);
    if (!p)
        return -1;
    r.endpoint = p->name;
    if (cmd->max_time_s)
        r.end_ms = clock_ms() + cmd->max_time_s * 1000;
    if (account_open(&r.account, cmd, cmd->config, p, cmd->max_time_s * 1000, e) != 0)
        return -1;
    int result = run_reconcile(&r, e);
    reconcile_batch_close(&r);
    seen_release(&r.clients);
    buf_release(&r.client_ids);
    account_close(r.account);
    return result;
}
