/* SPDX-License-Identifier: MIT
 * receiver: what a running receiver holds, and how it stays right. */
#include "receiver.h"

#include "begun.h"
#include "store/beside.h"
#include "store/store_file.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <unistd.h>

enum { LOOK_MS = 1000, CARRY_MS = 60000, CUT_MS = 60000 };
enum { LIMIT_MS = 4000 /* after the wait for the locks, and before the 10 s of an answer */ };
enum {
    COUNT_AGAIN_MS = 1000,
    COUNT_TRIES = 5,
    COUNT_TRIES_BRIEF = 1000 /* nobody else will write what it counted */
};
enum { CHECKPOINT_PAGES_BRIEF = 1000, CHECKPOINT_PAGES = 500 /* of 4 KiB */ };

void receiver_say(struct receiver *r, int64_t now_ms, const struct err *e)
{
    struct log_line line;
    const struct log_line *lines[] = {&line};
    log_error(&line, now_ms, e);
    log_write(&r->log, lines, 1);
}

void receiver_note(struct receiver *r, int64_t now_ms, const char *code, const char *key, const char *value)
{
    struct log_line line;
    const struct log_line *lines[] = {&line};
    log_begin(&line, now_ms, LEVEL_WARNING, code);
    log_text(&line, key, span_of(value));
    log_end(&line);
    log_write(&r->log, lines, 1);
}

static void note_narrowed(struct receiver *r, const struct config *c, int64_t now_ms)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (c->endpoint[i].secrets.narrowed)
            receiver_note(r, now_ms, "narrowed", "file", c->endpoint[i].secret_file);
}

static void note_padded(struct receiver *r, const struct config *c, int64_t now_ms)
{
    char text[PATH_MAX + 120];
    for (size_t i = 0; i < c->n_endpoints; i++) {
        const struct config_endpoint *p = &c->endpoint[i];
        if (!p->secrets.padded)
            continue;
        snprintf(text, sizeof text, "%s, line %d: the secret is used as it is, with its NAME= or its ; or ,",
                 p->secret_file, p->secrets.padded);
        receiver_note(r, now_ms, "secret-padded", "msg", text);
    }
}

/* Said with each configuration that is taken up: whoever moves the secrets ends it. */
static void note_exposed(struct receiver *r, const struct config *c, int64_t now_ms)
{
    struct trust_weak weak;
    char by[CONFIG_EXPOSED_BY], text[CONFIG_EXPOSED_BY + PATH_MAX];
    for (size_t i = 0; i < c->n_endpoints; i++) {
        if (!config_exposed(c, &c->endpoint[i], &weak))
            continue;
        snprintf(text, sizeof text, "%s could be replaced: %s; complycube-inbox doctor says how to move it",
                 c->endpoint[i].secret_file, config_exposed_by(&weak, by));
        receiver_note(r, now_ms, "secrets-exposed", "msg", text);
    }
}

/* A configuration that may be used; else its error says why not. NULL: memory is out. */
static struct config *load_configuration(struct receiver *r, int64_t now_ms)
{
    struct config *c = config_load(&r->env, now_ms);
    r->barred = c && c->error.code == ERR_NONE && config_may_begin(c, &c->error) != 0;
    return c;
}

/* ---- keys ---- */

/* A secret in force, and whose it is. */
struct held {
    const char *endpoint;
    const struct secret *secret;
};

/* The usable secrets of a configuration, but those that `newer` (may be NULL) knows. */
static size_t collect_keys(const struct config *c, const struct config *newer, struct held *list, size_t n,
                           size_t max)
{
    for (size_t i = 0; c && i < c->n_endpoints; i++)
        for (size_t k = 0; k < c->endpoint[i].secrets.n; k++) {
            const struct secret *s = &c->endpoint[i].secrets.list[k];
            if (n < max && !s->retired && !(newer && config_has_secret(newer, s)))
                list[n++] = (struct held){c->endpoint[i].name, s};
        }
    return n;
}

enum { SECRETS_IN_FORCE_MAX = 2 * CONFIG_SECRETS_MAX /* those of an outgoing configuration too */ };

/* Keys of r->config and, while it goes, of r->outgoing. Without memory for them nothing is accepted. */
static void make_keys(struct receiver *r)
{
    struct held list[SECRETS_IN_FORCE_MAX];
    struct verify_named keys[SECRETS_IN_FORCE_MAX];
    size_t n = collect_keys(r->config, NULL, list, 0, SECRETS_IN_FORCE_MAX);
    n = collect_keys(r->outgoing, r->config, list, n, SECRETS_IN_FORCE_MAX);
    for (size_t i = 0; i < n; i++)
        keys[i] = (struct verify_named){list[i].endpoint, list[i].secret->name, &list[i].secret->key};
    verify_close(r->verifier); /* before: its keys borrow names of a configuration that may go */
    verify_open(&r->verifier, keys, n, &r->config->error);
}

static bool loses_a_secret(const struct config *old, const struct config *new)
{
    struct held one;
    return collect_keys(old, new, &one, 0, 1) == 1;
}

static bool unterminated(const struct config *c)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (c->endpoint[i].secrets.unterminated)
            return true;
    return false;
}

/* Is a secret of `new` the beginning of one in force? Then its file was cut in the middle of a line. */
static bool has_half_a_secret(const struct receiver *r, const struct config *new)
{
    struct held in_force[SECRETS_IN_FORCE_MAX], given[SECRETS_IN_FORCE_MAX];
    size_t n = collect_keys(r->config, new, in_force, 0, SECRETS_IN_FORCE_MAX);
    n = collect_keys(r->outgoing, new, in_force, n, SECRETS_IN_FORCE_MAX);
    size_t m = collect_keys(new, NULL, given, 0, SECRETS_IN_FORCE_MAX);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            if (secrets_is_part(given[k].secret, in_force[i].secret))
                return true;
    return false;
}

/* Does a new configuration look as if only a part of its files had arrived? Nobody writes for longer than a minute. */
static bool looks_cut(const struct receiver *r, const struct config *new, int64_t now_ms)
{
    if (config_age(new, now_ms) >= CUT_MS)
        return false;
    bool loses = loses_a_secret(r->config, new) || loses_a_secret(r->outgoing, new);
    return (loses && unterminated(new)) || has_half_a_secret(r, new);
}

/* ---- taking up and changing ---- */

static bool same_store(const struct config *a, const struct config *b)
{
    if (a->n_endpoints != b->n_endpoints || a->files != b->files || strcmp(a->directory, b->directory) != 0)
        return false;
    for (size_t i = 0; i < a->n_endpoints; i++)
        if (strcmp(a->endpoint[i].name, b->endpoint[i].name) != 0)
            return false;
    return strcmp(a->database, b->database) == 0 && strcmp(a->journal, b->journal) == 0 &&
           strcmp(a->group, b->group) == 0;
}

static void use_log(struct receiver *r, int64_t now_ms)
{
    struct log log;
    struct err e = {0};
    if (log_open(&log, r->config->log, &e) != 0) {
        receiver_say(r, now_ms, &e); /* to where lines went until now */
        return;
    }
    log_close(&r->log);
    r->log = log;
}

/* What cannot be is said now, not when it is needed; what a receiver before this one has left there is looked for. */
static void use_spool(struct receiver *r, int64_t now_ms)
{
    struct store_options o;
    struct err e = {0};
    if (strcmp(r->spool.path, r->config->spool) == 0)
        return;
    spool_begin(&r->spool, r->config->spool);
    if (r->brief || !*r->spool.path)
        return;
    receiver_store_options(r->config, r->brief, &o, &e);
    if (spool_make(r->spool.path, o.group, NULL, &e) != 0)
        receiver_say(r, now_ms, &e);
}

/* Which of the configurations before `new` has a secret that must count a while longer? The older one first:
 * what came between may have been half a file. */
static struct config *still_needed(struct receiver *r, const struct config *new)
{
    if (r->outgoing && loses_a_secret(r->outgoing, new))
        return r->outgoing;
    return r->verifier && loses_a_secret(r->config, new) ? r->config : NULL;
}

/* Put a good configuration into force in place of r->config. */
static void take_over(struct receiver *r, struct config *new, int64_t now_ms)
{
    struct config *before[] = {r->config, r->outgoing}, *needed = still_needed(r, new);
    if (!same_store(r->config, new)) {
        store_close(r->store);
        r->store = NULL;
    }
    r->config = new;
    r->outgoing = needed;
    make_keys(r);
    use_spool(r, now_ms);
    for (size_t i = 0; i < 2; i++) /* no key borrows their names any more */
        if (before[i] != needed)
            config_free(before[i]);
    use_log(r, now_ms);
    note_narrowed(r, new, now_ms);
    note_padded(r, new, now_ms);
    note_exposed(r, new, now_ms);
    receiver_note(r, now_ms, "configured", "file", *new->path ? new->path : "the environment");
    if (needed)
        receiver_note(
            r, now_ms, "secret-vanished", "msg",
            "a secret is gone from its file without being marked retired; it counts until the file is at rest");
}

static void refuse_configuration(struct receiver *r, struct config *new, int64_t now_ms)
{
    const struct err *before = r->refused ? &r->refused->error : &r->config->error;
    if (!err_equal(before, &new->error))
        receiver_say(r, now_ms, &new->error);
    config_free(r->refused);
    r->refused = NULL;
    if (r->verifier) {
        r->refused = new;
    } else { /* nothing good is in force: show what is wrong now */
        config_free(r->config);
        r->config = new;
    }
}

/* Drop the secrets of the configuration before, once the files have been at rest for a while. */
static void end_outgoing(struct receiver *r, int64_t now_ms)
{
    struct config *old = r->outgoing;
    if (!old || config_age(r->config, now_ms) < CARRY_MS)
        return;
    r->outgoing = NULL;
    make_keys(r);
    config_free(old);
}

/* Has something taken the place of what this process uses that it may not open? Only a new process takes it up. */
static bool note_shut_out(struct receiver *r, struct err *e)
{
    bool out = r->reaches && r->reaches(r->config, e) != 0;
    r->shut_out |= out;
    return out;
}

void receiver_refresh(struct receiver *r, int64_t now_ms, bool at_once)
{
    int64_t since = now_ms - r->looked_ms;
    if (!at_once && since >= 0 && since < LOOK_MS)
        return;
    r->looked_ms = now_ms;
    const struct config *latest = r->refused ? r->refused : r->config;
    bool aged = r->refused && r->cut && config_age(r->refused, now_ms) >= CUT_MS;
    struct err e;
    if (at_once && note_shut_out(r, &e))
        receiver_say(r, now_ms, &e);
    else if (at_once)
        use_log(r, now_ms); /* its file may have been moved away */
    bool freed = r->barred && config_may_begin(latest, &(struct err){0}) == 0;
    if (!aged && !freed && !config_changed(latest, now_ms)) {
        end_outgoing(r, now_ms);
        return;
    }
    struct config *new = load_configuration(r, now_ms);
    if (!new)
        return;
    if (r->reaches)
        r->reaches(new, &new->error);
    bool sound = new->error.code == ERR_NONE;
    r->cut = sound && r->verifier && looks_cut(r, new, now_ms);
    if (r->cut)
        err_set(&new->error, ERR_SECRETS,
                "a secret in force is missing from its file, which looks half-written; end it with a newline, "
                "or wait a minute");
    if (new->error.code != ERR_NONE) {
        refuse_configuration(r, new, now_ms);
        note_shut_out(r, &e);
        return;
    }
    take_over(r, new, now_ms);
    config_free(r->refused);
    r->refused = NULL;
}

int receiver_open(struct receiver *r, const struct config_env *env, bool brief, int64_t now_ms, struct err *e)
{
    *r = (struct receiver){.env = *env, .brief = brief, .log = {.fd = -1}, .looked_ms = now_ms};
    r->refusals.fd = -1;
    r->config = load_configuration(r, now_ms);
    if (!r->config)
        return err_set(e, ERR_MEMORY, "reading the configuration: out of memory");
    if (r->config->error.code == ERR_NONE) {
        make_keys(r);
        use_log(r, now_ms);
        use_spool(r, now_ms);
        note_narrowed(r, r->config, now_ms);
        note_padded(r, r->config, now_ms);
        note_exposed(r, r->config, now_ms);
        begun_mark(r->config);
    }
    struct store_options o;
    receiver_store_options(r->config, brief, &o, &(struct err){0}); /* so that its group is known */
    if (r->config->error.code != ERR_NONE)
        receiver_say(r, now_ms, &r->config->error);
    else if (r->config->files && !brief && !receiver_store(r, e)) /* shows at once what a crash left unshown */
        receiver_say(r, now_ms, e);
    return 0;
}

/* ---- what was refused ---- */

static int write_refusals(struct receiver *r, int64_t now_ms, struct err *e)
{
    struct store_options o;
    const char *database = r->config->database;
    if (!refusals_in_place(&r->refusals, database) && (receiver_store_options(r->config, r->brief, &o, e) != 0 ||
                                                       refusals_open(&r->refusals, database, o.group, e) != 0))
        return -1;
    return refusals_write(&r->refusals, now_ms, r->brief ? COUNT_TRIES_BRIEF : COUNT_TRIES, e);
}

void receiver_count(struct receiver *r, int64_t now_ms)
{
    struct err e;
    const char *refused = files_refused();
    if (refused)
        receiver_note(r, now_ms, "mode-refused", "file", refused);
    int64_t since = now_ms - r->count_ms;
    if (!r->refusals.any || !*r->config->database || (r->count_ms && since >= 0 && since < COUNT_AGAIN_MS))
        return;
    if (config_may_begin(r->config, &e) != 0) /* its file would be the trace of a database */
        return;
    r->count_ms = write_refusals(r, now_ms, &e) == 0 ? 0 : now_ms;
    if (r->count_ms && e.code != ERR_BUSY && !r->brief && !r->count_said) {
        receiver_say(r, now_ms, &e);
        r->count_said = true;
    } else if (!r->count_ms) {
        r->count_said = false;
    }
}

void receiver_close(struct receiver *r)
{
    refusals_close(&r->refusals);
    store_close(r->store);
    verify_close(r->verifier);
    config_free(r->outgoing);
    config_free(r->refused);
    config_free(r->config);
    log_close(&r->log);
}

/* ---- the store ---- */

/* Looked up once: a process that has confined itself cannot any more. */
static int find_configured_group(const char *name, gid_t *gid, struct err *e)
{
    static char known[256];
    static gid_t is;
    const struct group *group = strcmp(known, name) == 0 ? NULL : getgrnam(name);
    if (group) {
        snprintf(known, sizeof known, "%s", name);
        is = group->gr_gid;
    }
    if (strcmp(known, name) != 0)
        return err_set(e, ERR_CONFIG, "group = \"%s\": no such group; name an existing one or leave it empty", name);
    *gid = is;
    return 0;
}

int receiver_store_options(const struct config *c, bool brief, struct store_options *o, struct err *e)
{
    *o = (struct store_options){.url = c->database, .journal = c->journal, .group = (gid_t)-1, .create = true};
    o->directory = c->files ? c->directory : NULL;
    o->endpoints = c->names;
    o->n_endpoints = c->n_endpoints;
    o->wait_ms = STORE_WAIT_MS;
    o->checkpoint_pages = brief ? CHECKPOINT_PAGES_BRIEF : CHECKPOINT_PAGES;
    if (!*c->group)
        return 0;
    return find_configured_group(c->group, &o->group, e);
}

/* Was a database here, of which only the lock is left, or the mark beside the secrets? */
static bool is_missed(const struct config *c)
{
    char base[PATH_MAX], lock[PATH_MAX], was[PATH_MAX];
    if (access(c->database, F_OK) == 0 || errno != ENOENT)
        return false;
    if (begun_before(c, was))
        return true;
    beside_base(c->database, base, NULL);
    return snprintf(lock, sizeof lock, "%s.lock", base) < (int)sizeof lock && access(lock, F_OK) == 0;
}

/* Events are received, but what it held is lost where nobody looks: say so, and leave a mark for whoever does. */
static void report_missed(struct receiver *r, const struct store_options *o)
{
    char base[PATH_MAX], mark[PATH_MAX], was[PATH_MAX];
    struct err why, e;
    beside_base(r->config->database, base, NULL);
    if (snprintf(mark, sizeof mark, "%s" RECEIVER_MISSED, base) >= (int)sizeof mark)
        return;
    files_make_file(mark, o->group == (gid_t)-1 ? 0600 : 0640, o->group, NULL, &e);
    err_set(&why, ERR_DATABASE,
            "%s was gone, and is begun anew; complycube-inbox restore BACKUP brings back what it held",
            r->config->database);
    if (begun_before(r->config, was) && strcmp(was, r->config->database) != 0)
        err_set(&why, ERR_DATABASE, "%s is begun anew; until now the database was %s: did you mean that one?",
                r->config->database, was);
    receiver_say(r, r->looked_ms, &why);
}

struct store *receiver_store(struct receiver *r, struct err *e)
{
    struct store_options o;
    bool begins = !r->store && access(r->config->database, F_OK) != 0, missed = begins && is_missed(r->config);
    if (r->store && !store_in_place(r->store)) {
        int saved = store_leave(r->store, e);
        if (saved < 0)
            return NULL;
        if (saved)
            receiver_say(r, r->looked_ms, e);
        *e = (struct err){0};
        store_close(r->store);
        r->store = NULL;
    }
    if (!r->store && receiver_store_options(r->config, r->brief, &o, e) == 0) {
        o.wait_ms = r->hurries ? STORE_HURRY_MS : o.wait_ms;
        o.in_memory = true;
        o.limit_ms = LIMIT_MS;
        if (store_open(&r->store, &o, e) == 0 && missed)
            report_missed(r, &o);
        if (r->store && begins && strcmp(r->config->sandbox, "off") == 0) /* a confined one makes no link */
            begun_mark(r->config);
    }
    return r->store;
}

enum err_code receiver_state(struct receiver *r, int64_t now_ms, struct err *e)
{
    struct store_options o;
    *e = (struct err){0};
    if (r->config->error.code != ERR_NONE) {
        *e = r->config->error;
        return e->code == ERR_SECRETS ? ERR_SECRETS : ERR_CONFIG;
    }
    if (receiver_store_options(r->config, r->brief, &o, e) != 0 || (r->reaches && r->reaches(r->config, e) != 0))
        return ERR_CONFIG;
    if (now_ms < r->trouble_until_ms) { /* what no look at the files shows */
        *e = r->trouble;
        return err_failure(e);
    }
    bool open = r->store && store_in_place(r->store);
    o.limit_ms = LIMIT_MS;
    return (open ? store_ready(r->store, e) : store_probe(&o, e)) == 0 ? ERR_NONE : err_failure(e);
}
