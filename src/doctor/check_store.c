/* SPDX-License-Identifier: MIT
 * check_store: what stands in the store, and what it stands on. */
#include "base/print.h"
#include "base/size.h"
#include "base/when.h"
#include "doctor.h"
#include "receiver/receiver.h"
#include "receiver/refusals.h"
#include "store/sqlite/vfs.h"
#include "store/store_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#define WEEK_MS (7 * INT64_C(86400000))
enum { LAG_MS = 3600000, AHEAD_MS = 60000, SPACE_LOW = 256 << 20 /* bytes */, INODES_LOW = 1000, TYPES_SIZE = 2048 };
enum { REFUSED_MANY = 5, MINUTE_MS = 60000, BUSY_MS = 2000 /* a writer keeps the others for milliseconds */ };

/* ---- what it stands on ---- */

static void check_journal(struct doctor *d, const struct store_facts *facts)
{
    bool wal = strcmp(facts->journal, "wal") == 0;
    enum files_system system = files_system(d->database);
    if (wal && system == FILES_NETWORK) {
        struct finding f = finding_of(FINDING_WRONG, "journal",
                                      "WAL needs memory that all its users share: another host's user of the "
                                      "file would damage it");
        doctor_step_key(d->config, &f, "journal", "\"auto\"");
        if (strcmp(d->config->journal, "auto") == 0)
            finding_step(&f, "by hand: stop what has it open, receivers and consumers, and start it again");
        doctor_tell(d, &f, "wal, but %s lies on a network file system (or FUSE)", d->database);
    } else if (!wal && strcmp(d->config->journal, "wal") == 0) {
        struct finding f =
            finding_of(FINDING_WARNING, "journal", "a commit costs more, and readers wait for writers");
        doctor_step_key(d->config, &f, "journal", "\"auto\"");
        doctor_tell(d, &f, "wal was asked for, but its file system gives %s", facts->journal);
    } else {
        doctor_ok(d, "journal", "%s", facts->journal);
    }
}

static void check_store_system(struct doctor *d)
{
    char folder[PATH_MAX];
    struct statvfs fs;
    enum files_system system = files_system(d->database);
    if (system == FILES_MEMORY || system == FILES_OVERLAY) {
        struct finding f =
            finding_of(FINDING_WARNING, "file system", "an event that was acknowledged is never sent again");
        finding_step(&f,
                     "by hand: keep it on a disk (in a container: a volume), and name it there: database = \"...\"");
        doctor_tell(d, &f, "%s lies on %s", d->database,
                    system == FILES_MEMORY ? "a tmpfs: it is gone after a reboot"
                                           : "an overlay: in a container it is gone with the container");
    }
    if (files_folder(d->database, folder, sizeof folder) != 0 || statvfs(folder, &fs) != 0)
        return;
    int64_t left = (int64_t)((uint64_t)fs.f_bavail * fs.f_frsize);
    bool low = left < SPACE_LOW || (fs.f_files && fs.f_favail < INODES_LOW);
    struct finding f = finding_of(low ? FINDING_WARNING : FINDING_OK, "space",
                                  "below 16 MB or 16 inodes nothing is recorded any more");
    if (low)
        finding_step(&f, "by hand: make room on the file system of %s", folder);
    doctor_tell(d, &f, "%lld MB free, %lld inodes", (long long)(left >> 20),
                (long long)(fs.f_files ? fs.f_favail : 0));
}

struct names {
    size_t len;
    char text[400];
};

static void add_missing(void *ctx, const struct store_step *step)
{
    struct names *all = ctx;
    size_t left = sizeof all->text - all->len;
    int n = snprintf(all->text + all->len, left, "%s%s", all->len ? " " : "", step->name);
    all->len += n > 0 && (size_t)n < left ? (size_t)n : 0;
}

static void check_store_schema(struct doctor *d, struct store *s, const struct store_facts *facts)
{
    struct names missing = {.len = 0};
    struct err e = {0};
    if (store_missing(s, add_missing, &missing, &e) < 0) {
        doctor_failed(d, &e);
    } else if (missing.len) {
        struct finding f = finding_of(FINDING_WARNING, "schema",
                                      "the database was made by an older version: what these record is lost");
        doctor_step_tool(d, &f, "migrate");
        doctor_tell(d, &f, "version %d, without %s", facts->schema, missing.text);
    } else {
        doctor_ok(d, "schema", "version %d", facts->schema);
    }
}

/* What SQLite would execute, by its name in words of plain characters: `stops` keeps the receiver from recording. */
struct altered {
    bool stops;
    bool own; /* it is one of ours: `migrate` makes it anew */
    int n;
    char text[300];
};

static void take_altered(void *ctx, const struct store_alteration *one)
{
    struct altered *a = ctx;
    if (one->stops != a->stops || (!a->stops && (one->what == STORE_ALTERED_TEXT) != a->own) || a->n++)
        return;
    snprintf(a->text, sizeof a->text, "the %.16s %.60s %s", one->kind, one->name, store_altered_words(one->what));
}

static void tell_altered(struct doctor *d, const struct altered *a)
{
    struct finding f = finding_of(a->stops ? FINDING_WRONG : FINDING_WARNING, "altered",
                                  a->stops ? "it would run as events are recorded: they are answered 503, or spooled"
                                  : a->own ? "what consumers read or note by it is not what a release says"
                                           : "it runs in the transactions of consumers, and may change what they do");
    if (a->own)
        doctor_step_tool(d, &f, "migrate");
    finding_step(&f,
                 "by hand: look at it: sqlite3 %s .schema; find out who made it, and remove what is not ours by DROP "
                 "TRIGGER, DROP INDEX or DROP VIEW; what is ours comes back by migrate",
                 d->database);
    if (a->stops)
        doctor_step_restore(
            d, &f,
            "if a table of ours was altered, export what is in it, move the file away with its -wal and "
            "-shm, import what was exported, or ");
    if (a->n > 1)
        doctor_tell(d, &f, "%s; %d more", a->text, a->n - 1);
    else
        doctor_tell(d, &f, "%s", a->text);
}

static void check_store_altered(struct doctor *d, struct store *s)
{
    struct altered kinds[] = {{.stops = true}, {.own = true}, {.own = false}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct err e = {0};
        if (store_altered(s, take_altered, &kinds[i], &e) < 0) {
            doctor_failed(d, &e);
            return;
        }
        if (kinds[i].n)
            tell_altered(d, &kinds[i]);
    }
}

/* ---- what stands in it ---- */

static void check_lag(struct doctor *d, const struct store_facts *facts)
{
    char time[32] = "";
    bool late = facts->oldest_ms && facts->oldest_ms < d->cmd->now_ms - LAG_MS;
    struct finding f =
        finding_of(late ? FINDING_WARNING : FINDING_OK, "lag", "nobody works off what waits, or not fast enough");
    if (late)
        finding_step(&f, "by hand: look whether your workers run, and what they print");
    doctor_tell(d, &f, "%lld leased, %lld to be tried again, the oldest came %s", (long long)facts->leased,
                (long long)facts->delayed, when_time(facts->oldest_ms, time));
}

/* What a clock that was wrong has left. */
static void check_clock_was(struct doctor *d, const struct store_facts *facts)
{
    char time[32];
    struct finding f =
        finding_of(FINDING_WARNING, "clock", "ages, the order of events and what prune empties go by it");
    if (facts->ahead) {
        finding_step(&f, "by hand: let a worker of this version claim; or complycube-inbox requeue");
        doctor_tell(d, &f, "the clock was wrong: %lld events are due more than 24 h ahead", (long long)facts->ahead);
    } else if (facts->latest_ms > d->cmd->now_ms + AHEAD_MS) {
        finding_step(&f, "by hand: compare `date -u` with another clock, and let the system keep it by NTP");
        doctor_tell(d, &f, "the clock was wrong, or is: events were received in the future, until %s",
                    when_time(facts->latest_ms, time));
    }
}

/* Events that stand in one form of the inbox, and whose consumers look into the other. */
static void check_form(struct doctor *d, const struct store_facts *facts)
{
    if (facts->orphaned) {
        struct finding f =
            finding_of(FINDING_WARNING, "inbox", "the database was replaced, and what it knew of them is gone");
        finding_step(&f,
                     "by hand: put the database back that has them, or let a library of consumers/ read the folder");
        doctor_tell(d, &f, "%lld files are of events that the log does not know", (long long)facts->orphaned);
    }
    if (facts->stranded) {
        struct finding f = finding_of(FINDING_WARNING, "inbox", "no consumer of the folder sees them");
        finding_step(&f, "by hand: write inbox = \"table\", let the consumers work them off, and change back");
        doctor_tell(d, &f, "%lld wait in the table, from before inbox = \"directory\"", (long long)facts->stranded);
    }
}

static void check_inbox(struct doctor *d, const struct store_facts *facts)
{
    char size[40];
    struct finding dead = finding_of(facts->dead ? FINDING_WARNING : FINDING_OK, "inbox",
                                     "a dead event failed too often, and waits for a person");
    if (facts->dead) {
        doctor_step_tool(d, &dead, "list --state dead");
        finding_step(&dead, "by hand: mend what they failed of, and give them out again:");
        doctor_step_tool(d, &dead, "requeue --state dead");
    }
    doctor_tell(d, &dead, "%lld waiting, %lld dead%s, %lld events in all", (long long)facts->waiting,
                (long long)facts->dead, size_megabytes(facts->dead_bytes, size), (long long)facts->events);
    if (facts->waiting)
        check_lag(d, facts);
    check_clock_was(d, facts);
    check_form(d, facts);
    struct finding aside =
        finding_of(facts->quarantined ? FINDING_WARNING : FINDING_OK, "quarantine",
                   "signed, but no event, or a known one with another payload: no consumer sees it");
    if (facts->quarantined) {
        doctor_step_tool(d, &aside, "quarantine");
        finding_step(&aside, "by hand: decide of each, by quarantine accept ID or quarantine drop ID");
    }
    doctor_tell(d, &aside, "%lld%s", (long long)facts->quarantined, size_megabytes(facts->quarantined_bytes, size));
}

/* What was ignored, by endpoint: the line to write has what is asked for already too. */
struct ignored {
    struct doctor *d;
    char types[CONFIG_ENDPOINTS_MAX][TYPES_SIZE]; /* "a", "b" */
    int64_t n[CONFIG_ENDPOINTS_MAX];
};

/* A type that is written into the configuration must need no quoting. */
static bool is_plain(struct span type)
{
    for (size_t i = 0; i < type.len; i++) {
        char c = type.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._-:", c)) || !c)
            return false;
    }
    return type.len > 0 && type.len < 100;
}

static void take_ignored(void *ctx, const struct store_count *count)
{
    struct ignored *g = ctx;
    const struct config *c = g->d->config;
    for (size_t i = 0; i < c->n_endpoints; i++) {
        if (!span_equal(count->endpoint, span_of(c->names[i])) || config_wants(c, c->names[i], count->outcome))
            continue;
        size_t len = strlen(g->types[i]);
        g->n[i] += count->n;
        if (is_plain(count->outcome) && len + count->outcome.len + 8 < TYPES_SIZE)
            snprintf(g->types[i] + len, TYPES_SIZE - len, "%s\"%.*s\"", len ? ", " : "", (int)count->outcome.len,
                     count->outcome.at);
    }
}

static void tell_ignored(struct doctor *d, const struct config_endpoint *p, const char *types, int64_t n)
{
    char *value = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&value, &len);
    if (!to)
        return;
    print_to(to, "{");
    for (size_t i = 0; i < p->n_events; i++)
        print_to(to, "\"%s\", ", p->events[i]);
    print_to(to, "%s}", types);
    fclose(to);
    struct finding f = finding_of(FINDING_WARNING, "ignored",
                                  "they are kept, but no consumer sees them: extend events, or ask ComplyCube "
                                  "for fewer");
    if (p->events_line && *types)
        doctor_step_option(d->config, &f, "events", value, p->events_line);
    doctor_tell(d, &f, "endpoint %s: %lld events of the last 7 days, of the types %s", p->name, (long long)n,
                *types ? types : "(odd names)");
    free(value);
}

static void check_ignored(struct doctor *d, struct store *s)
{
    struct err e = {0};
    struct ignored *g = calloc(1, sizeof *g);
    if (!g)
        return;
    g->d = d;
    if (store_ignored(s, d->cmd->now_ms - WEEK_MS, take_ignored, g, &e) != 0)
        doctor_failed(d, &e);
    for (size_t i = 0; i < d->config->n_endpoints; i++)
        if (g->n[i])
            tell_ignored(d, &d->config->endpoint[i], g->types[i], g->n[i]);
    free(g);
}

/* ---- secrets and what came ---- */

struct matches {
    const struct config *c;
    bool matched[CONFIG_ENDPOINTS_MAX][SECRETS_MAX];
    int64_t refused, any, last_ms; /* last_ms: the newest match of any secret */
};

static void take_match(void *ctx, const struct store_count *count)
{
    struct matches *m = ctx;
    if (!count->secret.at)
        return;
    m->any += count->n;
    if (count->last_ms > m->last_ms)
        m->last_ms = count->last_ms;
    for (size_t i = 0; i < m->c->n_endpoints; i++)
        for (size_t k = 0; k < m->c->endpoint[i].secrets.n; k++)
            m->matched[i][k] |= span_equal(count->endpoint, span_of(m->c->names[i])) &&
                                span_equal(count->secret, span_of(m->c->endpoint[i].secrets.list[k].name));
}

static void tell_unmatched(struct doctor *d, const struct matches *m, const struct config_endpoint *p,
                           const char *secret)
{
    const char *file = p->secret_file ? p->secret_file : "the environment";
    if (m->refused > 0) {
        struct finding f = finding_of(FINDING_WARNING, "secrets",
                                      "a wrong secret is no attack: it is probably that of another webhook, "
                                      "and every event is refused");
        finding_step(&f,
                     "by hand: in %s, compare the line %s with the secret that ComplyCube showed for this very "
                     "webhook, and write that one",
                     file, secret);
        doctor_tell(
            d, &f,
            "endpoint %s: the secret %s has never matched, and %lld requests were refused for their signature in 7 days",
            p->name, secret, (long long)m->refused);
    } else {
        doctor_ok(d, "secrets", "endpoint %s: the secret %s has not matched yet%s", p->name, secret,
                  m->any ? "" : ": nothing has come at all");
    }
}

/* A secret that matched before, and has another value now, or the webhook has. The minute of the match is its own. */
static void check_since(struct doctor *d, const struct matches *m)
{
    struct err e = {0};
    char time[32] = "";
    int64_t n = m->last_ms ? refusals_since(d->database, REFUSALS_SIGNATURE, m->last_ms + MINUTE_MS, &e) : 0;
    if (n < REFUSED_MANY)
        return;
    struct finding f = finding_of(
        FINDING_WARNING, "secrets",
        "a secret has another value here than at ComplyCube, or somebody tries: after ten tries ComplyCube disables "
        "the webhook");
    for (size_t i = 0; i < m->c->n_endpoints; i++) {
        const struct config_endpoint *p = &m->c->endpoint[i];
        for (size_t k = 0; k < p->secrets.n; k++)
            if (m->matched[i][k] && !p->secrets.list[k].retired)
                finding_step(&f, "by hand: in %s, compare the line %s with the webhook's secret",
                             p->secret_file ? p->secret_file : "the environment", p->secrets.list[k].name);
    }
    if (f.steps)
        doctor_tell(d, &f, "%lld requests were refused for their signature since %s, and none was accepted since",
                    (long long)n, when_time(m->last_ms, time));
}

static void check_matches(struct doctor *d, struct store *s)
{
    struct err e = {0};
    struct matches *m = d->sound ? calloc(1, sizeof *m) : NULL;
    if (!m)
        return;
    m->c = d->config;
    m->refused = refusals_since(d->database, REFUSALS_SIGNATURE, d->cmd->now_ms - WEEK_MS, &e);
    if (store_counts(s, 0, take_match, m, &e) != 0)
        doctor_failed(d, &e);
    for (size_t i = 0; i < m->c->n_endpoints; i++)
        for (size_t k = 0; k < m->c->endpoint[i].secrets.n; k++)
            if (!m->matched[i][k] && !m->c->endpoint[i].secrets.list[k].retired)
                tell_unmatched(d, m, &m->c->endpoint[i], m->c->endpoint[i].secrets.list[k].name);
    check_since(d, m);
    free(m);
}

void doctor_store(struct doctor *d)
{
    struct err e = {0};
    struct store_options o;
    struct store_facts facts;
    if (receiver_store_options(d->config, true, &o, &e) != 0 || store_probe(&o, &e) != 0) {
        doctor_unopened(d, &e);
        return;
    }
    doctor_ok(d, "database", "%s", d->database);
    check_store_system(d);
    doctor_store_log(d);
    struct store *s = cmd_store(d->config, false, &e);
    if (!s || store_read_facts(s, d->cmd->now_ms, &facts, &e) != 0) {
        doctor_unopened(d, &e);
        goto out;
    }
    if (store_try(s, BUSY_MS, &e) != 0 && e.code == ERR_BUSY)
        doctor_unopened(d, &e);
    check_journal(d, &facts);
    check_store_schema(d, s, &facts);
    check_store_altered(d, s);
    check_inbox(d, &facts);
    check_ignored(d, s);
    check_matches(d, s);
out:
    store_close(s);
}
