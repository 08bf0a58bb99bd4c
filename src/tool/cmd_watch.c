/* SPDX-License-Identifier: MIT
 * cmd_watch: the alarm for cron: nothing to say while all is well, else one line of all that is wrong. */
#include "base/print.h"
#include "json_out.h"
#include "judged.h"

#include <stdlib.h>

/* ---- for a program ---- */

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

static void print_watch_json(const struct judged *w, const struct alarm_limits *limits, const char *line)
{
    const struct figures *f = &w->figures;
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_bool(j, "ok", w->alarm.n == 0);
    json_out_text(j, "wrong", w->alarm.n ? span_of(line) : (struct span){0});
    if (f->known)
        put_database(j, f, limits->silence_ms);
    json_out_number(j, "spooled", f->spooled);
    put_moment(j, "spooled_ms", f->spooled_ms);
    json_out_number(j, "spool_aside", f->aside);
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS; k++) {
        char name[32];
        snprintf(name, sizeof name, "refused_%s", refusals_word(k));
        json_out_number(j, k == REFUSALS_FAILED ? "answered_5xx" : name, alarm_refused(f, k, limits));
    }
    json_out_print(j);
}

/* ---- for Nagios ---- */

/* More than `most` is a warning; -1: any number is right. */
static void print_measured(const char *label, int64_t n, const char *unit, int64_t most)
{
    print_out(" %s=%lld%s;", label, (long long)n, unit);
    if (most >= 0)
        print_out("%lld", (long long)most);
    print_out(";;0");
}

/* source: monitoring-plugins.org, "Development Guidelines", performance data */
static void print_performance(const struct figures *f, const struct alarm_limits *limits)
{
    print_out(" |");
    if (f->known) {
        print_measured("waiting", f->n[STORE_STATE_WAITING], "", -1);
        print_measured("claimed", f->claimed, "", -1);
        print_measured("delayed", f->delayed, "", -1);
        print_measured("oldest", f->oldest_ms ? (f->now_ms - f->oldest_ms) / 1000 : 0, "s", limits->oldest_ms / 1000);
        print_measured("dead", f->n[STORE_STATE_DEAD], "", 0);
        print_measured("quarantined", f->n[STORE_STATE_QUARANTINED], "", 0);
    }
    print_measured("refused", alarm_refused(f, REFUSALS_SIGNATURE, limits), "", limits->refused_max - 1);
    print_measured("failed", alarm_refused(f, REFUSALS_FAILED, limits), "", limits->failed_max - 1);
    print_measured("spooled", f->spooled, "", -1);
}

/* A bar would begin the performance data. */
static void blot_bars(char *line)
{
    for (char *at = line; (at = strchr(at, '|'));)
        *at = '/';
}

static void print_nagios(const struct judged *j, const struct alarm_limits *limits, char *line, int *status)
{
    static const char *const words[] = {
        [ALARM_OK] = "OK", [ALARM_WARNING] = "WARNING", [ALARM_CRITICAL] = "CRITICAL"};
    enum alarm_severity worst = alarm_worst(&j->alarm);
    blot_bars(line);
    print_out("COMPLYCUBE %s - %s", words[worst], *line ? line : "nothing is wrong");
    print_performance(&j->figures, limits);
    print_out("\n");
    *status = (int)worst;
}

/* ---- all of it ---- */

/* The exit code is that of what keeps the figures from being read, else that of ERR_NOT_FOUND. */
static int report(const struct judged *j, const struct cmd *cmd, struct err *e)
{
    char line[ALARM_LINE];
    alarm_line(&j->alarm, line, cmd->nagios ? sizeof line : sizeof e->msg);
    if (cmd->nagios) {
        print_nagios(j, &cmd->limits, line, cmd->status);
        return 0;
    }
    if (cmd->json)
        print_watch_json(j, &cmd->limits, line);
    enum err_code code = j->figures.known ? ERR_NOT_FOUND : j->figures.unknown.code;
    return j->alarm.n ? err_set(e, code, "%s", line) : 0;
}

int cmd_watch(const struct cmd *cmd, struct err *e)
{
    struct judged *j = calloc(1, sizeof *j);
    if (!j)
        return err_set(e, ERR_MEMORY, "looking: out of memory");
    struct err *unknown = &j->figures.unknown;
    int result = judged_read(j, cmd, unknown);
    if (result != 0)
        alarm_add(&j->alarm, ALARM_CONFIG, "", "complycube-inbox doctor", "%s", unknown->msg);
    if (cmd->nagios && (result != 0 || unknown->code == ERR_BUSY)) {
        *e = *unknown;
        result = -1;
    } else
        result = report(j, cmd, e);
    free(j);
    return result;
}
