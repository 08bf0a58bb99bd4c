/* SPDX-License-Identifier: MIT
 * config_check: may a configuration that was read be used? If not, its error says why, and its fault what of. */
#include "config_impl.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_BODY_MIN = 1024, MAX_BODY_MAX = 64 << 20 /* bytes */ };

int config_broken(struct config *c, enum err_code code, const char *what, const char *cure)
{
    c->fault = (struct config_fault){.what = CONFIG_OTHER};
    return err_set(&c->error, code, "%s%s%s%s%s", c->path, *c->path ? ": " : "", what, *cure ? "; " : "", cure);
}

/* The same by what a key says. */
static int broken_by(struct config *c, enum config_what what, const char *key, const char *says, const char *cure)
{
    config_broken(c, ERR_CONFIG, says, cure);
    c->fault.what = what;
    while (strcmp(config_keys[c->fault.key].name, key) != 0)
        c->fault.key++;
    return -1;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strchr(value, '|') ? 0 : strlen(value);
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, value, len) == 0 && (at[len] == '|' || at[len] == '\0') && len)
            return true;
    return false;
}

/* In the directory form endpoints are folders, beside the file "setting". */
int config_check_directory(struct config *c)
{
    c->files = strcmp(c->inbox, "directory") == 0;
    if (c->files && !*c->directory)
        return broken_by(c, CONFIG_NO_DIRECTORY, "inbox", "inbox = \"directory\" without directory",
                         "name its folder: directory = \"../private/inbox.d\"");
    for (size_t i = 0; i < c->n_endpoints; i++) {
        const char *name = c->names[i] = c->endpoint[i].name;
        if (c->files && (*name == '.' || strcmp(name, "setting") == 0))
            return config_broken(c, ERR_CONFIG,
                                 "in the directory form an endpoint cannot begin with a dot or be called setting",
                                 "give it another name");
    }
    return 0;
}

int config_check_values(struct config *c, const char *max_body, const char *retain)
{
    char text[160];
    const char *const values[] = {c->database, c->inbox, c->directory, max_body,   c->journal, c->log,
                                  c->group,    retain,   c->spool,     c->sandbox, c->api};
    memcpy(c->value, values, sizeof values);
    for (size_t i = 0; i < config_n_keys; i++)
        if (config_keys[i].choices && !is_choice(config_keys[i].choices, values[i])) {
            snprintf(text, sizeof text, "%s = \"%.40s\"", config_keys[i].name, values[i]);
            return broken_by(c, CONFIG_VALUE, config_keys[i].name, text, config_keys[i].choices);
        }
    if (!*c->database)
        return config_broken(c, ERR_CONFIG, "database is missing",
                             "name the SQLite file: database = \"../private/inbox.db\"");
    c->retain_ms = *retain ? config_time_ms(retain) : 0;
    if (c->retain_ms < 0)
        return broken_by(c, CONFIG_VALUE, "retain", "retain is no time",
                         "write retain = \"90d\", or \"12h\", or leave it empty");
    c->max_body = config_size(max_body);
    if (c->max_body < MAX_BODY_MIN || c->max_body > MAX_BODY_MAX)
        return broken_by(c, CONFIG_VALUE, "max_body", "max_body is no size from 1K to 64M",
                         "write max_body = \"1M\"");
    if (strcmp(c->log, "auto") != 0 && strcmp(c->log, "stderr") != 0 && strcmp(c->log, "syslog") != 0 &&
        *c->log != '/')
        return broken_by(c, CONFIG_VALUE, "log", "log is none of auto, stderr, syslog, a path",
                         "write log = \"auto\"");
    return 0;
}

int config_check_secrets(struct config *c)
{
    size_t usable = 0;
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t k = 0; k < c->endpoint[i].secrets.n; k++) {
            const struct secret *secret = &c->endpoint[i].secrets.list[k];
            usable += !secret->retired;
            for (size_t j = 0; j < i; j++)
                for (size_t m = 0; m < c->endpoint[j].secrets.n; m++)
                    if (secrets_equal(&c->endpoint[j].secrets.list[m], secret))
                        return err_set(&c->error, ERR_SECRETS,
                                       "endpoints %s and %s share a secret (%s); each webhook has one of its own",
                                       c->endpoint[j].name, c->endpoint[i].name, secret->name);
        }
    if (usable > CONFIG_SECRETS_MAX)
        return err_set(&c->error, ERR_SECRETS,
                       "%s: more than 256 secrets are in force; mark what is not used any more as retired", c->path);
    if (usable == 0)
        return err_set(&c->error, ERR_SECRETS,
                       "%s%sno secret is in force, all are retired; put the webhook's secret into the secret file",
                       c->path, *c->path ? ": " : "");
    return 0;
}
