/* SPDX-License-Identifier: MIT
 * cmd_stats: figures: of the inbox by state and type, of what came by the hour, of secrets and of refusals. */
#include "cmd_stats.h"

#include "base/print.h"
#include "event_row.h"
#include "json_out.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

static void *or_exit(void *memory)
{
    if (memory)
        return memory;
    print_err("complycube-inbox: out of memory\n");
    exit(err_exit(ERR_MEMORY));
}

/* Room for one more of `size` bytes behind n, which is a power of two where it is full. */
static void *grown(void *list, size_t n, size_t size)
{
    return n & (n - 1) ? list : or_exit(realloc(list, (n ? 2 * n : 1) * size));
}

static char *copy_text(struct span text)
{
    char *c = or_exit(malloc(text.len + 1));
    memcpy(c, text.at ? text.at : "", text.len);
    c[text.len] = '\0';
    return c;
}

/* ---- what the store tells ---- */

static struct cmd_stats_endpoint *endpoint_figures(struct cmd_stats *s, struct span name)
{
    for (size_t i = 0; i < s->n_endpoints; i++)
        if (span_equal(name, span_of(s->endpoint[i].name)))
            return &s->endpoint[i];
    s->endpoint = grown(s->endpoint, s->n_endpoints, sizeof *s->endpoint);
    s->endpoint[s->n_endpoints] = (struct cmd_stats_endpoint){.name = copy_text(name)};
    return &s->endpoint[s->n_endpoints++];
}

static void take_tally(void *ctx, const struct store_tally *t)
{
    struct cmd_stats *s = ctx;
    if (t->state >= 0) {
        struct cmd_stats_endpoint *p = endpoint_figures(s, t->endpoint);
        p->n[t->state] = t->n;
        p->oldest_ms = t->oldest_ms ? t->oldest_ms : p->oldest_ms;
        return;
    }
    s->type = grown(s->type, s->n_types, sizeof *s->type);
    s->type[s->n_types++] = (struct cmd_stats_type){copy_text(t->endpoint), copy_text(t->type), t->n};
}

static void take_secret(struct cmd_stats *s, const struct store_count *c)
{
    size_t i = 0;
    while (i < s->n_secrets && !(span_equal(c->endpoint, span_of(s->secret[i].endpoint)) &&
                                 span_equal(c->secret, span_of(s->secret[i].name))))
        i++;
    if (i == s->n_secrets) {
        s->secret = grown(s->secret, s->n_secrets, sizeof *s->secret);
        s->secret[s->n_secrets++] = (struct cmd_stats_secret){copy_text(c->endpoint), copy_text(c->secret), 0, 0};
    }
    if (c->last_ms > s->secret[i].last_ms)
        s->secret[i].last_ms = c->last_ms;
    s->secret[i].n += c->n;
}

/* The step that a time is in; NULL: none. They follow each other without a gap. */
static struct cmd_stats_step *step_of(struct cmd_stats *s, int64_t ms)
{
    size_t low = 0, high = s->n_steps;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->step[middle].end_ms <= ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->n_steps && s->step[low].start_ms <= ms ? &s->step[low] : NULL;
}

static void add_count(void *ctx, const struct store_count *c)
{
    struct cmd_stats *s = ctx;
    if (s->cmd->endpoint && !span_equal(c->endpoint, span_of(s->cmd->endpoint)))
        return;
    if (c->secret.at)
        take_secret(s, c);
    struct cmd_stats_step *step = c->endpoint.at ? step_of(s, c->hour_ms) : NULL;
    if (!step)
        return;
    if (span_equal(c->outcome, span_of("stored")))
        step->new += c->n;
    else if (span_equal(c->outcome, span_of("duplicate")))
        step->again += c->n;
    else if (span_equal(c->outcome, span_of("ignored")))
        step->ignored += c->n;
    else if (span_equal(c->outcome, span_of("quarantined")))
        step->quarantined += c->n;
}

/* ---- the steps ---- */

/* The next local midnight, whatever the clock does in between. */
static int64_t next_local_midnight(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (!localtime_r(&seconds, &tm))
        return ms + DAY_MS;
    tm.tm_mday++;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    int64_t next = (int64_t)mktime(&tm) * 1000;
    return next > ms ? next : ms + DAY_MS;
}

/* Hours, as they are counted; for a person and a longer time the latest days of it. */
static void make_steps(struct cmd_stats *s)
{
    const struct cmd *cmd = s->cmd;
    int64_t end = cmd->before_ms ? cmd->before_ms : cmd->now_ms + 1;
    int64_t from = cmd->since_ms ? cmd->since_ms : end - DAY_MS + HOUR_MS;
    s->days = !cmd->json && end - from > 2 * DAY_MS;
    if (s->days && end - from > CMD_STATS_DAYS * DAY_MS)
        from = next_local_midnight(end - CMD_STATS_DAYS * DAY_MS - 1);
    for (int64_t at = s->days ? from : from - from % HOUR_MS; at < end; at = s->step[s->n_steps - 1].end_ms) {
        s->step = grown(s->step, s->n_steps, sizeof *s->step);
        s->step[s->n_steps++] =
            (struct cmd_stats_step){.start_ms = at, .end_ms = s->days ? next_local_midnight(at) : at + HOUR_MS};
    }
    s->from_ms = s->n_steps ? s->step[0].start_ms : from;
    s->end_ms = end;
}

static int take_refusals(struct cmd_stats *s, struct err *e)
{
    struct refusals_log *log = or_exit(malloc(sizeof *log));
    int failed = refusals_read(s->cmd->config->database, log, e);
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS && !failed; k++)
        s->refused[k] = refusals_sum(log, k, s->from_ms, s->end_ms);
    for (size_t i = 0; i < REFUSALS_HOURS && !failed; i++) {
        struct cmd_stats_step *step = log->hour[i].start_ms ? step_of(s, log->hour[i].start_ms) : NULL;
        for (int k = 0; step && k < REFUSALS_KINDS; k++)
            *(k == REFUSALS_FAILED ? &step->failed : &step->refused) += log->hour[i].n[k];
    }
    free(log);
    return failed;
}

/* ---- for programs ---- */

static struct json_out *begin_figure(const char *what)
{
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "what", span_of(what));
    return j;
}

static void put_endpoint(const struct cmd_stats *s, const struct cmd_stats_endpoint *p)
{
    struct json_out *j = begin_figure("endpoint");
    json_out_text(j, "endpoint", span_of(p->name));
    for (int state = 0; state < 4; state++)
        json_out_number(j, cmd_state_word(state), p->n[state]);
    json_out_number(j, "quarantined", p->n[STORE_STATE_QUARANTINED]);
    if (p->oldest_ms) {
        json_out_number(j, "oldest_ms", p->oldest_ms);
        json_out_number(j, "lag_ms", s->cmd->now_ms - p->oldest_ms);
    } else {
        json_out_null(j, "oldest_ms");
        json_out_number(j, "lag_ms", 0);
    }
    json_out_print(j);
}

static void put_step(const struct cmd_stats_step *step)
{
    if (!(step->new || step->again || step->ignored || step->quarantined || step->refused || step->failed))
        return;
    struct json_out *j = begin_figure("hour");
    json_out_number(j, "hour_ms", step->start_ms);
    json_out_number(j, "stored", step->new);
    json_out_number(j, "duplicate", step->again);
    json_out_number(j, "ignored", step->ignored);
    json_out_number(j, "quarantined", step->quarantined);
    json_out_number(j, "refused", step->refused);
    json_out_number(j, "failed", step->failed);
    json_out_print(j);
}

static void print_stats_json(const struct cmd_stats *s)
{
    for (size_t i = 0; i < s->n_endpoints; i++)
        put_endpoint(s, &s->endpoint[i]);
    for (size_t i = 0; i < s->n_types; i++) {
        struct json_out *j = begin_figure("type");
        json_out_text(j, "endpoint", span_of(s->type[i].endpoint));
        json_out_text(j, "type", span_of(s->type[i].name));
        json_out_number(j, "events", s->type[i].n);
        json_out_print(j);
    }
    for (size_t i = 0; i < s->n_steps; i++)
        put_step(&s->step[i]);
    for (size_t i = 0; i < s->n_secrets; i++) {
        struct json_out *j = begin_figure("secret");
        json_out_text(j, "endpoint", span_of(s->secret[i].endpoint));
        json_out_text(j, "secret", span_of(s->secret[i].name));
        json_out_number(j, "last_match_ms", s->secret[i].last_ms);
        json_out_number(j, "matches", s->secret[i].n);
        json_out_print(j);
    }
    struct json_out *j = begin_figure("refused");
    json_out_number(j, "since_ms", s->from_ms);
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS; k++)
        json_out_number(j, refusals_word(k), s->refused[k]);
    json_out_print(j);
}

/* ---- together ---- */

static int compare_counted_secrets(const void *a, const void *b)
{
    const struct cmd_stats_secret *x = a, *y = b;
    int d = strcmp(x->endpoint, y->endpoint);
    return d ? d : strcmp(x->name, y->name);
}

static int read_figures(struct cmd_stats *s, struct err *e)
{
    struct store *store = s->cmd->store;
    struct store_query filter = cmd_query(s->cmd);
    make_steps(s);
    if (store_tally(store, &filter, true, take_tally, s, e) != 0 || store_counts(store, 0, add_count, s, e) != 0 ||
        take_refusals(s, e) != 0)
        return -1;
    if (s->n_secrets)
        qsort(s->secret, s->n_secrets, sizeof *s->secret, compare_counted_secrets);
    return s->cmd->endpoint && s->n_endpoints == 0
               ? err_set(e, ERR_NOT_FOUND, "there is no endpoint %s", s->cmd->endpoint)
               : 0;
}

static void release_figures(struct cmd_stats *s)
{
    for (size_t i = 0; i < s->n_endpoints; i++)
        free(s->endpoint[i].name);
    for (size_t i = 0; i < s->n_types; i++) {
        free(s->type[i].endpoint);
        free(s->type[i].name);
    }
    for (size_t i = 0; i < s->n_secrets; i++) {
        free(s->secret[i].endpoint);
        free(s->secret[i].name);
    }
    free(s->endpoint);
    free(s->type);
    free(s->secret);
    free(s->step);
}

int cmd_stats(const struct cmd *cmd, struct err *e)
{
    struct cmd_stats s = {.cmd = cmd, .terminal = isatty(STDOUT_FILENO)};
    int result = read_figures(&s, e);
    if (result == 0)
        (cmd->json ? print_stats_json : cmd_stats_print)(&s);
    release_figures(&s);
    return result;
}
