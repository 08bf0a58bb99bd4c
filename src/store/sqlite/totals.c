/* SPDX-License-Identifier: MIT
 * totals: what came, by the hour and summed over all hours. */
#include "number.h"

#include <stdlib.h>

enum { COUNT_MAX = 1000000000 /* in an hour */ };

/* A row that no program of ours writes counts for nothing. Its count is in this column, its latest time in the next. */
static bool is_possible(sqlite3_stmt *q, int column, int64_t *n, int64_t *last_ms)
{
    return sqlite_number_at(q, column, 0, COUNT_MAX, n) && sqlite_number_at(q, column + 1, 0, INT64_MAX, last_ms);
}

int sqlite_counts(struct store *store, int64_t since_ms, store_each_count *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    sqlite3_stmt *q = sqlite_prepare(s, SQL_COUNTS, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, since_ms - 3600000);
    while (sqlite3_step(q) == SQLITE_ROW) {
        struct store_count c = {
            .endpoint = sqlite_text(q, 3), .secret = sqlite_text(q, 4), .outcome = sqlite_text(q, 5)};
        if (sqlite_number_at(q, 0, 0, INT64_MAX, &c.hour_ms) && is_possible(q, 1, &c.n, &c.last_ms))
            each(ctx, &c);
    }
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading the figures", e);
}

/* ---- summed ---- */

struct total {
    int64_t endpoint, secret, n, last_ms;
    enum store_outcome outcome;
};

struct totals {
    struct total list[STORE_TOTALS_MAX];
    size_t n;
    int64_t until_ms;
};

static enum store_outcome outcome_at(sqlite3_stmt *q, int column)
{
    struct span word = sqlite_text(q, column);
    enum store_outcome o = STORE_UNSET + 1;
    while (o < STORE_OUTCOMES && !span_equal(word, span_of(store_outcome_word(o))))
        o++;
    return o;
}

/* The total that a row belongs to; NULL: there is no room for one more. */
static struct total *total_of(struct totals *t, int64_t endpoint, int64_t secret, enum store_outcome outcome)
{
    size_t i = 0;
    while (i < t->n &&
           (t->list[i].endpoint != endpoint || t->list[i].secret != secret || t->list[i].outcome != outcome))
        i++;
    if (i == STORE_TOTALS_MAX)
        return NULL;
    if (i == t->n)
        t->list[t->n++] = (struct total){.endpoint = endpoint, .secret = secret, .outcome = outcome};
    return &t->list[i];
}

static void add_row(struct totals *t, sqlite3_stmt *q)
{
    int64_t n, last_ms;
    enum store_outcome outcome = outcome_at(q, 2);
    bool sound = outcome < STORE_OUTCOMES && is_possible(q, 3, &n, &last_ms);
    struct total *total = sound ? total_of(t, sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), outcome) : NULL;
    if (!total)
        return;
    total->n += n;
    if (last_ms > total->last_ms && last_ms <= t->until_ms)
        total->last_ms = last_ms;
}

static int add_rows(struct db *s, struct totals *t, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_TOTALS, e);
    if (!q)
        return -1;
    while (sqlite3_step(q) == SQLITE_ROW)
        add_row(t, q);
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading the figures", e);
}

static int give_total(struct db *s, const struct total *t, store_each_count *each, void *ctx, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(s, SQL_TOTAL_NAMES, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, t->endpoint);
    sqlite3_bind_int64(q, 2, t->secret);
    if (sqlite3_step(q) == SQLITE_ROW) {
        struct store_count c = {.n = t->n,
                                .last_ms = t->last_ms,
                                .endpoint = sqlite_text(q, 0),
                                .secret = sqlite_text(q, 1),
                                .outcome = span_of(store_outcome_word(t->outcome))};
        each(ctx, &c);
    }
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading the figures' names", e);
}

int sqlite_totals(struct store *store, int64_t until_ms, store_each_count *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    struct totals *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_MEMORY, "reading the figures: out of memory");
    t->until_ms = until_ms;
    int result = add_rows(s, t, e);
    for (size_t i = 0; i < t->n && result == 0; i++)
        result = give_total(s, &t->list[i], each, ctx, e);
    free(t);
    return result;
}
