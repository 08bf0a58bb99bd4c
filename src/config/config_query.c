/* SPDX-License-Identifier: MIT
 * config_query: what a configuration that is read says, what its values mean, and whether its files have changed. */
#include "config.h"
#include "base/shared.h"
#include "store/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

size_t config_size(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    int shift = *end == 'K' || *end == 'k' ? 10 : *end == 'M' || *end == 'm' ? 20 : 0;
    if (errno || end == text || *text == '-' || end[shift != 0] != '\0' || n > (1ull << 40))
        return 0;
    return (size_t)(n << shift);
}

int64_t config_time_ms(const char *text)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    int64_t unit_ms = *end == 'd' ? 86400000 : *end == 'h' ? 3600000 : 0;
    return errno || end == text || n < 1 || n > 36500 || !unit_ms || end[1] != '\0' ? -1 : n * unit_ms;
}

int config_line(const struct config *c, const char *key)
{
    for (size_t i = 0; i < config_n_keys; i++)
        if (strcmp(config_keys[i].name, key) == 0)
            return c->line[i];
    return 0;
}

bool config_wants(const struct config *c, const char *endpoint, struct span type)
{
    for (size_t i = 0; i < c->n_endpoints; i++) {
        const struct config_endpoint *p = &c->endpoint[i];
        if (strcmp(p->name, endpoint) != 0)
            continue;
        for (size_t k = 0; k < p->n_events; k++)
            if (strcmp(p->events[k], "*") == 0 || span_equal(span_of(p->events[k]), type))
                return true;
        return false;
    }
    return true; /* an endpoint that is being taken away: keep what still comes */
}

bool config_has_endpoint(const struct config *c, const char *endpoint)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (strcmp(c->names[i], endpoint) == 0)
            return true;
    return false;
}

bool config_has_secret(const struct config *c, const struct secret *secret)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t k = 0; k < c->endpoint[i].secrets.n; k++)
            if (secrets_equal(&c->endpoint[i].secrets.list[k], secret))
                return true;
    return false;
}

bool config_exposed(const struct config *c, const struct config_endpoint *p, struct trust_weak *weak)
{
    return p->secret_file && trust_walk(p->secret_file, &c->trusted, false, weak) == 1;
}

const char *config_exposed_by(const struct trust_weak *weak, char *out)
{
    const size_t size = CONFIG_EXPOSED_BY;
    if (weak->why == TRUST_OTHERS)
        snprintf(out, size, "anyone may change %s", weak->path);
    else if (weak->why == TRUST_GROUP)
        snprintf(out, size, "group %u may change %s", (unsigned)weak->st.st_gid, weak->path);
    else
        snprintf(out, size, "user %u owns %s", (unsigned)weak->st.st_uid, weak->path);
    return out;
}

const struct config_endpoint *config_first_exposed(const struct config *c, struct trust_weak *weak)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (config_exposed(c, &c->endpoint[i], weak))
            return &c->endpoint[i];
    return NULL;
}

/* Was a database here? Then its layout may be an older version's. */
static bool has_traces(const char *database)
{
    static const char *const traces[] = {"", ".lock", ".refused", BESIDE_OWN};
    char path[PATH_MAX + 16];
    for (size_t i = 0; i < sizeof traces / sizeof *traces; i++) {
        snprintf(path, sizeof path, "%s%s", database, traces[i]);
        if (access(path, F_OK) == 0 || errno != ENOENT)
            return true;
    }
    return false;
}

int config_may_begin(const struct config *c, struct err *e)
{
    struct trust_weak weak;
    char by[CONFIG_EXPOSED_BY];
    if (has_traces(c->database))
        return 0;
    const struct config_endpoint *p = config_first_exposed(c, &weak);
    if (!p)
        return 0;
    return err_set(
        e, ERR_SECRETS,
        "%s could be replaced: %s; no database is begun while it lies there: put it into a folder that root or "
        "the receiver's user alone may write, and name it in secret_file",
        p->secret_file, config_exposed_by(&weak, by));
}

uid_t config_receiver(const struct config *c)
{
    struct stat st;
    char folder[PATH_MAX];
    bool other = geteuid() == 0 && files_folder(c->database, folder, sizeof folder) == 0 && stat(folder, &st) == 0;
    return other ? st.st_uid : geteuid();
}

enum { LINKS_MAX = 40 /* as the kernel's own limit */ };

char *config_real(const char *path)
{
    char at[PATH_MAX], text[PATH_MAX], folder[PATH_MAX];
    bool fits = snprintf(at, sizeof at, "%s", path) < (int)sizeof at;
    for (int links = 0; fits && links < LINKS_MAX && shared_link(AT_FDCWD, at, text) == 0; links++) {
        bool whole = *text == '/' || files_folder(at, folder, sizeof folder) != 0;
        fits = snprintf(at, sizeof at, "%s%s%s", whole ? "" : folder, whole ? "" : "/", text) < (int)sizeof at;
    }
    return strdup(fits && access(at, F_OK) == 0 ? at : path);
}

/* A link that leads nowhere may do so for an instant only. */
static bool leads_elsewhere(const struct config *c)
{
    char *real = *c->named ? config_real(c->named) : NULL;
    bool elsewhere = real && strcmp(real, c->database) != 0 && access(real, F_OK) == 0;
    free(real);
    return elsewhere;
}

static bool at_rest(const struct files_stamp *p, int64_t now_ms)
{
    int64_t age_ms = now_ms - p->ctime_ns / 1000000;
    return age_ms >= CONFIG_REST_MS || age_ms < -CONFIG_REST_MS; /* a clock that was set back must not stop us */
}

bool config_changed(const struct config *c, int64_t now_ms)
{
    bool changed = (!*c->path && c->error.code != ERR_NONE) /* none was found: one may be there now */
                   || leads_elsewhere(c);
    for (size_t i = 0; i <= c->n_endpoints; i++) {
        const char *path = i < c->n_endpoints ? c->endpoint[i].secret_file : c->path;
        if (!path || !*path || (c->without_secrets && i < c->n_endpoints))
            continue;
        struct files_stamp now = files_look(path);
        if (files_print_equal(&now, i < c->n_endpoints ? &c->endpoint[i].secrets.print : &c->print))
            continue;
        if (!at_rest(&now, now_ms))
            return false;
        changed = true;
    }
    return changed;
}

int64_t config_age(const struct config *c, int64_t now_ms)
{
    int64_t latest = c->print.ctime_ns;
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (c->endpoint[i].secrets.print.ctime_ns > latest)
            latest = c->endpoint[i].secrets.print.ctime_ns;
    return now_ms - latest / 1000000;
}
