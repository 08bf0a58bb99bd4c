/* SPDX-License-Identifier: MIT
 * metrics: figures and findings as text for Prometheus. */
#include "metrics.h"

#include "base/version.h"

#include <stdarg.h>
#include <stdio.h>

#define PREFIX "complycube_inbox_"
enum { TEXT_MAX = 4 << 20, LINE_MAX_BYTES = 512, HOUR_MS = 3600000 };

struct writer {
    struct buf *out;
    bool failed;
};

static void put_line(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put_line(struct writer *w, const char *format, ...)
{
    va_list ap;
    if (w->failed || buf_room(w->out, LINE_MAX_BYTES, TEXT_MAX) < LINE_MAX_BYTES) {
        w->failed = true;
        return;
    }
    va_start(ap, format);
    int n = vsnprintf(w->out->at + w->out->len, LINE_MAX_BYTES, format, ap);
    va_end(ap);
    w->failed |= n < 0 || n >= LINE_MAX_BYTES;
    w->out->len += w->failed ? 0 : (size_t)n;
}

static void put_head(struct writer *w, const char *name, const char *type, const char *help)
{
    put_line(w, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

static void put_number(struct writer *w, const char *name, const char *labels, int64_t n)
{
    put_line(w, PREFIX "%s%s %lld\n", name, labels, (long long)n);
}

/* A time in seconds; 0 stays 0. */
static void put_seconds(struct writer *w, const char *name, const char *labels, int64_t ms)
{
    put_line(w, PREFIX "%s%s %lld.%03d\n", name, labels, (long long)(ms / 1000), (int)(ms % 1000));
}

/* ---- of each endpoint ---- */

enum { LABELS = 2 * TEXT_NAME_MAX + 96 };

static const char *endpoint_labels(const struct figures_endpoint *p, const char *state, char out[LABELS])
{
    snprintf(out, LABELS, "{endpoint=\"%s\"%s%s%s}", p->name, state ? ",state=\"" : "", state ? state : "",
             state ? "\"" : "");
    return out;
}

static void put_events(struct writer *w, const struct figures *f)
{
    char labels[LABELS];
    put_head(w, "events", "gauge",
             "Events by endpoint and state; waiting includes those that are claimed or delayed.");
    for (size_t i = 0; i < f->n_endpoints; i++) {
        const struct figures_endpoint *p = &f->by_endpoint[i];
        put_number(w, "events", endpoint_labels(p, "waiting", labels), p->n[STORE_STATE_WAITING]);
        put_number(w, "events", endpoint_labels(p, "claimed", labels), p->claimed);
        put_number(w, "events", endpoint_labels(p, "delayed", labels), p->delayed);
        put_number(w, "events", endpoint_labels(p, "dead", labels), p->n[STORE_STATE_DEAD]);
        put_number(w, "events", endpoint_labels(p, "quarantined", labels), p->n[STORE_STATE_QUARANTINED]);
    }
}

static void put_endpoint_times(struct writer *w, const struct figures *f)
{
    char labels[LABELS];
    put_head(w, "oldest_waiting_timestamp_seconds", "gauge",
             "When the oldest waiting event was received; 0: none waits.");
    for (size_t i = 0; i < f->n_endpoints; i++)
        put_seconds(w, "oldest_waiting_timestamp_seconds", endpoint_labels(&f->by_endpoint[i], NULL, labels),
                    f->by_endpoint[i].oldest_ms);
    put_head(w, "newest_timestamp_seconds", "gauge",
             "When the last delivery came, whatever became of it; 0: none ever did.");
    for (size_t i = 0; i < f->n_endpoints; i++)
        put_seconds(w, "newest_timestamp_seconds", endpoint_labels(&f->by_endpoint[i], NULL, labels),
                    f->by_endpoint[i].latest_ms);
}

static void put_webhooks(struct writer *w, const struct figures *f)
{
    char labels[LABELS];
    size_t known = 0;
    for (size_t i = 0; i < f->n_endpoints; i++) {
        const struct figures_endpoint *p = &f->by_endpoint[i];
        if (p->webhook == FIGURES_WEBHOOK_UNKNOWN)
            continue;
        if (known++ == 0)
            put_head(w, "webhook_enabled", "gauge",
                     "Does ComplyCube have an enabled webhook with this endpoint's URL?");
        put_number(w, "webhook_enabled", endpoint_labels(p, NULL, labels), p->webhook == FIGURES_WEBHOOK_ENABLED);
    }
}

/* ---- of each secret ---- */

static const char *secret_labels(const struct figures_secret *s, const char *outcome, char out[LABELS])
{
    snprintf(out, LABELS, "{endpoint=\"%s\",secret=\"%s\"%s%s%s}", s->endpoint, s->name, outcome ? ",outcome=\"" : "",
             outcome ? outcome : "", outcome ? "\"" : "");
    return out;
}

static void put_secrets(struct writer *w, const struct figures *f)
{
    char labels[LABELS];
    if (f->n_secrets == 0)
        return;
    put_head(w, "deliveries_total", "counter", "Rightly signed deliveries by what became of them.");
    for (size_t i = 0; i < f->n_secrets; i++)
        for (enum store_outcome o = STORE_UNSET + 1; o < STORE_OUTCOMES; o++)
            put_number(w, "deliveries_total", secret_labels(&f->by_secret[i], store_outcome_word(o), labels),
                       f->by_secret[i].n[o]);
    put_head(w, "secret_last_match_timestamp_seconds", "gauge",
             "When this secret last matched a signature; 0: never.");
    for (size_t i = 0; i < f->n_secrets; i++)
        put_seconds(w, "secret_last_match_timestamp_seconds", secret_labels(&f->by_secret[i], NULL, labels),
                    f->by_secret[i].last_ms);
}

/* ---- what lies beside the database ---- */

static void put_refused(struct writer *w, const struct figures *f)
{
    char labels[LABELS];
    if (f->uncounted.code != ERR_NONE)
        return;
    put_head(w, "refused", "gauge", "Requests refused within the last hour, by reason; failed: answered 5xx.");
    for (enum refusals_kind k = 0; k < REFUSALS_KINDS; k++) {
        snprintf(labels, sizeof labels, "{reason=\"%s\"}", refusals_word(k));
        put_number(w, "refused", labels, refusals_sum(&f->refused, k, f->now_ms - HOUR_MS, f->now_ms + 1));
    }
}

static void put_spool(struct writer *w, const struct figures *f)
{
    if (f->unspooled.code != ERR_NONE)
        return;
    put_head(w, "spool_files", "gauge", "Events in the spool: the database could not be written when they came.");
    put_number(w, "spool_files", "", f->spooled);
    put_head(w, "spool_aside_files", "gauge",
             "Files of the spool that were set aside, since they are no signed events.");
    put_number(w, "spool_aside_files", "", f->aside);
    put_head(w, "spool_oldest_timestamp_seconds", "gauge",
             "When the oldest event in the spool came; 0: it is empty.");
    put_seconds(w, "spool_oldest_timestamp_seconds", "", f->spooled_ms);
}

static void put_sizes(struct writer *w, const struct figures *f)
{
    if (f->bytes >= 0) {
        put_head(w, "database_bytes", "gauge", "Size of the database's file and its log.");
        put_number(w, "database_bytes", "", f->bytes);
    }
    if (f->free_bytes >= 0) {
        put_head(w, "database_free_bytes", "gauge", "Free bytes on the database's file system, for this user.");
        put_number(w, "database_free_bytes", "", f->free_bytes);
    }
}

/* ---- what is wrong ---- */

static void put_wrong(struct writer *w, const struct alarm *a)
{
    char labels[LABELS];
    put_head(w, "wrong", "gauge", "1 if complycube-inbox watch reports this, else 0; absent if it is not known.");
    for (enum alarm_kind kind = 0; kind < ALARM_KINDS; kind++) {
        if (!a->judged[kind])
            continue;
        snprintf(labels, sizeof labels, "{alarm=\"%s\"}", alarm_word(kind));
        put_number(w, "wrong", labels, alarm_has(a, kind));
    }
}

int metrics_write(const struct figures *f, const struct alarm *a, struct buf *out, struct err *e)
{
    struct writer w = {out, false};
    put_head(&w, "build_info", "gauge", "The program that wrote these figures; always 1.");
    put_number(&w, "build_info", "{version=\"" VERSION "\"}", 1);
    put_head(&w, "up", "gauge",
             "Could the database be read just now, and written by this user? The page does not try to write.");
    put_number(&w, "up", "", f->known);
    if (f->known) {
        put_events(&w, f);
        put_endpoint_times(&w, f);
        put_secrets(&w, f);
    }
    put_webhooks(&w, f);
    put_refused(&w, f);
    put_spool(&w, f);
    put_sizes(&w, f);
    put_wrong(&w, a);
    put_head(&w, "scrape_timestamp_seconds", "gauge", "When these figures were taken.");
    put_seconds(&w, "scrape_timestamp_seconds", "", f->now_ms);
    return w.failed ? err_set(e, ERR_MEMORY, "writing the metrics: out of memory") : 0;
}
