/* SPDX-License-Identifier: MIT
 * cmd_prune: empty what is done and older than `retain`. */
#include "base/clock.h"
#include "base/print.h"
#include "base/when.h"
#include "cmd.h"
#include "json_out.h"
#include "progress.h"
#include "store/store_file.h"

#include <stdlib.h>
#include <time.h>

enum { SLACK_MS = 60000 /* by which clocks may differ */, DAY_MS = 86400000 };

static void count_emptied(void *ctx, int64_t seq, enum store_changed result)
{
    int64_t *n = ctx;
    (void)seq;
    *n += result == STORE_CHANGED;
}

static int empty_all(struct store *s, const int64_t *seqs, int64_t n, const struct store_actor *by, int64_t *emptied,
                     struct err *e)
{
    struct progress progress = progress_begin(n);
    int64_t done = 0, more = 0;
    while (done < n && more >= 0) {
        int64_t begun_ms = clock_ms();
        more = store_erase(s, STORE_PRUNE, seqs + done, n - done, by, clock_time_ms(), count_emptied, emptied, e);
        done += more > 0 ? more : 0;
        progress_draw(&progress, done, NULL);
        if (done < n && more > 0)
            cmd_let_others(clock_ms() - begun_ms);
    }
    progress_end(&progress);
    return more < 0 ? -1 : 0;
}

static int note_prune(struct store *s, const struct store_actor *by, int64_t before_ms, int64_t n, struct err *e)
{
    char detail[64];
    time_t seconds = (time_t)(before_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || strftime(detail, sizeof detail, "done before %Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(detail, sizeof detail, "done before %lld", (long long)before_ms);
    return store_add_history(s, "prune", n, detail, by, clock_time_ms(), e);
}

static int report_pruned(const struct cmd *cmd, int64_t emptied, int64_t removed)
{
    if (cmd->json) {
        struct json_out *j = json_out_new();
        json_out_number(j, "schema", 1);
        json_out_number(j, cmd->dry_run ? "chosen" : "emptied", emptied);
        json_out_number(j, "removed", removed);
        json_out_print(j);
    } else if (cmd->dry_run) {
        print_out("%lld events would be emptied; nothing was changed\n", (long long)emptied);
    } else {
        print_out("%lld events emptied", (long long)emptied);
        if (cmd->config->files)
            print_out(", %lld files removed from %s", (long long)removed, cmd->config->directory);
        print_out("\n");
    }
    return 0;
}

static void take_run(void *ctx, const struct store_past *p)
{
    int64_t *last_ms = ctx;
    if (span_equal(p->action, span_of("prune")) && p->at_ms > *last_ms)
        *last_ms = p->at_ms;
}

/* When prune ran last, as far as history says: an older database has none. 0: it does not say */
static int64_t last_run(struct store *s)
{
    struct err none;
    int64_t last_ms = 0;
    return store_history(s, 0, 0, 0, -1, take_run, &last_ms, &none) == 0 ? last_ms : 0;
}

/*
 * A clock that is wrong would empty what is to be kept. It is believed if the newest event has come before now, and if it
 * has not moved on by more than `retain` since the newest event and the last run. Runs may be a day apart.
 */
static int believe_clock(const struct cmd *cmd, struct store *s, int64_t last_ms, struct err *e)
{
    struct store_facts facts;
    char time[32];
    if (store_read_facts(s, cmd->now_ms, &facts, e) != 0)
        return -1;
    if (facts.newest_ms > cmd->now_ms + SLACK_MS)
        return err_set(e, ERR_SYSTEM, "the newest event was received in the future, at %s: is the clock wrong?",
                       when_time(facts.newest_ms, time));
    int64_t known_ms = last_ms > facts.newest_ms ? last_ms : facts.newest_ms;
    if (last_ms && cmd->now_ms - known_ms > cmd->config->retain_ms + DAY_MS && !cmd->reason)
        return err_set(e, ERR_SYSTEM,
                       "nothing came and prune did not run since %s, which is longer than retain: is the clock "
                       "wrong? If it is right, say so: --reason TEXT",
                       when_time(known_ms, time));
    return 0;
}

/* The rows first: what breaks off between them and the files is done again by the files' days. */
static int prune(const struct cmd *cmd, struct store *s, int64_t before_ms, struct err *e)
{
    struct cmd_who who;
    struct store_actor by = cmd_actor(cmd, &who);
    struct store_query old = {.state = -1, .before_ms = before_ms};
    int64_t *seqs, emptied = 0, removed = 0, last_ms = last_run(s),
                   n = store_select(s, STORE_PRUNABLE, &old, &seqs, e);
    if (n < 0)
        return -1;
    if (n > 0 && believe_clock(cmd, s, last_ms, e) != 0) {
        free(seqs);
        return -1;
    }
    if (cmd->dry_run) {
        free(seqs);
        return report_pruned(cmd, n, 0);
    }
    int result = empty_all(s, seqs, n, &by, &emptied, e);
    free(seqs);
    /* Of runs that empty nothing some are noted, by which the next knows the clock. */
    bool noted = emptied || cmd->now_ms - last_ms >= cmd->config->retain_ms / 4;
    if (noted && note_prune(s, &by, before_ms, emptied, result == 0 ? e : NULL) != 0)
        result = -1;
    if (result != 0)
        return -1;
    removed = store_prune_files(s, before_ms, e);
    if (removed < 0 || (emptied && store_flush(s, e) != 0))
        return -1;
    return report_pruned(cmd, emptied, removed);
}

int cmd_prune(const struct cmd *cmd, struct err *e)
{
    const struct config *c = cmd->config;
    if (!c->retain_ms)
        return err_set(e, ERR_CONFIG, "retain is empty, so all is kept; write retain = \"90d\"");
    struct store *s = cmd_store(c, false, e);
    int result = s ? prune(cmd, s, cmd->now_ms - c->retain_ms, e) : -1;
    store_close(s);
    return result;
}
