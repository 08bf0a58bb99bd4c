/* SPDX-License-Identifier: MIT
 * tally: how many events there are, by endpoint, state and type. */
#include "base/clock.h"
#include "inbox_files.h"

#include <stdio.h>
#include <stdlib.h>

struct endpoint {
    int64_t id, n[STORE_STATES], bytes[STORE_STATES], events, oldest_ms, latest_ms, ahead, leased, delayed;
    char name[64];
    bool dated; /* the oldest file is in oldest_ms */
};

struct type {
    char *text; /* NULL: the place is free */
    size_t len;
    int64_t endpoint, n;
};

struct tally {
    struct db *s;
    const struct store_query *filter;
    struct endpoint *endpoints; /* of the filter, by name */
    size_t n_endpoints;
    struct type *types; /* a hash table of a power of two places, never more than half full */
    size_t places, n_types, latest;
    struct sqlite_names files; /* of the directory form, by number */
    int64_t now_ms, ahead_ms;  /* what is due after ahead_ms was set by a clock that was wrong */
};

/* ---- endpoints ---- */

static int read_endpoints(struct tally *t, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(t->s, SQL_ENDPOINTS, e);
    size_t cap = 0;
    while (q && sqlite3_step(q) == SQLITE_ROW) {
        const char *name = sqlite_string(q, 1);
        if (t->filter->endpoint && strcmp(t->filter->endpoint, name) != 0)
            continue;
        if (t->n_endpoints == cap) {
            cap = cap ? 2 * cap : 8;
            struct endpoint *more = realloc(t->endpoints, cap * sizeof *more);
            if (!more) {
                sqlite3_reset(q);
                return err_set(e, ERR_MEMORY, "counting: out of memory");
            }
            t->endpoints = more;
        }
        struct endpoint *p = &t->endpoints[t->n_endpoints++];
        *p = (struct endpoint){.id = sqlite3_column_int64(q, 0)};
        snprintf(p->name, sizeof p->name, "%s", name);
    }
    return !q ? -1 : sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(t->s, "reading the endpoints", e);
}

static struct endpoint *find_endpoint(struct tally *t, int64_t id)
{
    for (size_t i = 0; i < t->n_endpoints; i++)
        if (t->endpoints[i].id == id)
            return &t->endpoints[i];
    return NULL;
}

static struct endpoint *find_endpoint_named(struct tally *t, const char *name)
{
    for (size_t i = 0; i < t->n_endpoints; i++)
        if (strcmp(t->endpoints[i].name, name) == 0)
            return &t->endpoints[i];
    return NULL;
}

/* ---- types ---- */

static bool is_type(const struct type *k, const char *at, size_t len, int64_t endpoint)
{
    return k->endpoint == endpoint && k->len == len && memcmp(k->text, at, len) == 0;
}

/* The place of a type: its own, or a free one. source: the FNV-1a hash */
static size_t place_of(const struct tally *t, const char *at, size_t len, int64_t endpoint)
{
    uint64_t hash = 14695981039346656037u ^ (uint64_t)endpoint;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)at[i]) * 1099511628211u;
    size_t i = (size_t)(hash ^ hash >> 32) & (t->places - 1);
    while (t->types[i].text && !is_type(&t->types[i], at, len, endpoint))
        i = (i + 1) & (t->places - 1);
    return i;
}

static int make_room(struct tally *t)
{
    struct tally wider = *t;
    wider.places = t->places ? 2 * t->places : 128;
    wider.types = calloc(wider.places, sizeof *wider.types);
    if (!wider.types)
        return -1;
    for (size_t i = 0; i < t->places; i++)
        if (t->types[i].text)
            wider.types[place_of(&wider, t->types[i].text, t->types[i].len, t->types[i].endpoint)] = t->types[i];
    free(t->types);
    t->types = wider.types;
    t->places = wider.places;
    t->latest = 0;
    return 0;
}

/* Most rows are of the type of the one before. */
static int count_type(struct tally *t, const char *at, size_t len, int64_t endpoint, struct err *e)
{
    if (2 * t->n_types >= t->places && make_room(t) != 0)
        return err_set(e, ERR_MEMORY, "counting: out of memory");
    if (!t->types[t->latest].text || !is_type(&t->types[t->latest], at, len, endpoint))
        t->latest = place_of(t, at, len, endpoint);
    struct type *k = &t->types[t->latest];
    if (!k->text) {
        *k = (struct type){malloc(len + 1), len, endpoint, 0};
        if (!k->text)
            return err_set(e, ERR_MEMORY, "counting: out of memory");
        memcpy(k->text, at, len);
        t->n_types++;
    }
    k->n++;
    return 0;
}

/* The type in column 0, of the endpoint in column 1: the endpoint, NULL where it is not asked for. */
static int count_row(struct tally *t, sqlite3_stmt *q, struct endpoint **its, struct err *e)
{
    *its = find_endpoint(t, sqlite3_column_int64(q, 1));
    if (!*its)
        return 0;
    (*its)->events++;
    struct span type = sqlite_text(q, 0);
    return count_type(t, type.at ? type.at : "", type.len, (*its)->id, e);
}

/* ---- all there is ---- */

static int count_types(struct tally *t, struct err *e)
{
    struct endpoint *its;
    sqlite3_stmt *q = sqlite_prepare(t->s, SQL_TALLY_TYPE, e);
    int failed = q ? 0 : -1;
    while (!failed && sqlite3_step(q) == SQLITE_ROW)
        failed = count_row(t, q, &its, e);
    if (q && sqlite3_reset(q) != SQLITE_OK && !failed)
        failed = sqlite_error(t->s, "counting types", e);
    return failed;
}

static int number_of_statement(struct tally *t, enum store_sql which, int64_t a, int64_t b, int64_t *n, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(t->s, which, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, a);
    if (sqlite3_bind_parameter_count(q) > 1)
        sqlite3_bind_int64(q, 2, b);
    *n = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(t->s, "counting states", e);
}

/* In the directory form the table has what is ignored, and what waited in it before. */
static int count_states(struct tally *t, bool whole, struct err *e)
{
    for (size_t i = 0; i < t->n_endpoints; i++) {
        struct endpoint *p = &t->endpoints[i];
        for (int state = 0; state < 4; state++)
            if ((whole && !sqlite_inbox_is_files(t->s)) || state != STORE_STATE_DONE)
                if (number_of_statement(t, SQL_TALLY_STATE, state, p->id, &p->n[state], e) != 0)
                    return -1;
        if (number_of_statement(t, SQL_TALLY_OLDEST, p->id, 0, &p->oldest_ms, e) != 0 ||
            number_of_statement(t, SQL_TALLY_LATEST, p->id, 0, &p->latest_ms, e) != 0 ||
            number_of_statement(t, SQL_TALLY_AHEAD, p->id, t->ahead_ms, &p->ahead, e) != 0 ||
            number_of_statement(t, SQL_TALLY_LEASED, p->id, t->now_ms, &p->leased, e) != 0 ||
            number_of_statement(t, SQL_TALLY_DELAYED, p->id, t->now_ms, &p->delayed, e) != 0 ||
            (p->n[STORE_STATE_DEAD] &&
             number_of_statement(t, SQL_TALLY_DEAD_BYTES, p->id, 0, &p->bytes[STORE_STATE_DEAD], e) != 0))
            return -1;
        if (sqlite_inbox_is_files(t->s))
            p->n[1] = p->events - p->n[0] - p->n[2] - p->n[3]; /* less those that have a file */
    }
    return 0;
}

/* Files tell what waits and what is dead; by number, so that the first is the oldest. */
static int count_files(struct tally *t, struct err *e)
{
    for (size_t i = 0; i < t->files.n; i++) {
        const struct sqlite_named *f = &t->files.list[i];
        struct endpoint *p = find_endpoint_named(t, f->endpoint);
        int logged = p ? sqlite_files_is_logged(t->s, f->endpoint, &f->name, e) : 0;
        if (logged < 0)
            return -1;
        if (!p)
            continue;
        p->n[f->state]++;
        if (f->state == STORE_STATE_DEAD)
            p->bytes[STORE_STATE_DEAD] += maildir_dead_size(t->s->files, f->endpoint, &f->name);
        p->ahead += f->state == STORE_STATE_WAITING && f->name.until_ms > t->ahead_ms;
        if (f->state == STORE_STATE_WAITING && f->name.until_ms > t->now_ms)
            *(f->name.claimed ? &p->leased : &p->delayed) += 1;
        p->n[1] -= logged;
        int64_t oldest_ms = 0;
        if (logged && f->state == STORE_STATE_WAITING && !p->dated &&
            number_of_statement(t, SQL_RECEIVED, f->name.seq, 0, &oldest_ms, e) != 0)
            return -1;
        if (oldest_ms && (!p->oldest_ms || oldest_ms < p->oldest_ms))
            p->oldest_ms = oldest_ms;
        p->dated |= oldest_ms > 0;
    }
    return 0;
}

static int count_all(struct tally *t, bool whole, struct err *e)
{
    return (whole && count_types(t, e) != 0) || count_states(t, whole, e) != 0 || count_files(t, e) != 0 ? -1 : 0;
}

/* ---- what came in a time ---- */

static int by_file_seq(const void *a, const void *b)
{
    int64_t d = ((const struct sqlite_named *)a)->name.seq - ((const struct sqlite_named *)b)->name.seq;
    return (d > 0) - (d < 0);
}

/* The state of a row: in the directory form the file tells, and what has none is done. */
static int state_of(const struct tally *t, sqlite3_stmt *q)
{
    if (sqlite3_column_type(q, 2) != SQLITE_NULL)
        return sqlite3_column_int(q, 2);
    if (!sqlite_inbox_is_files(t->s))
        return -1;
    struct sqlite_named key = {.name = {.seq = sqlite3_column_int64(q, 3)}};
    const struct sqlite_named *found =
        t->files.n ? bsearch(&key, t->files.list, t->files.n, sizeof key, by_file_seq) : NULL;
    return found ? found->state : STORE_STATE_DONE;
}

static int count_time(struct tally *t, struct err *e)
{
    struct endpoint *its;
    sqlite3_stmt *q = sqlite_prepare(t->s, SQL_TALLY_TIME, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, t->filter->since_ms);
    sqlite3_bind_int64(q, 2, t->filter->before_ms);
    int failed = 0;
    while (!failed && sqlite3_step(q) == SQLITE_ROW) {
        failed = count_row(t, q, &its, e);
        int state = its ? state_of(t, q) : -1;
        int64_t received_ms = sqlite3_column_int64(q, 4);
        if (state >= 0 && state < 4)
            its->n[state]++;
        if (state == STORE_STATE_WAITING && (!its->oldest_ms || received_ms < its->oldest_ms))
            its->oldest_ms = received_ms;
    }
    if (sqlite3_reset(q) != SQLITE_OK && !failed)
        failed = sqlite_error(t->s, "counting", e);
    return failed;
}

/* ---- together ---- */

static int count_quarantine(struct tally *t, struct err *e)
{
    sqlite3_stmt *q = sqlite_prepare(t->s, SQL_TALLY_QUARANTINE, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, t->filter->since_ms);
    sqlite3_bind_int64(q, 2, t->filter->before_ms);
    while (sqlite3_step(q) == SQLITE_ROW) {
        struct endpoint *p = find_endpoint(t, sqlite3_column_int64(q, 0));
        if (!p)
            continue;
        p->n[STORE_STATE_QUARANTINED] = sqlite3_column_int64(q, 1);
        p->bytes[STORE_STATE_QUARANTINED] = sqlite3_column_int64(q, 2);
    }
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(t->s, "counting quarantine", e);
}

static int by_number(const void *a, const void *b)
{
    const struct type *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    size_t len = x->len < y->len ? x->len : y->len;
    int d = x->text && y->text ? memcmp(x->text, y->text, len) : 0;
    return d ? d : (x->len > y->len) - (x->len < y->len);
}

static void give_rows(struct tally *t, bool whole, store_each_tally *each, void *ctx)
{
    for (size_t i = 0; i < t->n_endpoints; i++)
        for (int state = 0; state < STORE_STATES; state++) {
            const struct endpoint *p = &t->endpoints[i];
            struct store_tally row = {
                .endpoint = span_of(p->name), .state = state, .n = p->n[state], .bytes = p->bytes[state]};
            if (state == STORE_STATE_WAITING) {
                row.oldest_ms = p->oldest_ms;
                row.latest_ms = p->latest_ms;
                row.ahead = p->ahead;
                row.leased = p->leased;
                row.delayed = p->delayed;
            }
            if (whole || state != STORE_STATE_DONE)
                each(ctx, &row);
        }
    if (t->types)
        qsort(t->types, t->places, sizeof *t->types, by_number); /* the free places come last */
    for (size_t i = 0; i < t->n_types; i++) {
        const struct type *k = &t->types[i];
        const struct endpoint *p = find_endpoint(t, k->endpoint);
        struct store_tally row = {
            .endpoint = span_of(p ? p->name : ""), .type = {k->text, k->len}, .state = -1, .n = k->n};
        each(ctx, &row);
    }
}

int sqlite_tally(struct store *store, const struct store_query *f, bool whole, store_each_tally *each, void *ctx,
                 struct err *e)
{
    struct db *s = db_of(store);
    struct tally t = {.s = s, .filter = f, .now_ms = clock_time_ms()};
    t.ahead_ms = t.now_ms + STORE_AHEAD_MAX_MS;
    bool timed = f->since_ms || f->before_ms;
    int failed = read_endpoints(&t, e) != 0 || sqlite_files_names(s, NULL, true, &t.files, e) != 0 ||
                 (timed ? count_time(&t, e) : count_all(&t, whole, e)) != 0 || count_quarantine(&t, e) != 0;
    if (!failed)
        give_rows(&t, whole, each, ctx);
    for (size_t i = 0; i < t.places; i++)
        free(t.types[i].text);
    free(t.types);
    free(t.endpoints);
    free(t.files.list);
    return failed ? -1 : 0;
}

int sqlite_ignored(struct store *store, int64_t since_ms, store_each_count *each, void *ctx, struct err *e)
{
    struct db *s = db_of(store);
    sqlite3_stmt *q = sqlite_prepare(s, SQL_IGNORED, e);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, since_ms);
    sqlite3_bind_int(q, 2, STORE_IGNORED_MAX);
    while (sqlite3_step(q) == SQLITE_ROW) {
        struct store_count c = {
            .n = sqlite3_column_int64(q, 2), .endpoint = sqlite_text(q, 0), .outcome = sqlite_text(q, 1)};
        each(ctx, &c);
    }
    return sqlite3_reset(q) == SQLITE_OK ? 0 : sqlite_error(s, "reading what was ignored", e);
}
