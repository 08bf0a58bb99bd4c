/* SPDX-License-Identifier: MIT
 * cmd_watch: the alarm for cron: nothing to say while all is well, else one line of all that is wrong. */
#include "command.h"
#include "event_row.h"
#include "json_out.h"
#include "receiver/begun.h"
#include "receiver/receiver.h"
#include "receiver/refusals.h"
#include "spool/spool.h"
#include "store/beside.h"
#include "store/sqlite/pinned.h"
#include "store/store_file.h"
#include "webhook.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { WRONG_MAX = 16, WAITING = 0, DEAD = 2, QUARANTINED = STORE_STATE_QUARANTINED };

/*
 * How many failures in a row are told although they came slowly, as the sender's ten tries of one event do: where nothing
 * came through in between there is no traffic beside which they would be few. A scanner's look like a wrong signature.
 */
enum {
    IN_A_ROW = 5,
    IN_A_ROW_MATCHED = 10,
    SPOOLED_MANY = 2,
    API_PATIENCE_MS = 10000,
    BUSY_MS = 2000,
    MINUTE_MS = 60000,
    WEEK_MS = 7 * 24 * 3600 * 1000
};

struct watch {
    const struct cmd *cmd;
    int64_t n[STORE_STATES], bytes[STORE_STATES],
        oldest_ms;                    /* of the inbox: when the oldest that waits was received, 0: none waits */
    int64_t ahead, future_ms;         /* by a clock that was wrong: how many are due; the latest that came, 0: none */
    int64_t latest_ms;                /* when something came last, 0: nothing did within --silence */
    int64_t matched_ms;               /* when a secret matched last, 0: never */
    int64_t refused[REFUSALS_KINDS];  /* within --within */
    int64_t in_a_row[REFUSALS_KINDS]; /* since matched_ms, within a week */
    int64_t spooled, spooled_ms, aside; /* of the spool: what waits, since when the oldest; and what is set aside */
    size_t n_wrong;
    char wrong[WRONG_MAX][400];
};

static void add_wrong(struct watch *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_wrong(struct watch *w, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    if (w->n_wrong < WRONG_MAX)
        vsnprintf(w->wrong[w->n_wrong++], sizeof w->wrong[0], format, ap);
    va_end(ap);
}

static void add_cure(struct watch *w, const char *what, const char *words, const char *file, const char *after)
{
    char line[sizeof w->wrong[0]];
    add_wrong(w, "%s", command_advice(line, sizeof line, w->cmd, what, words, file, after));
}

/* ---- the figures ---- */

static void take_state(void *ctx, const struct store_tally *t)
{
    struct watch *w = ctx;
    w->n[t->state] += t->n;
    w->bytes[t->state] += t->bytes;
    w->ahead += t->ahead;
    if (t->latest_ms > w->cmd->now_ms + MINUTE_MS && t->latest_ms > w->future_ms)
        w->future_ms = t->latest_ms;
    if (t->oldest_ms && (!w->oldest_ms || t->oldest_ms < w->oldest_ms))
        w->oldest_ms = t->oldest_ms;
}

static void take_latest(void *ctx, const struct store_count *c)
{
    struct watch *w = ctx;
    if (c->last_ms > w->cmd->now_ms + MINUTE_MS)
        return; /* by a clock that was wrong */
    bool mine = !w->cmd->endpoint || span_equal(c->endpoint, span_of(w->cmd->endpoint));
    if (mine && c->last_ms > w->latest_ms && c->last_ms >= w->cmd->now_ms - w->cmd->silence_ms)
        w->latest_ms = c->last_ms;
    if (c->secret.at && c->last_ms > w->matched_ms)
        w->matched_ms = c->last_ms;
}

/*
 * Before the first event there is no database, and that is no fault as long as the receiver could make one. One that was
 * there has left its lock beside it, or a mark beside the secrets.
 */
static bool not_made_yet(const struct config *c)
{
    struct store_options o;
    struct err e;
    char base[PATH_MAX], lock[PATH_MAX], was[PATH_MAX];
    if (begun_before(c, was))
        return false;
    beside_base(c->database, base, NULL);
    return snprintf(lock, sizeof lock, "%s.lock", base) < (int)sizeof lock && access(lock, F_OK) != 0 &&
           receiver_store_options(c, true, &o, &e) == 0 && store_probe(&o, &e) == 0;
}

static void judge_log(struct watch *w, const char *database)
{
    struct pinned p;
    char by[80] = "";
    if (!pinned_look(database, &p))
        return;
    if (p.pid)
        snprintf(by, sizeof by, ": process %ld %.32s reads on and on", p.pid, p.name);
    add_wrong(w, "%lld MB of the database's log cannot be written back%s (doctor)", (long long)(p.bytes >> 20), by);
}

/* Whoever may not write cannot tell whether a receiver could. */
static void judge_lock(struct watch *w, struct store *s)
{
    struct err e;
    if (store_try(s, BUSY_MS, &e) != 0 && e.code == ERR_BUSY)
        add_wrong(w, "%.300s (doctor)", e.msg);
}

static void judge_altered(void *ctx, const struct store_alteration *one)
{
    add_wrong(ctx, "the %.16s %.60s in the database %s: complycube-inbox doctor", one->kind, one->name,
              store_altered_words(one->what));
}

static int read_store(struct watch *w, const struct config *c, struct err *e)
{
    const struct cmd *cmd = w->cmd;
    struct store_query filter = {.endpoint = cmd->endpoint, .state = -1};
    struct store *s = cmd_store(c, false, e);
    int failed = !s || store_altered(s, judge_altered, w, e) < 0 || store_ready(s, e) != 0 ||
                 store_tally(s, &filter, false, take_state, w, e) != 0 || store_counts(s, 0, take_latest, w, e) != 0;
    if (!failed)
        judge_lock(w, s);
    store_close(s);
    return failed && (e->code != ERR_NOT_FOUND || !not_made_yet(c)) ? -1 : 0;
}

/* One minute of the file may have begun before: it counts as a whole. */
static int read_refusals(struct watch *w, const struct config *c, struct err *e)
{
    struct refusals_log *log = malloc(sizeof *log);
    if (!log)
        return err_set(e, ERR_MEMORY, "reading the count of refusals: out of memory");
    int failed = refusals_read(c->database, log, e);
    int64_t now_ms = w->cmd->now_ms, since_ms = w->matched_ms + MINUTE_MS; /* the minute of the match is its own */
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS && !failed; k++) {
        w->refused[k] = refusals_sum(log, k, now_ms - w->cmd->within_ms, now_ms + 1);
        w->in_a_row[k] = refusals_sum(log, k, since_ms > now_ms - WEEK_MS ? since_ms : now_ms - WEEK_MS, now_ms + 1);
    }
    free(log);
    return failed;
}

/* ---- what they mean ---- */

static void judge_inbox(struct watch *w)
{
    const struct cmd *cmd = w->cmd;
    char age[24], time[32], size[40];
    if (w->oldest_ms && cmd->now_ms - w->oldest_ms > cmd->oldest_ms)
        add_wrong(w, "%lld wait, the oldest for %s", (long long)w->n[WAITING],
                  cmd_format_age(cmd->now_ms - w->oldest_ms, age));
    if (w->ahead)
        add_wrong(w, "the clock was wrong: %lld are due more than 24 h ahead (requeue)", (long long)w->ahead);
    if (w->future_ms)
        add_wrong(w, "the clock was wrong, or is: events were received in the future, until %s (doctor)",
                  cmd_format_time(w->future_ms, time));
    if (w->n[DEAD])
        add_wrong(w, "%lld dead%s (list --state dead)", (long long)w->n[DEAD], cmd_format_size(w->bytes[DEAD], size));
    if (w->n[QUARANTINED])
        add_wrong(w, "%lld in quarantine%s", (long long)w->n[QUARANTINED],
                  cmd_format_size(w->bytes[QUARANTINED], size));
    if (cmd->silence_ms && w->latest_ms < cmd->now_ms - cmd->silence_ms)
        add_wrong(w, "nothing came for %s", cmd_format_age(cmd->silence_ms, age));
}

/* A database that was deleted: it is somebody's turn to restore it, or to say that all is well. */
static void judge_deleted(struct watch *w, const char *database)
{
    char base[PATH_MAX], pattern[PATH_MAX];
    glob_t found = {0};
    beside_base(database, base, NULL);
    if (snprintf(pattern, sizeof pattern, "%s.deleted-*Z", base) < (int)sizeof pattern &&
        glob(pattern, 0, NULL, &found) == 0)
        add_cure(w, "the database was deleted or replaced", "restore", found.gl_pathv[0], ", and remove that file");
    globfree(&found);
    if (snprintf(pattern, sizeof pattern, "%s" RECEIVER_MISSED, base) < (int)sizeof pattern &&
        access(pattern, F_OK) == 0)
        add_wrong(w, "the database was gone, and was begun anew: complycube-inbox restore BACKUP, and remove %s",
                  pattern);
}

static void judge_refusals(struct watch *w)
{
    char age[24], time[32];
    int64_t refused = w->refused[REFUSALS_SIGNATURE], failed = w->refused[REFUSALS_FAILED];
    int64_t wrong = w->in_a_row[REFUSALS_SIGNATURE], broken = w->in_a_row[REFUSALS_FAILED];
    cmd_format_age(w->cmd->within_ms, age);
    cmd_format_time(w->matched_ms, time);
    if (refused >= w->cmd->refused_max)
        add_wrong(w, "%lld signatures refused within %s", (long long)refused, age);
    else if (!w->matched_ms && wrong >= IN_A_ROW)
        add_wrong(w, "%lld signatures refused, and none was ever right: is the secret another webhook's? (doctor)",
                  (long long)wrong);
    else if (wrong >= IN_A_ROW_MATCHED)
        add_wrong(w, "%lld signatures refused since %s, and none was right: is a secret wrong? (doctor)",
                  (long long)wrong, time);
    if (failed >= w->cmd->failed_max)
        add_wrong(w, "%lld answers of 5xx within %s (see the receiver's log)", (long long)failed, age);
    else if (broken >= IN_A_ROW)
        add_wrong(w, "%lld answers of 5xx since the last event that was accepted (see the receiver's log)",
                  (long long)broken);
}

/* Without a secret that can be used no event is accepted. Who may not read the file cannot tell. */
static void judge_secrets(struct watch *w, const struct config *c)
{
    struct secrets *s = malloc(sizeof *s);
    struct trust_weak weak;
    char by[CONFIG_EXPOSED_BY];
    struct err e;
    for (size_t i = 0; s && i < c->n_endpoints; i++) {
        const char *file = c->endpoint[i].secret_file;
        bool mine = !w->cmd->endpoint || strcmp(w->cmd->endpoint, c->names[i]) == 0;
        if (!mine || !file || (access(file, R_OK) != 0 && errno == EACCES))
            continue;
        if (secrets_read(s, file, &c->trusted, &e) != 0)
            add_wrong(w, "%.300s", e.msg);
        else if (s->n == 0)
            add_wrong(w, "%.300s holds no secret", file);
        else if (config_exposed(c, &c->endpoint[i], &weak))
            add_wrong(w, "%.150s could be replaced: %.150s (doctor)", file, config_exposed_by(&weak, by));
        secrets_release(s);
    }
    free(s);
}

/*
 * If something has waited there for minutes, nobody records it: no database, no receiver, or a folder that it cannot write.
 * Several that wait at once say so earlier.
 */
static void judge_spool(struct watch *w, const struct config *c)
{
    struct spool_names names;
    struct err e;
    char age[24];
    if (!*c->spool)
        return;
    if (spool_list(c->spool, false, &names, &e) != 0) {
        if (e.code != ERR_NOT_FOUND || files_check_link(c->spool, &e) != 0)
            add_wrong(w, "%.300s", e.msg);
        return;
    }
    w->spooled = (int64_t)names.count[SPOOL_EVENT];
    w->spooled_ms = names.oldest_ms;
    w->aside = (int64_t)names.count[SPOOL_ASIDE];
    spool_names_release(&names);
    if (w->spooled >= SPOOLED_MANY || (w->spooled && w->cmd->now_ms - w->spooled_ms > SPOOL_LATE_MS))
        add_wrong(w, "%lld wait in the spool, the oldest for %s (spool record)", (long long)w->spooled,
                  cmd_format_age(w->cmd->now_ms - w->spooled_ms, age));
    if (w->aside)
        add_wrong(w, "%lld of the spool are set aside (spool record)", (long long)w->aside);
}

struct asked {
    struct watch *watch;
    const struct config_endpoint *endpoint;
};

static void add_webhook(void *ctx, enum webhook_fault fault, const struct webhook *webhook, const char *words)
{
    const struct asked *a = ctx;
    char what[300], enable[100];
    (void)webhook;
    snprintf(what, sizeof what, "endpoint %s: %.200s", a->endpoint->name, words);
    snprintf(enable, sizeof enable, "webhooks enable -e %s", a->endpoint->name);
    if (fault == WEBHOOK_DISABLED)
        add_cure(a->watch, what, enable, NULL, "");
    else
        add_wrong(a->watch, "%s", what);
}

static void ask_endpoint(struct asked *a, const struct config *c, struct webhooks *all)
{
    const struct cmd *cmd = a->watch->cmd;
    struct account *account;
    struct err e = {0};
    if (account_open(&account, cmd, c, a->endpoint, API_PATIENCE_MS, &e) != 0 || webhook_list(account, all, &e) != 0)
        add_wrong(a->watch, "endpoint %s: %.300s", a->endpoint->name, e.msg);
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
        add_wrong(w, "%.300s", e.msg);
    free(all);
}

static void put_moment(struct json_out *j, const char *name, int64_t ms)
{
    if (ms)
        json_out_number(j, name, ms);
    else
        json_out_null(j, name);
}

static void print_watch_json(const struct watch *w, bool looked, const char *wrong)
{
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_bool(j, "ok", w->n_wrong == 0);
    json_out_text(j, "wrong", w->n_wrong ? span_of(wrong) : (struct span){0});
    if (looked) {
        json_out_number(j, "waiting", w->n[WAITING]);
        put_moment(j, "oldest_ms", w->oldest_ms);
        json_out_number(j, "dead", w->n[DEAD]);
        json_out_number(j, "quarantined", w->n[QUARANTINED]);
        if (w->cmd->silence_ms)
            put_moment(j, "latest_ms", w->latest_ms);
    }
    json_out_number(j, "spooled", w->spooled);
    put_moment(j, "spooled_ms", w->spooled_ms);
    json_out_number(j, "spool_aside", w->aside);
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS; k++) {
        char name[32];
        snprintf(name, sizeof name, "refused_%s", refusals_word(k));
        json_out_number(j, k == REFUSALS_FAILED ? "answered_5xx" : name, w->refused[k]);
    }
    json_out_print(j);
}

/* What keeps events from being recorded comes first, and gives the exit code; else it is that of ERR_NOT_FOUND. */
static int report_wrong(const struct watch *w, bool looked, enum err_code code, struct err *e)
{
    static const char more[] = "; and more (doctor)";
    char line[sizeof e->msg] = "";
    for (size_t i = 0, used = 0; i < w->n_wrong; i++) {
        size_t len = strlen(w->wrong[i]) + 2, room = sizeof line - used - (i + 1 < w->n_wrong ? sizeof more : 1);
        bool fits = i == 0 || len <= room;
        snprintf(line + used, sizeof line - used, "%s%s", i ? "; " : "", fits ? w->wrong[i] : more + 2);
        used = strlen(line);
        if (!fits)
            break;
    }
    if (w->cmd->json)
        print_watch_json(w, looked, line);
    return w->n_wrong ? err_set(e, code, "%s", line) : 0;
}

int cmd_watch(const struct cmd *cmd, struct err *e)
{
    struct watch *w = calloc(1, sizeof *w);
    struct err other = {0};
    if (!w)
        return err_set(e, ERR_MEMORY, "looking: out of memory");
    w->cmd = cmd;
    struct config *c = cmd_load_public_config(cmd, e);
    bool known = c && (!cmd->endpoint || config_has_endpoint(c, cmd->endpoint) ||
                       err_set(e, ERR_NOT_FOUND, "there is no endpoint %s", cmd->endpoint) == 0);
    if (known)
        judge_log(w, c->database);
    bool looked = known && read_store(w, c, e) == 0;
    if (looked) {
        judge_inbox(w);
        begun_mark(c); /* a confined receiver that began it could not */
    } else
        add_wrong(w, "%s", e->msg);
    if (c && read_refusals(w, c, &other) != 0)
        add_wrong(w, "%s", other.msg);
    judge_refusals(w);
    if (c) {
        judge_secrets(w, c);
        judge_spool(w, c);
        judge_deleted(w, c->database);
        if (cmd->api)
            judge_webhooks(w, c);
    }
    int result = report_wrong(w, looked, looked ? ERR_NOT_FOUND : e->code, e);
    config_free(c);
    free(w);
    return result;
}
