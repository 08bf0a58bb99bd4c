/* SPDX-License-Identifier: MIT
 * cmd_spool: what waits in the spool: list it, or record it. */
#include "cmd_spool.h"
#include "base/clock.h"
#include "base/print.h"
#include "event/decode.h"
#include "json_out.h"
#include "progress.h"
#include "receiver/receiver.h"
#include "store/store_file.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STEP_MS = 250 /* the receivers wait behind it */, BYTES_WIDTH = 8 };

/* ---- looking ---- */

static const char *configured_folder(const struct config *c, struct err *e)
{
    if (*c->spool)
        return c->spool;
    err_set(e, ERR_CONFIG,
            "no spool is configured: name a folder, on another file system than the database's: "
            "spool = \"/path\"");
    return NULL;
}

/* One file as it is listed. */
struct row {
    const char *name;
    bool aside;
    struct spool_entry entry;
    struct event event;
    bool decoded;
    struct err why; /* it is none of ours, or no event */
};

/* Of a body that is ours already ids and types alone are told, as list does. */
static void read_row(struct row *row, const char *folder, struct verifier *v)
{
    int64_t ms;
    const struct verified *body;
    row->aside = spool_kind(row->name, &ms) == SPOOL_ASIDE;
    row->why = (struct err){0};
    row->decoded = false;
    if (spool_read(folder, row->name, &row->entry, &row->why) != 0) {
        row->entry.received_ms = ms;
        row->entry.body = (struct span){0};
        *row->entry.endpoint = *row->entry.secret = '\0';
        return;
    }
    body = verify_trusted(v, 0, row->entry.endpoint, row->entry.secret, NULL, row->entry.body);
    row->decoded = decode_event(body, &row->event, &row->why) == 0;
}

static void print_waiting(const struct row *row)
{
    char text[32] = "-";
    time_t seconds = (time_t)(row->entry.received_ms / 1000);
    struct tm tm;
    if (localtime_r(&seconds, &tm))
        strftime(text, sizeof text, "%m-%d %H:%M:%S", &tm);
    print_out("%-14s  ", text);
    print_text(stdout, span_of(*row->entry.endpoint ? row->entry.endpoint : "-"), 8);
    print_out("  ");
    print_text(stdout, row->decoded ? row->event.type : span_of("-"), 20);
    print_out("  %*zu  ", BYTES_WIDTH - 1, row->entry.body.len);
    if (row->decoded)
        print_text(stdout, row->event.id, 0);
    else
        print_out("no event");
    print_out(row->aside ? "  (aside)\n" : "\n");
}

static void print_waiting_json(const struct row *row)
{
    const struct span none = {0};
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "file", span_of(row->name));
    json_out_text(j, "state", span_of(row->aside ? "aside" : "waiting"));
    json_out_number(j, "received_ms", row->entry.received_ms);
    json_out_text(j, "endpoint", *row->entry.endpoint ? span_of(row->entry.endpoint) : none);
    json_out_text(j, "secret", *row->entry.secret ? span_of(row->entry.secret) : none);
    json_out_text(j, "event_id", row->decoded ? row->event.id : none);
    json_out_text(j, "type", row->decoded ? row->event.type : none);
    json_out_number(j, "bytes", (int64_t)row->entry.body.len);
    json_out_text(j, "why", row->why.code != ERR_NONE ? span_of(row->why.msg) : none);
    json_out_print(j);
}

static void print_rest(const struct spool_names *names)
{
    if (names->n == 0)
        print_out("nothing waits in the spool\n");
    if (names->more)
        print_out("... and more: %zu wait\n", names->count[SPOOL_EVENT]);
    if (names->count[SPOOL_ASIDE])
        print_out("%zu are set aside; why: complycube-inbox spool record\n", names->count[SPOOL_ASIDE]);
    if (names->count[SPOOL_UNFINISHED])
        print_out("%zu are being written, or were left so by a crash\n", names->count[SPOOL_UNFINISHED]);
    if (names->count[SPOOL_FOREIGN])
        print_out("%zu files there are none of a spool\n", names->count[SPOOL_FOREIGN]);
}

static void print_names(const struct cmd *cmd, const char *folder, const struct spool_names *names, struct row *row,
                        struct verifier *v)
{
    if (names->n && !cmd->json)
        print_out("%-14s  %-8s  %-20s  %*s  %s\n", "RECEIVED", "ENDPOINT", "TYPE", BYTES_WIDTH - 1, "BYTES", "ID");
    for (size_t i = 0; i < names->n; i++) {
        row->name = names->list[i];
        read_row(row, folder, v);
        (cmd->json ? print_waiting_json : print_waiting)(row);
    }
    if (!cmd->json)
        print_rest(names);
    spool_entry_release(&row->entry);
}

static int list_waiting(const struct cmd *cmd, struct err *e)
{
    struct spool_names names = {0};
    struct verifier *v = NULL;
    struct row *row = NULL;
    int result = -1;
    struct config *c = cmd_load_public_config(cmd, e);
    const char *folder = c ? configured_folder(c, e) : NULL;
    if (!folder || (spool_list(folder, true, &names, e) != 0 && e->code != ERR_NOT_FOUND) ||
        verify_open_keyless(&v, e) != 0)
        goto out;
    row = calloc(1, sizeof *row);
    if (!row) {
        err_set(e, ERR_MEMORY, "listing: out of memory");
        goto out;
    }
    print_names(cmd, folder, &names, row, v);
    result = 0;
out:
    free(row);
    verify_close(v);
    spool_names_release(&names);
    config_free(c);
    return result;
}

/* ---- recording ---- */

struct told {
    const struct cmd *cmd;
    bool quiet;
};

static void report_left(void *ctx, const char *name, const struct err *why)
{
    const struct told *t = ctx;
    if (t->quiet)
        return;
    if (!t->cmd->json) {
        print_err("%s: %s\n", name, why->msg);
        return;
    }
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "file", span_of(name));
    json_out_text(j, "left", span_of(why->msg));
    json_out_print(j);
}

/* All that waits, a little at a time, so that the receivers get their turn. */
static int record_all(const struct config *c, struct store *s, struct told *t, struct spool_drain *sum, struct err *e)
{
    struct spool spool;
    struct spool_names names;
    struct spool_drain d = {.store = s, .config = c, .budget_ms = STEP_MS, .told = report_left, .ctx = t};
    if (spool_list(c->spool, true, &names, e) != 0)
        return e->code == ERR_NOT_FOUND ? 0 : -1;
    struct progress progress = progress_begin((int64_t)(names.count[SPOOL_EVENT] + names.count[SPOOL_ASIDE]));
    spool_names_release(&names);
    spool_begin(&spool, c->spool);
    int result = spool_retry(c->spool, e) < 0 ? -1 : 1;
    while (result == 1) {
        int64_t begun_ms = clock_ms();
        result = store_hold(s, STORE_WAIT_MS, e);
        if (result == 0) {
            result = spool_drain(&spool, &d, clock_time_ms(), e);
            store_unhold(s);
            sum->recorded += d.recorded;
            sum->aside += d.aside;
            sum->refused = d.refused;
        }
        progress_draw(&progress, sum->recorded, NULL);
        if (result == 1)
            cmd_let_others(clock_ms() - begun_ms);
    }
    progress_end(&progress);
    return result;
}

static void print_recorded(const struct cmd *cmd, const struct spool_drain *sum)
{
    if (cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_number(j, "recorded", sum->recorded);
        json_out_number(j, "aside", sum->aside);
        json_out_number(j, "refused", sum->refused);
        json_out_print(j);
        return;
    }
    print_out("%lld recorded", (long long)sum->recorded);
    if (sum->aside)
        print_out(", %lld set aside", (long long)sum->aside);
    if (sum->refused)
        print_out(", %lld refused by the store: they wait on", (long long)sum->refused);
    print_out("\n");
}

/* at_work: what is being written counts as well */
static int look_for_waiting(const struct config *c, bool at_work, struct err *e)
{
    struct spool_names names;
    if (!*c->spool)
        return 0;
    if (spool_list(c->spool, true, &names, e) != 0)
        return e->code == ERR_NOT_FOUND ? 0 : -1;
    size_t waiting = names.count[SPOOL_EVENT], aside = names.count[SPOOL_ASIDE],
           unfinished = names.count[SPOOL_UNFINISHED];
    spool_names_release(&names);
    if (waiting)
        return err_set(e, ERR_NOT_FOUND,
                       "%zu events wait in the spool %.200s; record them: complycube-inbox spool record", waiting,
                       c->spool);
    if (aside)
        return err_set(
            e, ERR_NOT_FOUND,
            "%zu files in the spool %.200s are set aside, and may hold events: complycube-inbox spool record "
            "says why, and doctor what to do",
            aside, c->spool);
    if (unfinished && at_work)
        return err_set(e, ERR_NOT_FOUND,
                       "%zu files in the spool %.200s are being written, or were left so by a crash; in a minute "
                       "complycube-inbox spool record removes them",
                       unfinished, c->spool);
    return 0;
}

static int record_waiting(const struct cmd *cmd, struct err *e)
{
    struct told t = {cmd, false};
    struct spool_drain sum = {0};
    struct store *s = NULL;
    int result = -1;
    struct config *c = cmd_load_config(cmd, e);
    if (!c || !configured_folder(c, e) || !(s = cmd_store(c, true, e)))
        goto out;
    result = record_all(c, s, &t, &sum, e);
    print_recorded(cmd, &sum);
    if (result == 0)
        result = look_for_waiting(c, false, e);
out:
    store_close(s);
    config_free(c);
    return result;
}

int cmd_spool(const struct cmd *cmd, struct err *e)
{
    if (!cmd->operand || strcmp(cmd->operand, "list") == 0)
        return list_waiting(cmd, e);
    if (strcmp(cmd->operand, "record") == 0)
        return record_waiting(cmd, e);
    return err_set(e, ERR_USAGE, "spool lists what waits; spool record records it");
}

/* ---- for other commands ---- */

int cmd_spool_expect_empty(const struct config *c, struct err *e) { return look_for_waiting(c, true, e); }

void cmd_spool_foreign(const struct config *c)
{
    struct spool_names names;
    struct err e;
    if (!*c->spool || spool_list(c->spool, true, &names, &e) != 0)
        return;
    size_t n = names.count[SPOOL_FOREIGN];
    spool_names_release(&names);
    if (n)
        print_err("complycube-inbox: %zu files in %s are none of a spool, and were not looked into\n", n, c->spool);
}

int cmd_spool_first(const struct cmd *cmd, const struct config *c, struct store *s, struct err *e)
{
    struct told t = {cmd, true};
    struct spool_drain sum = {0};
    struct err why = {0};
    if (cmd_spool_expect_empty(c, e) == 0)
        return *c->spool && access(c->spool, F_OK) == 0 ? spool_flush(c->spool, e) : 0;
    if (e->code != ERR_NOT_FOUND)
        return -1;
    struct config *own = c->without_secrets ? cmd_load_config(cmd, &why) : NULL;
    const struct config *with = c->without_secrets ? own : c;
    int result = with ? record_all(with, s, &t, &sum, &why) : -1;
    config_free(own);
    if (sum.recorded)
        print_err("%lld events of the spool are recorded first\n", (long long)sum.recorded);
    if (result != 0)
        return err_set(e, why.code, "what waits in the spool %.120s cannot be recorded: %.240s", c->spool, why.msg);
    return cmd_spool_expect_empty(c, e) == 0 ? spool_flush(c->spool, e) : -1;
}

/* Does anything lie there that is no event that waits? */
static int look_for_aside(const struct config *c, struct err *e)
{
    struct spool_names names;
    if (spool_list(c->spool, true, &names, e) != 0)
        return -1;
    size_t aside = names.count[SPOOL_ASIDE];
    spool_names_release(&names);
    return aside ? err_set(e, ERR_NOT_FOUND,
                           "%zu files of the spool are set aside; see complycube-inbox spool record", aside)
                 : 0;
}

/* Files of events that stay and are recorded once more later are duplicates then. */
static int64_t record_copy(const struct config *c, struct store *s, struct err *e)
{
    struct spool spool;
    struct spool_drain d = {.store = s, .config = c, .budget_ms = INT_MAX, .keep = true};
    spool_begin(&spool, c->spool);
    if (store_hold(s, STORE_WAIT_MS, e) != 0)
        return -1;
    int result = spool_drain(&spool, &d, clock_time_ms(), e);
    store_unhold(s);
    if (result == 0 && d.aside + d.refused == 0)
        return d.recorded;
    return result < 0 ? -1
                      : err_set(e, ERR_NOT_FOUND, "%lld of the spool's events are in it, and not the others",
                                (long long)d.recorded);
}

int64_t cmd_spool_copy(const struct cmd *cmd, const struct config *c, const char *copy, struct err *e)
{
    char lock[PATH_MAX + 8];
    const struct store_options o = {.url = copy, .journal = "delete", .group = (gid_t)-1, .wait_ms = STORE_WAIT_MS};
    struct store *s = NULL;
    struct config *with = cmd_load_config(cmd, e);
    int64_t n = with && store_open(&s, &o, e) == 0 ? record_copy(with, s, e) : -1;
    store_close(s);
    config_free(with);
    snprintf(lock, sizeof lock, "%s.lock", copy);
    unlink(lock);
    return n < 0 ? -1 : look_for_aside(c, e) != 0 ? -1 : n;
}

void cmd_spool_try(const struct cmd *cmd, const struct config *c, struct store *s)
{
    struct err e = {0};
    if (cmd_spool_first(cmd, c, s, &e) != 0)
        print_err("complycube-inbox: without what waits in the spool: %s\n", e.msg);
}

int cmd_spool_make(const struct config *c, gid_t group, bool *made, bool *changed, struct err *e)
{
    struct trust_weak weak;
    struct spool_names names;
    char path[PATH_MAX];
    bool one_changed = false;
    int failed = 0;
    if (spool_make(c->spool, group, made, e) != 0)
        return -1;
    /* Where a secret file may be replaced it may be moved in here, too: then the group would be given it. */
    if (group == (gid_t)-1 || config_first_exposed(c, &weak))
        return 0;
    if (files_fit(c->spool, 02770, group, changed, e) != 0 || spool_list(c->spool, true, &names, e) != 0)
        return -1;
    for (size_t i = 0; i < names.n && !failed; i++)
        if (snprintf(path, sizeof path, "%s/%s", c->spool, names.list[i]) < (int)sizeof path) {
            failed = files_fit(path, 0660, group, &one_changed, e);
            *changed |= one_changed;
        }
    spool_names_release(&names);
    return failed;
}
