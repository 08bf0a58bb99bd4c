/* SPDX-License-Identifier: MIT
 * figures: the state of an inbox, read once. */
#include "figures.h"

#include "base/files.h"
#include "receiver/begun.h"
#include "receiver/receiver.h"
#include "spool/spool.h"
#include "store/beside.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BUSY_MS = 2000 };

/* ---- the database ---- */

static void copy_name(char out[TEXT_NAME_MAX + 1], struct span name)
{
    size_t len = name.len < TEXT_NAME_MAX ? name.len : TEXT_NAME_MAX;
    memcpy(out, name.at ? name.at : "", len);
    out[len] = '\0';
}

/* NULL: there is no room for one more. */
static struct figures_endpoint *endpoint_of(struct figures *f, struct span name)
{
    for (size_t i = 0; i < f->n_endpoints; i++)
        if (span_equal(name, span_of(f->by_endpoint[i].name)))
            return &f->by_endpoint[i];
    if (f->n_endpoints == FIGURES_ENDPOINTS || !text_is_name(name))
        return NULL;
    copy_name(f->by_endpoint[f->n_endpoints].name, name);
    return &f->by_endpoint[f->n_endpoints++];
}

static struct figures_secret *secret_of(struct figures *f, struct span endpoint, struct span name)
{
    for (size_t i = 0; i < f->n_secrets; i++)
        if (span_equal(name, span_of(f->by_secret[i].name)) &&
            span_equal(endpoint, span_of(f->by_secret[i].endpoint)))
            return &f->by_secret[i];
    if (f->n_secrets == FIGURES_SECRETS || !text_is_name(endpoint) || !text_is_name(name))
        return NULL;
    copy_name(f->by_secret[f->n_secrets].endpoint, endpoint);
    copy_name(f->by_secret[f->n_secrets].name, name);
    return &f->by_secret[f->n_secrets++];
}

static bool is_meant(const struct figures *f, struct span endpoint)
{
    return !f->endpoint || span_equal(endpoint, span_of(f->endpoint));
}

void figures_begin(struct figures *f, const struct config *c, const char *endpoint, int64_t now_ms)
{
    memset(f, 0, sizeof *f);
    f->now_ms = now_ms;
    f->endpoint = endpoint;
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (is_meant(f, span_of(c->names[i])))
            endpoint_of(f, span_of(c->names[i]));
    f->log_grows = pinned_look(c->database, &f->log);
}

/* 0 stands for "no event waits". So a time before 1970, which our programs never write, counts as 1. */
static void take_earlier(int64_t *oldest_ms, int64_t ms)
{
    ms = ms < 0 ? 1 : ms;
    if (ms && (!*oldest_ms || ms < *oldest_ms))
        *oldest_ms = ms;
}

static void take_later(int64_t *latest_ms, int64_t ms)
{
    if (ms > *latest_ms)
        *latest_ms = ms;
}

static bool in_future(const struct figures *f, int64_t ms) { return ms > f->now_ms + FIGURES_FUTURE_MS; }

static void take_state(void *ctx, const struct store_tally *t)
{
    struct figures *f = ctx;
    struct figures_endpoint *p = endpoint_of(f, t->endpoint);
    f->n[t->state] += t->n;
    f->n_bytes[t->state] += t->bytes;
    f->ahead += t->ahead;
    f->claimed += t->leased;
    f->delayed += t->delayed;
    if (in_future(f, t->latest_ms))
        take_later(&f->future_ms, t->latest_ms);
    take_earlier(&f->oldest_ms, t->oldest_ms);
    if (!p)
        return;
    p->n[t->state] += t->n;
    p->claimed += t->leased;
    p->delayed += t->delayed;
    take_earlier(&p->oldest_ms, t->oldest_ms);
}

static enum store_outcome outcome_of(struct span word)
{
    enum store_outcome o = STORE_UNSET;
    while (o < STORE_OUTCOMES && !span_equal(word, span_of(store_outcome_word(o))))
        o++;
    return o;
}

static void take_total(void *ctx, const struct store_count *c)
{
    struct figures *f = ctx;
    bool meant = is_meant(f, c->endpoint);
    struct figures_endpoint *p = meant ? endpoint_of(f, c->endpoint) : NULL;
    struct figures_secret *secret = c->secret.at ? secret_of(f, c->endpoint, c->secret) : NULL;
    enum store_outcome outcome = outcome_of(c->outcome);
    if (meant)
        take_later(&f->latest_ms, c->last_ms);
    if (c->secret.at)
        take_later(&f->matched_ms, c->last_ms);
    if (p)
        take_later(&p->latest_ms, c->last_ms);
    if (!secret)
        return;
    take_later(&secret->last_ms, c->last_ms);
    if (outcome < STORE_OUTCOMES)
        secret->n[outcome] += c->n;
}

static void keep_altered(void *ctx, const struct store_alteration *one)
{
    struct figures *f = ctx;
    if (f->n_altered == FIGURES_ALTERED)
        return;
    struct figures_altered *a = &f->altered[f->n_altered++];
    a->what = one->what;
    snprintf(a->kind, sizeof a->kind, "%s", one->kind);
    snprintf(a->name, sizeof a->name, "%s", one->name);
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

/* Who may not write cannot tell whether a receiver could: that is no fault. */
static void try_lock(struct figures *f, struct store *s)
{
    bool taken = store_try(s, BUSY_MS, &f->locked) == 0;
    f->lock_tried = taken || f->locked.code == ERR_BUSY;
    if (taken || !f->lock_tried)
        f->locked = (struct err){0};
}

static int read_counts(struct figures *f, struct store *s, struct err *e)
{
    struct store_query filter = {.endpoint = f->endpoint, .state = -1};
    return store_tally(s, &filter, false, take_state, f, e) == 0 &&
                   store_totals(s, f->now_ms + FIGURES_FUTURE_MS, take_total, f, e) == 0
               ? 0
               : -1;
}

static void read_store(struct figures *f, const struct config *c, struct store *s, const struct err *why)
{
    struct err *e = &f->unknown;
    if (!s)
        *e = *why;
    f->known = s && store_altered(s, keep_altered, f, e) >= 0 && store_ready(s, e) == 0 && read_counts(f, s, e) == 0;
    if (f->known)
        try_lock(f, s);
    else if (e->code == ERR_NOT_FOUND && not_made_yet(c))
        f->known = true;
    if (f->known)
        f->unknown = (struct err){0};
}

/* ---- what lies beside it ---- */

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static void read_sizes(struct figures *f, const char *database)
{
    char log[PATH_MAX], folder[PATH_MAX];
    struct statvfs fs;
    f->bytes = size_of(database);
    if (f->bytes >= 0 && snprintf(log, sizeof log, "%s-wal", database) < (int)sizeof log && size_of(log) > 0)
        f->bytes += size_of(log);
    bool known = files_folder(database, folder, sizeof folder) == 0 && statvfs(folder, &fs) == 0;
    f->free_bytes = known ? (int64_t)((uint64_t)fs.f_bavail * fs.f_frsize) : -1;
}

static void read_spool(struct figures *f, const char *path)
{
    struct spool_names names;
    if (!*path)
        return;
    if (spool_list(path, false, &names, &f->unspooled) != 0) {
        if (f->unspooled.code == ERR_NOT_FOUND && files_check_link(path, &f->unspooled) == 0)
            f->unspooled = (struct err){0};
        return;
    }
    f->spooled = (int64_t)names.count[SPOOL_EVENT];
    f->spooled_ms = names.oldest_ms;
    f->aside = (int64_t)names.count[SPOOL_ASIDE];
    spool_names_release(&names);
}

void figures_read(struct figures *f, const struct config *c, struct store *s, const struct err *why)
{
    read_store(f, c, s, why);
    if (refusals_read(c->database, &f->refused, &f->uncounted) != 0)
        memset(&f->refused, 0, sizeof f->refused);
    read_sizes(f, c->database);
    read_spool(f, c->spool);
}

bool figures_late(const struct figures *f) { return !f->known && f->unknown.detail == ERR_LATE; }
