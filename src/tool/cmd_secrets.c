/* SPDX-License-Identifier: MIT
 * cmd_secrets: when did each secret last match, and may it go? Never a value. */
#include "base/print.h"
#include "base/when.h"
#include "cmd.h"
#include "json_out.h"

#include <stdlib.h>

#define WEEK_MS (7 * INT64_C(86400000))

struct row {
    const char *endpoint, *secret;
    const struct config_endpoint *of;
    bool retired;
    int64_t last_ms, week; /* the latest match, 0: none; how many matches in the last 7 days */
};

struct table {
    struct row *rows;
    size_t n;
    int64_t now_ms;
    int endpoint_width, secret_width;
};

static void widen(int *width, const char *text)
{
    if ((int)strlen(text) > *width)
        *width = (int)strlen(text);
}

static int make_secret_rows(struct table *t, const struct config *c, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_endpoints; i++)
        n += c->endpoint[i].secrets.n;
    t->rows = calloc(n ? n : 1, sizeof *t->rows);
    if (!t->rows)
        return err_set(e, ERR_MEMORY, "reading the secrets: out of memory");
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t k = 0; k < c->endpoint[i].secrets.n; k++) {
            const struct secret *s = &c->endpoint[i].secrets.list[k];
            t->rows[t->n++] = (struct row){c->endpoint[i].name, s->name, &c->endpoint[i], s->retired, 0, 0};
            widen(&t->endpoint_width, c->endpoint[i].name);
            widen(&t->secret_width, s->name);
        }
    return 0;
}

/* Where no secret matched there is none to find. */
static void count_match(void *ctx, const struct store_count *count)
{
    struct table *t = ctx;
    for (struct row *r = t->rows; r < t->rows + t->n; r++) {
        if (!span_equal(count->endpoint, span_of(r->endpoint)) || !span_equal(count->secret, span_of(r->secret)))
            continue;
        if (count->last_ms > r->last_ms)
            r->last_ms = count->last_ms;
        if (count->last_ms >= t->now_ms - WEEK_MS)
            r->week += count->n;
    }
}

static const char *judge_secret(const struct table *t, const struct row *r)
{
    if (r->retired)
        return "retired";
    if (!r->last_ms)
        return "never matched";
    bool later = false;
    for (const struct row *o = t->rows; o < t->rows + t->n; o++)
        later |= strcmp(o->endpoint, r->endpoint) == 0 && o->last_ms > r->last_ms;
    return later && r->last_ms <= t->now_ms - WEEK_MS ? "may go" : "in use";
}

static void print_secret_json(const struct config *c, const struct row *r, const char *verdict)
{
    struct trust_weak weak;
    char by[CONFIG_EXPOSED_BY];
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "endpoint", span_of(r->endpoint));
    json_out_text(j, "secret", span_of(r->secret));
    json_out_bool(j, "in_force", !r->retired);
    if (r->last_ms)
        json_out_number(j, "last_match_ms", r->last_ms);
    else
        json_out_null(j, "last_match_ms");
    json_out_number(j, "matches_7_days", r->week);
    json_out_text(j, "verdict", span_of(verdict));
    if (config_exposed(c, r->of, &weak))
        json_out_text(j, "exposed", span_of(config_exposed_by(&weak, by)));
    else
        json_out_null(j, "exposed");
    json_out_print(j);
}

static void print_secret_rows(const struct cmd *cmd, const struct table *t)
{
    char time[32];
    int a = t->endpoint_width, b = t->secret_width;
    if (!cmd->json)
        print_out("%-*s  %-*s  %-8s  %-25s  %6s  %s\n", a, "ENDPOINT", b, "SECRET", "STATE", "LAST MATCH", "7 DAYS",
                  "VERDICT");
    for (const struct row *r = t->rows; r < t->rows + t->n; r++)
        if (cmd->json)
            print_secret_json(cmd->config, r, judge_secret(t, r));
        else
            print_out("%-*s  %-*s  %-8s  %-25s  %6lld  %s\n", a, r->endpoint, b, r->secret,
                      r->retired ? "retired" : "in force", when_time(r->last_ms, time), (long long)r->week,
                      judge_secret(t, r));
}

/* Each file by itself. Its cure takes several steps, which doctor prints. */
static void warn_exposed(const struct config *c)
{
    struct trust_weak weak;
    char by[CONFIG_EXPOSED_BY];
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (config_exposed(c, &c->endpoint[i], &weak))
            print_err(
                "complycube-inbox: endpoint %s: the secret file %s could be replaced: %s; complycube-inbox doctor "
                "prints the commands that move it\n",
                c->endpoint[i].name, c->endpoint[i].secret_file, config_exposed_by(&weak, by));
}

int cmd_secrets(const struct cmd *cmd, struct err *e)
{
    struct table t = {.now_ms = cmd->now_ms, .endpoint_width = 8, .secret_width = 6};
    if (make_secret_rows(&t, cmd->config, e) != 0)
        return -1;
    int result = store_counts(cmd->store, 0, count_match, &t, e);
    if (result == 0)
        print_secret_rows(cmd, &t);
    if (result == 0 && !cmd->json)
        warn_exposed(cmd->config);
    free(t.rows);
    return result;
}
