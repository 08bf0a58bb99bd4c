/* SPDX-License-Identifier: MIT
 * alarm: what is wrong, judged by figures and limits. */
#include "alarm.h"

#include "base/size.h"
#include "base/when.h"
#include "receiver/receiver.h"
#include "spool/spool.h"
#include "store/beside.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOOL "complycube-inbox "
#define DOCTOR " (doctor)", TOOL "doctor"

/*
 * How many failures in a row are reported although they came slowly, as the sender's ten tries of one event do: if nothing
 * came through in between there is no traffic beside which they would be few. A scanner's look like a wrong signature.
 */
enum { IN_A_ROW = 5, IN_A_ROW_MATCHED = 10, SPOOLED_MANY = 2, MINUTE_MS = 60000, WEEK_MS = 7 * 24 * 3600 * 1000 };

static const struct {
    const char *word, *text;
    enum alarm_severity severity;
} kinds[] = {
#define X(kind, word, severity, text) [kind] = {word, text, severity},
    ALARM_TABLE(X)
#undef X
};

const char *alarm_word(enum alarm_kind kind) { return kinds[kind].word; }
const char *alarm_text(enum alarm_kind kind) { return kinds[kind].text; }

/* ---- the findings ---- */

/* A place after the findings of its kind and before those of later kinds. */
static struct alarm_finding *make_place(struct alarm *a, enum alarm_kind kind)
{
    size_t at = a->n < ALARM_MAX ? a->n++ : ALARM_MAX - 1;
    while (at > 0 && a->found[at - 1].kind > kind) {
        a->found[at] = a->found[at - 1];
        at--;
    }
    return &a->found[at];
}

struct alarm_finding *alarm_add(struct alarm *a, enum alarm_kind kind, const char *hint, const char *cure,
                                const char *format, ...)
{
    struct alarm_finding *f = make_place(a, kind);
    va_list ap;
    a->judged[kind] = true;
    *f = (struct alarm_finding){.kind = kind, .severity = kinds[kind].severity};
    snprintf(f->hint, sizeof f->hint, "%s", hint);
    if (snprintf(f->cure, sizeof f->cure, "%s", cure) >= (int)sizeof f->cure)
        f->cure[0] = '\0';
    va_start(ap, format);
    vsnprintf(f->words, sizeof f->words, format, ap);
    va_end(ap);
    return f;
}

enum alarm_severity alarm_worst(const struct alarm *a)
{
    enum alarm_severity worst = ALARM_OK;
    for (size_t i = 0; i < a->n; i++)
        worst = a->found[i].severity > worst ? a->found[i].severity : worst;
    return worst;
}

bool alarm_has(const struct alarm *a, enum alarm_kind kind)
{
    size_t i = 0;
    while (i < a->n && a->found[i].kind != kind)
        i++;
    return i < a->n;
}

const char *alarm_line(const struct alarm *a, char *out, size_t size)
{
    static const char more[] = "; and more (doctor)";
    *out = '\0';
    for (size_t i = 0, used = 0; i < a->n; i++, used = strlen(out)) {
        const struct alarm_finding *f = &a->found[i];
        size_t len = strlen(f->words) + strlen(f->hint) + 2, room = size - used - (i + 1 < a->n ? sizeof more : 1);
        if (i > 0 && len > room) {
            snprintf(out + used, size - used, "%s", more);
            break;
        }
        snprintf(out + used, size - used, "%s%s%s", i ? "; " : "", f->words, f->hint);
    }
    return out;
}

/* ---- the database ---- */

static void judge_log(struct alarm *a, const struct pinned *log)
{
    char by[80] = "";
    if (log->pid)
        snprintf(by, sizeof by, ": process %ld %.32s reads on and on", log->pid, log->name);
    alarm_add(a, ALARM_LOG, DOCTOR, "%lld MB of the database's log cannot be written back%s",
              (long long)(log->bytes >> 20), by);
}

static void judge_altered(struct alarm *a, const struct figures *f)
{
    for (size_t i = 0; i < f->n_altered; i++) {
        const struct figures_altered *one = &f->altered[i];
        alarm_add(a, ALARM_ALTERED, ": " TOOL "doctor", TOOL "doctor", "the %.16s %.60s in the database %s",
                  one->kind, one->name, store_altered_words(one->what));
    }
}

static void judge_inbox(struct alarm *a, const struct figures *f, const struct alarm_limits *limits)
{
    char age[WHEN_AGE], time[WHEN_TIME], size[SIZE_WORDS];
    if (f->oldest_ms && f->now_ms - f->oldest_ms > limits->oldest_ms)
        alarm_add(a, ALARM_WAITS, "", TOOL "list --state waiting", "%lld wait, the oldest for %s",
                  (long long)f->n[STORE_STATE_WAITING], when_age(f->now_ms - f->oldest_ms, age));
    if (f->ahead)
        alarm_add(a, ALARM_CLOCK, " (requeue)", TOOL "requeue --state waiting",
                  "the clock was wrong: %lld are due more than 24 h ahead", (long long)f->ahead);
    if (f->future_ms)
        alarm_add(a, ALARM_CLOCK, DOCTOR, "the clock was wrong, or is: events were received in the future, until %s",
                  when_time(f->future_ms, time));
    if (f->n[STORE_STATE_DEAD])
        alarm_add(a, ALARM_DEAD, " (list --state dead)", TOOL "list --state dead", "%lld dead%s",
                  (long long)f->n[STORE_STATE_DEAD], size_megabytes(f->n_bytes[STORE_STATE_DEAD], size));
    if (f->n[STORE_STATE_QUARANTINED])
        alarm_add(a, ALARM_QUARANTINE, "", TOOL "quarantine", "%lld in quarantine%s",
                  (long long)f->n[STORE_STATE_QUARANTINED],
                  size_megabytes(f->n_bytes[STORE_STATE_QUARANTINED], size));
    if (limits->silence_ms && f->latest_ms < f->now_ms - limits->silence_ms)
        alarm_add(a, ALARM_SILENT, "", TOOL "doctor", "nothing came for %s", when_age(limits->silence_ms, age));
}

/* ---- what was refused ---- */

/* One minute of the file may have begun before: it counts as a whole. */
int64_t alarm_refused(const struct figures *f, enum refusals_kind kind, const struct alarm_limits *limits)
{
    return refusals_sum(&f->refused, kind, f->now_ms - limits->within_ms, f->now_ms + 1);
}

/* Since a secret last matched, a week at most; 0 if it is not known when one did. The minute of the match is its own. */
static int64_t refused_in_a_row(const struct figures *f, enum refusals_kind kind)
{
    int64_t since_ms = f->matched_ms + MINUTE_MS, week_ms = f->now_ms - WEEK_MS;
    return f->known ? refusals_sum(&f->refused, kind, since_ms > week_ms ? since_ms : week_ms, f->now_ms + 1) : 0;
}

static void judge_signatures(struct alarm *a, const struct figures *f, const struct alarm_limits *limits)
{
    char age[WHEN_AGE], time[WHEN_TIME];
    int64_t refused = alarm_refused(f, REFUSALS_SIGNATURE, limits);
    int64_t in_a_row = refused_in_a_row(f, REFUSALS_SIGNATURE);
    if (refused >= limits->refused_max)
        alarm_add(a, ALARM_REFUSED, "", TOOL "doctor", "%lld signatures refused within %s", (long long)refused,
                  when_age(limits->within_ms, age));
    else if (!f->matched_ms && in_a_row >= IN_A_ROW)
        alarm_add(a, ALARM_UNMATCHED, DOCTOR,
                  "%lld signatures refused, and none was ever right: is the secret another webhook's?",
                  (long long)in_a_row);
    else if (in_a_row >= IN_A_ROW_MATCHED)
        alarm_add(a, ALARM_UNMATCHED, DOCTOR,
                  "%lld signatures refused since %s, and none was right: is a secret wrong?", (long long)in_a_row,
                  when_time(f->matched_ms, time));
}

static void judge_failures(struct alarm *a, const struct figures *f, const struct alarm_limits *limits)
{
    char age[WHEN_AGE];
    int64_t failed = alarm_refused(f, REFUSALS_FAILED, limits);
    int64_t in_a_row = refused_in_a_row(f, REFUSALS_FAILED);
    if (failed >= limits->failed_max)
        alarm_add(a, ALARM_FAILED, " (see the receiver's log)", TOOL "doctor", "%lld answers of 5xx within %s",
                  (long long)failed, when_age(limits->within_ms, age));
    else if (in_a_row >= IN_A_ROW)
        alarm_add(a, ALARM_FAILED, " (see the receiver's log)", TOOL "doctor",
                  "%lld answers of 5xx since the last event that was accepted", (long long)in_a_row);
}

/* ---- what lies beside the database ---- */

/*
 * If something has waited there for minutes, nobody records it: no database, no receiver, or a folder that it cannot write.
 * Several that wait at once say so earlier.
 */
static void judge_spool(struct alarm *a, const struct figures *f)
{
    char age[WHEN_AGE];
    const char *hint = " (spool record)", *cure = TOOL "spool record";
    if (f->unspooled.code != ERR_NONE)
        alarm_add(a, ALARM_SPOOL, "", TOOL "doctor", "%.300s", f->unspooled.msg);
    if (f->spooled >= SPOOLED_MANY || (f->spooled && f->now_ms - f->spooled_ms > SPOOL_LATE_MS))
        alarm_add(a, ALARM_SPOOL, hint, cure, "%lld wait in the spool, the oldest for %s", (long long)f->spooled,
                  when_age(f->now_ms - f->spooled_ms, age));
    if (f->aside)
        alarm_add(a, ALARM_SPOOL, hint, cure, "%lld of the spool are set aside", (long long)f->aside);
}

/* A database that was deleted: it is somebody's turn to restore it, or to say that all is well. */
static void judge_deleted(struct alarm *a, const char *database)
{
    char base[PATH_MAX], pattern[PATH_MAX], hint[PATH_MAX + 96];
    glob_t found = {0};
    beside_base(database, base, NULL);
    if (snprintf(pattern, sizeof pattern, "%s.deleted-*Z", base) < (int)sizeof pattern &&
        glob(pattern, 0, NULL, &found) == 0) {
        struct alarm_finding *f = alarm_add(a, ALARM_MISSED, ", and remove that file", TOOL "restore",
                                            "the database was deleted or replaced");
        snprintf(f->file, sizeof f->file, "%s", found.gl_pathv[0]);
    }
    globfree(&found);
    if (snprintf(pattern, sizeof pattern, "%s" RECEIVER_MISSED, base) < (int)sizeof pattern &&
        access(pattern, F_OK) == 0) {
        snprintf(hint, sizeof hint, ": " TOOL "restore BACKUP, and remove %s", pattern);
        alarm_add(a, ALARM_MISSED, hint, TOOL "restore BACKUP", "the database was gone, and was begun anew");
    }
}

/* Do the figures say whether there is a finding of this kind? */
static bool is_told_by(const struct figures *f, enum alarm_kind kind, const struct alarm_limits *limits)
{
    bool counted = f->uncounted.code == ERR_NONE;
    switch (kind) {
    case ALARM_DATABASE: return !figures_late(f);
    case ALARM_LOCK: return f->known && f->lock_tried;
    case ALARM_ALTERED:
    case ALARM_WAITS:
    case ALARM_CLOCK:
    case ALARM_DEAD:
    case ALARM_QUARANTINE: return f->known;
    case ALARM_SILENT: return f->known && limits->silence_ms;
    case ALARM_UNMATCHED: return f->known && counted;
    case ALARM_REFUSED:
    case ALARM_FAILED: return counted;
    case ALARM_SECRETS:
    case ALARM_WEBHOOK: return false;
    default: return true;
    }
}

static void judge_database(struct alarm *a, const struct figures *f, const struct alarm_limits *limits)
{
    judge_altered(a, f);
    if (f->locked.code != ERR_NONE)
        alarm_add(a, ALARM_LOCK, DOCTOR, "%.300s", f->locked.msg);
    if (f->known)
        judge_inbox(a, f, limits);
    else if (!figures_late(f))
        alarm_add(a, ALARM_DATABASE, "", TOOL "doctor", "%s", f->unknown.msg);
}

void alarm_judge(struct alarm *a, const struct figures *f, const struct config *c, const struct alarm_limits *limits)
{
    for (enum alarm_kind kind = 0; kind < ALARM_KINDS; kind++)
        a->judged[kind] |= is_told_by(f, kind, limits);
    if (f->log_grows)
        judge_log(a, &f->log);
    judge_database(a, f, limits);
    if (f->uncounted.code != ERR_NONE)
        alarm_add(a, ALARM_COUNT, "", TOOL "doctor", "%s", f->uncounted.msg);
    judge_signatures(a, f, limits);
    judge_failures(a, f, limits);
    judge_spool(a, f);
    judge_deleted(a, c->database);
}

/* ---- the secrets ---- */

/* Without a secret that can be used no event is accepted. */
static void judge_file(struct alarm *a, const struct config *c, const struct config_endpoint *p, struct secrets *s)
{
    struct trust_weak weak;
    char by[CONFIG_EXPOSED_BY];
    struct err e;
    if (secrets_read(s, p->secret_file, &c->trusted, &e) != 0)
        alarm_add(a, ALARM_SECRETS, "", TOOL "doctor", "%.300s", e.msg);
    else if (s->n == 0)
        alarm_add(a, ALARM_SECRETS, "", TOOL "doctor", "%.300s holds no secret", p->secret_file);
    else if (config_exposed(c, p, &weak))
        alarm_add(a, ALARM_SECRETS, DOCTOR, "%.150s could be replaced: %.150s", p->secret_file,
                  config_exposed_by(&weak, by));
    secrets_release(s);
}

void alarm_judge_secrets(struct alarm *a, const struct config *c, const char *endpoint)
{
    struct secrets *s = malloc(sizeof *s);
    a->judged[ALARM_SECRETS] |= s != NULL;
    for (size_t i = 0; s && i < c->n_endpoints; i++) {
        const struct config_endpoint *p = &c->endpoint[i];
        bool meant = !endpoint || strcmp(endpoint, c->names[i]) == 0;
        if (meant && p->secret_file && (access(p->secret_file, R_OK) == 0 || errno != EACCES))
            judge_file(a, c, p, s);
    }
    free(s);
}
