/* SPDX-License-Identifier: MIT
 * stats_print: the figures as tables of 80 columns, with bars, since people look rather than read. */
#include "base/print.h"
#include "base/when.h"
#include "cmd_stats.h"

#include <langinfo.h>
#include <locale.h>
#include <time.h>

enum { TYPES = 20 /* shown at most */, WIDTH = 80, EIGHTHS = 8, LABEL = 32 };

static bool is_utf8(void) { return strcmp(nl_langinfo(CODESET), "UTF-8") == 0; }

/* A bar of n out of most, so many columns at most; nothing that is more than nothing is invisible. */
static void print_bar(int64_t n, int64_t most, int columns)
{
    static const char *const parts[EIGHTHS] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    bool fine = is_utf8();
    if (n <= 0 || most <= 0)
        return;
    print_out("  ");
    int64_t unit = fine ? EIGHTHS : 1, units = (int64_t)((double)n / (double)most * (double)(columns * unit));
    if (units == 0)
        units = 1;
    for (int64_t i = 0; i < units / unit; i++)
        print_out(fine ? "█" : "#");
    if (fine)
        print_out("%s", parts[units % unit]);
}

static void print_endpoint_row(const char *name, const struct cmd_stats_endpoint *p, int64_t now_ms)
{
    char age[24];
    print_text(stdout, span_of(name), 12);
    print_out("  %9lld  %9lld  %9lld  %9lld  %9lld  %6s\n", (long long)p->n[0], (long long)p->n[1],
              (long long)p->n[2], (long long)p->n[3], (long long)p->n[STORE_STATE_QUARANTINED],
              p->oldest_ms ? when_age(now_ms - p->oldest_ms, age) : "-");
}

static void print_endpoints(const struct cmd_stats *s)
{
    struct cmd_stats_endpoint all = {0};
    print_out("%-12s  %9s  %9s  %9s  %9s  %9s  %6s\n", "ENDPOINT", "WAITING", "DONE", "DEAD", "IGNORED", "QUARANT.",
              "OLDEST"); /* that waits */
    for (size_t i = 0; i < s->n_endpoints; i++) {
        const struct cmd_stats_endpoint *p = &s->endpoint[i];
        print_endpoint_row(p->name, p, s->cmd->now_ms);
        for (int state = 0; state < STORE_STATES; state++)
            all.n[state] += p->n[state];
        if (p->oldest_ms && (!all.oldest_ms || p->oldest_ms < all.oldest_ms))
            all.oldest_ms = p->oldest_ms;
    }
    if (s->n_endpoints > 1)
        print_endpoint_row("all", &all, s->cmd->now_ms);
}

static void print_types(const struct cmd_stats *s)
{
    if (s->n_types == 0)
        return;
    print_out("\n%-32s  %-12s  %9s\n", "TYPE", "ENDPOINT", "EVENTS");
    for (size_t i = 0; i < s->n_types && i < TYPES; i++) {
        const struct cmd_stats_type *t = &s->type[i];
        print_text(stdout, span_of(t->name), 32);
        print_out("  ");
        print_text(stdout, span_of(t->endpoint), 12);
        print_out("  %9lld", (long long)t->n);
        print_bar(t->n, s->type[0].n, WIDTH - 59);
        print_out("\n");
    }
    if (s->n_types > TYPES)
        print_out("and %zu types more: see --json\n", s->n_types - TYPES);
}

static void print_step_row(const char *label, const struct cmd_stats_step *step, int64_t most)
{
    print_out("%-11s  %8lld  %8lld  %8lld  %8lld  %8lld", label, (long long)step->new, (long long)step->again,
              (long long)(step->ignored + step->quarantined), (long long)step->refused, (long long)step->failed);
    print_bar(step->new, most, WIDTH - 63);
    print_out("\n");
}

static void format_step(const struct cmd_stats *s, const struct cmd_stats_step *p, char label[LABEL])
{
    time_t seconds = (time_t)(p->start_ms / 1000);
    struct tm tm;
    if (!localtime_r(&seconds, &tm) || strftime(label, LABEL, s->days ? "%Y-%m-%d" : "%m-%d %H:%M", &tm) == 0)
        snprintf(label, LABEL, "-");
}

/* In eighths; what is more than nothing is never flat. */
static int height_of(int64_t n, int64_t most)
{
    int height = n > 0 && n <= most ? (int)((double)n / (double)most * EIGHTHS) : 0;
    return n > 0 && height == 0 ? 1 : height;
}

/* What came in each hour, or day, as one line of heights. */
static void print_heights(const struct cmd_stats *s, int64_t most)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const plain[] = {" ", ".", ":", "-", "=", "+", "*", "%", "#"};
    const char *const *height = is_utf8() ? blocks : plain;
    char label[LABEL];
    if (most <= 0)
        return;
    format_step(s, &s->step[0], label);
    print_out("\nNEW each %s, %lld at most\n%s |", s->days ? "day" : "hour", (long long)most, label);
    for (size_t i = 0; i < s->n_steps; i++)
        print_out("%s", height[height_of(s->step[i].new, most)]);
    format_step(s, &s->step[s->n_steps - 1], label);
    print_out("| %s\n", label);
}

static bool is_empty(const struct cmd_stats_step *p)
{
    return p->new + p->again + p->ignored + p->quarantined + p->refused + p->failed == 0;
}

/* How many steps from this one on share a line: more than one if nothing came in them. */
static size_t fold_steps(const struct cmd_stats *s, size_t i)
{
    size_t n = 0;
    while (s->terminal && i + n < s->n_steps && is_empty(&s->step[i + n]))
        n++;
    return n ? n : 1;
}

static void add_step(struct cmd_stats_step *all, const struct cmd_stats_step *p)
{
    all->new += p->new;
    all->again += p->again;
    all->ignored += p->ignored;
    all->quarantined += p->quarantined;
    all->refused += p->refused;
    all->failed += p->failed;
}

static void print_step_rows(const struct cmd_stats *s)
{
    struct cmd_stats_step all = {0};
    char label[LABEL], last[LABEL];
    int64_t most = 0;
    for (size_t i = 0; i < s->n_steps; i++)
        most = s->step[i].new > most ? s->step[i].new : most;
    if (s->terminal)
        print_heights(s, most);
    print_out("\n%-11s  %8s  %8s  %8s  %8s  %8s\n", s->days ? "DAY" : "HOUR", "NEW", "AGAIN", "ASIDE", "REFUSED",
              "5xx");
    for (size_t i = 0, n; i < s->n_steps; i += n) {
        n = fold_steps(s, i);
        format_step(s, &s->step[i], label);
        format_step(s, &s->step[i + n - 1], last);
        if (n > 1)
            print_out("%-11s  to %s: nothing\n", label, last);
        else
            print_step_row(label, &s->step[i], most);
        add_step(&all, &s->step[i]); /* nothing is in those that are folded */
    }
    print_step_row("all", &all, 0);
}

static void print_refused(const struct cmd_stats *s)
{
    char from[32];
    bool any = false;
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS; k++)
        any |= s->refused[k] > 0;
    print_out("\nREFUSED since %s%s\n", when_time(s->from_ms, from), any ? "" : ": none");
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS; k++)
        if (s->refused[k])
            print_out("%-32s  %9lld\n", refusals_text(k), (long long)s->refused[k]);
}

static void print_last_matches(const struct cmd_stats *s)
{
    char last[32];
    if (s->n_secrets)
        print_out("\n%-12s  %-24s  %-25s  %11s\n", "ENDPOINT", "SECRET", "LAST MATCH", "MATCHES");
    for (size_t i = 0; i < s->n_secrets; i++) {
        const struct cmd_stats_secret *p = &s->secret[i];
        print_text(stdout, span_of(p->endpoint), 12);
        print_out("  ");
        print_text(stdout, span_of(p->name), 24);
        print_out("  %-25s  %11lld\n", when_time(p->last_ms, last), (long long)p->n);
    }
}

void cmd_stats_print(const struct cmd_stats *s)
{
    setlocale(LC_CTYPE, ""); /* which bars the terminal can show */
    print_endpoints(s);
    print_types(s);
    print_step_rows(s);
    print_refused(s);
    print_last_matches(s);
}
