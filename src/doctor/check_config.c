/* SPDX-License-Identifier: MIT
 * check_config: the configuration and the secrets in their files. Names of secrets only. */
#include "doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char refuses_all[] = "without it the receiver answers 500 to every event, and after ten tries "
                                  "ComplyCube disables the webhook";

static struct config *read_config(const struct doctor *d, bool without_secrets)
{
    struct config_env env = *d->cmd->env;
    env.without_secrets = without_secrets;
    if (d->cmd->config_file)
        env.config = d->cmd->config_file;
    return config_load(&env, d->cmd->now_ms);
}

/* ---- a configuration that cannot be used ---- */

/* The folder of the directory form, beside the database: what was asked for stays asked for. */
static bool step_directory(struct finding *f, const struct config *c)
{
    char folder[PATH_MAX];
    if (files_folder(c->database, folder, sizeof folder) != 0)
        return false;
    finding_step(f, "in %s add: directory = \"%s/inbox.d\"", c->path, folder);
    return true;
}

/* A key whose value is the trouble gets one that is good: as the manual has it, or its default. */
static bool step_default(struct finding *f, const struct config *c)
{
    char value[160];
    const struct config_key *key = &config_keys[c->fault.key];
    if (c->line[c->fault.key] == 0)
        return false;
    bool retain = strcmp(key->name, "retain") == 0; /* empty would be for ever */
    snprintf(value, sizeof value, "\"%s\"", retain ? "90d" : key->standard);
    doctor_step_key(c, f, key->name, value);
    return true;
}

/*
 * An option that the parser does not know gets the name that was meant, or is made a comment. Not where the line does not
 * begin with it: behind a quote that is not closed any word is one.
 */
static bool step_unknown(struct finding *f, const struct config *c, const char *text)
{
    const struct config_fault *fault = &c->fault;
    const char *at = text + strspn(text, " \t");
    size_t len = strlen(fault->word);
    if (fault->what != CONFIG_UNKNOWN || !len || strncmp(at, fault->word, len) != 0 || !at[len] ||
        !strchr(" \t={", at[len]))
        return false;
    char mended[1100];
    if (fault->meant)
        snprintf(mended, sizeof mended, "%.*s%s%s", (int)(at - text), text, fault->meant, at + len);
    else
        snprintf(mended, sizeof mended, "# %s", text);
    finding_step(f, "in %s:%d write: %s", c->path, fault->line, mended);
    return true;
}

static bool step_line(struct finding *f, const struct config *c)
{
    char text[1024];
    int line = c->fault.line;
    if (line > 100000 || doctor_line(c->path, line, text, sizeof text) != 0)
        return false;
    if (!step_unknown(f, c, text))
        finding_step(f,
                     "by hand: mend line %d of %s, or a quote or a brace above it that is not closed; "
                     "complycube-webhook.conf(5) has every key",
                     line, c->path);
    return true;
}

static bool step_fault(struct finding *f, const struct config *c)
{
    switch (c->fault.what) {
    case CONFIG_UNPARSED:
    case CONFIG_UNKNOWN: return step_line(f, c);
    case CONFIG_VALUE: return step_default(f, c);
    case CONFIG_NO_DIRECTORY: return step_directory(f, c) || step_default(f, c);
    case CONFIG_OTHER: break;
    }
    return false;
}

static void tell_broken(struct doctor *d, const struct config *c)
{
    struct stat st;
    char blocked[PATH_MAX];
    bool there = *c->path && stat(c->path, &st) == 0;
    struct finding f = finding_of(FINDING_WRONG, err_word(c->error.code), refuses_all);
    if (!*c->path)
        finding_step(&f, "by hand: copy complycube-webhook.conf.sample beside the receiver, as "
                         "complycube-webhook.conf, or name a file with -c");
    else if (doctor_blocked(NULL, c->path, blocked))
        doctor_step_pass(d, &f, NULL, blocked);
    else if (!there)
        finding_step(&f, "by hand: copy complycube-webhook.conf.sample to %s, and change its paths", c->path);
    else if (access(c->path, R_OK) != 0)
        finding_step(&f, "chmod a+r %q", c->path);
    else if (there && (st.st_mode & S_IWOTH))
        finding_step(&f, "chmod o-w %q", c->path);
    else if (!step_fault(&f, c))
        finding_step(&f, "by hand: change it in %s as it says; complycube-webhook.conf(5) has every key", c->path);
    doctor_tell(d, &f, "%s", c->error.msg);
}

/* ---- secrets ---- */

/* Steps that make an empty file which the receiver's user alone may read. */
static void step_new_file(struct doctor *d, struct finding *f, const char *path)
{
    char name[40];
    if (d->user)
        finding_step(f, "install -m 600 -o %w /dev/null %q", doctor_owner(d->user->pw_uid, name), path);
    else
        finding_step(f, "install -m 600 /dev/null %q", path);
}

static void step_secret(struct finding *f, const char *path)
{
    finding_step(f,
                 "by hand: in %s add: main SECRET (SECRET: what ComplyCube showed once when the webhook was made; "
                 "lost: make another webhook)",
                 path);
}

/* How the receiver's user gets at a file that it cannot read. */
static void step_readable(struct doctor *d, struct finding *f, const char *path, const struct stat *st)
{
    char name[40];
    struct stat link;
    uid_t uid = d->user ? d->user->pw_uid : geteuid();
    if (lstat(path, &link) == 0 &&
        S_ISLNK(link.st_mode)) { /* no command goes through it: it may lead elsewhere by then */
        finding_step(f,
                     "by hand: %s is a symbolic link: look at what it leads to, which is to be %s's, with mode 0600",
                     path, doctor_owner(uid, name));
        return;
    }
    if (st->st_uid != uid)
        finding_step(f, "chown -h %w %q", doctor_owner(uid, name), path);
    if (st->st_uid != uid || (st->st_mode & 0777) != 0600)
        finding_step(f, "chmod 600 %q", path);
    else /* its mode is right, so something else than modes forbids it */
        finding_step(f, "by hand: look what else keeps this user from %s: an ACL, AppArmor, SELinux", path);
}

/* A file that is not there, or cannot be opened: true when it was told. */
static bool report_unopened_secrets(struct doctor *d, const struct config_endpoint *p)
{
    struct doctor_path try = {.mode = R_OK};
    struct err e = {0};
    struct stat st = {0};
    char owner[40], blocked[PATH_MAX];
    snprintf(try.path, sizeof try.path, "%s", p->secret_file);
    if (doctor_try(d->user, &try, 1, &e) != 0 || try.error == 0)
        return false;
    struct finding f = finding_of(FINDING_WRONG, "secrets", refuses_all);
    if (try.error == ENOENT && files_check_link(p->secret_file, &e) != 0) {
        finding_step(&f, "by hand: mount the volume that it leads to");
        doctor_tell(d, &f, "endpoint %s: %s", p->name, e.msg);
        return true;
    }
    if (try.error == ENOENT) {
        step_new_file(d, &f, p->secret_file);
        step_secret(&f, p->secret_file);
    } else {
        if (doctor_blocked(d->user, p->secret_file, blocked))
            doctor_step_pass(d, &f, d->user, blocked);
        else if (stat(p->secret_file, &st) == 0)
            step_readable(d, &f, p->secret_file, &st);
    }
    doctor_tell(d, &f, "endpoint %s: %s: %s%s%s", p->name, p->secret_file, strerror(try.error),
                st.st_mode ? "; it belongs to " : "", st.st_mode ? doctor_owner(st.st_uid, owner) : "");
    return true;
}

static void tell_unread(struct doctor *d, const struct config_endpoint *p, const struct secrets *s,
                        const struct err *e)
{
    struct stat st;
    struct finding f = finding_of(FINDING_WRONG, "secrets", refuses_all);
    if (stat(p->secret_file, &st) == 0 && (st.st_mode & S_IWOTH)) {
        step_readable(d, &f, p->secret_file, &st);
        f.why =
            "whoever writes a secret of his own there signs events of his own: look whether the file is still yours";
    } else if (stat(p->secret_file, &st) == 0 && !trust_has(&d->config->trusted, st.st_uid)) {
        finding_step(&f, "by hand: look whether the webhook's own secrets stand in %s", p->secret_file);
        step_readable(d, &f, p->secret_file, &st);
        f.why = "whoever owns the file can put secrets of his own there, and sign events";
    } else if (stat(p->secret_file, &st) == 0 && (st.st_mode & (S_IROTH | S_IWGRP))) {
        step_readable(d, &f, p->secret_file, &st);
    } else if (s->example) {
        finding_step(&f, "by hand: in line %d of %s, put the webhook's secret in place of PASTE_THE_SECRET_HERE",
                     s->line, p->secret_file);
    } else if (s->line) {
        finding_step(&f, "by hand: mend line %d of %s", s->line, p->secret_file);
    } else {
        step_secret(&f, p->secret_file);
    }
    doctor_tell(d, &f, "endpoint %s: %s", p->name, e->msg);
}

/* The line of the configuration that names the file, with another in its place. */
static void step_secret_file(struct finding *f, const struct config *c, const struct config_endpoint *p,
                             const char *file)
{
    char line[PATH_MAX + 200];
    const char *at = p->secret_file_line && doctor_line(c->path, p->secret_file_line, line, sizeof line) == 0
                         ? strstr(line, "secret_file")
                         : NULL;
    const char *from = at ? strchr(at, '"') : NULL, *end = from ? strchr(from + 1, '"') : NULL;
    if (!end) {
        finding_step(f, "by hand: in %s, name %s as the secret_file of endpoint %s", c->path, file, p->name);
        return;
    }
    char mended[2 * PATH_MAX + 200];
    snprintf(mended, sizeof mended, "%.*s\"%s\"%s", (int)(from - line), line, file, end + 1);
    finding_step(f, "in %s:%d write: %s", c->path, p->secret_file_line, mended);
}

/* The new file is there before it is named, and the old one goes after: no event is refused on the way. */
static void step_move(struct doctor *d, struct finding *f, const struct config *c, const struct config_endpoint *p,
                      const char *weak)
{
    char owner[40], folder[PATH_MAX + 16], file[PATH_MAX + 100];
    struct stat st;
    snprintf(folder, sizeof folder, "%s-secrets", weak);
    snprintf(file, sizeof file, "%s/%s.secrets", folder, p->name);
    if (lstat(p->secret_file, &st) != 0 || !S_ISREG(st.st_mode)) {
        finding_step(f, "by hand: put what %s links to into %s, and name it as the secret_file of endpoint %s",
                     p->secret_file, file, p->name);
        return;
    }
    uid_t uid = d->user ? d->user->pw_uid : config_receiver(c); /* root may do what its user was told */
    finding_step(f, "install -d -m 700 -o %w %q", doctor_owner(uid, owner), folder);
    finding_step(f, "cp -pP %q %q", p->secret_file, file); /* not what a link that is put there by then leads to */
    step_secret_file(f, c, p, file);
    if (strcmp(c->sandbox, "off") != 0)
        finding_step(
            f,
            "by hand: restart the receiver if it runs as FastCGI: it reads only folders that it knew at its start");
    finding_step(f, "rm %q", p->secret_file);
}

static void tell_exposed(struct doctor *d, const struct config *c, const struct config_endpoint *p)
{
    struct trust_weak weak;
    struct err e;
    char by[CONFIG_EXPOSED_BY];
    if (!config_exposed(c, p, &weak))
        return;
    struct finding f = finding_of(config_may_begin(c, &e) == 0 ? FINDING_WARNING : FINDING_WRONG, "secret folder",
                                  "whoever puts a secret file of his own there signs events of his own");
    if (!*c->group && weak.why != TRUST_OWNER)
        finding_step(&f, "chmod go-w %q", weak.path);
    else
        step_move(d, &f, c, p, weak.path);
    doctor_tell(d, &f, "endpoint %s: %s could be replaced: %s", p->name, p->secret_file,
                config_exposed_by(&weak, by));
}

/* Each file by itself, so that all that is wrong is told at once. False: something is. */
static bool check_secret_files(struct doctor *d, const struct config *c)
{
    bool good = true;
    for (size_t i = 0; i < c->n_endpoints; i++) {
        const struct config_endpoint *p = &c->endpoint[i];
        struct secrets s = {.n = 0};
        struct err e = {0};
        if (!p->secret_file)
            continue;
        if (report_unopened_secrets(d, p)) {
            good = false;
            continue;
        }
        if (secrets_read(&s, p->secret_file, &c->trusted, &e) == 0 && s.n == 0)
            err_set(&e, ERR_SECRETS, "%s holds no secret", p->secret_file);
        secrets_release(&s);
        if (s.narrowed) {
            struct finding f =
                finding_of(FINDING_WARNING, "secret file", "whoever could read the secret can sign events: renew it");
            finding_step(&f, "by hand: upload it with mode 0600 from now on");
            doctor_tell(d, &f, "%s could be read by others; it is 0600 now", p->secret_file);
        }
        if (e.code != ERR_NONE) {
            tell_unread(d, p, &s, &e);
            good = false;
        } else {
            tell_exposed(d, c, p);
        }
    }
    return good;
}

static void tell_secrets(struct doctor *d, const struct config_endpoint *p)
{
    size_t usable = 0;
    for (size_t k = 0; k < p->secrets.n; k++)
        usable += !p->secrets.list[k].retired;
    if (usable == 0) {
        struct finding f = finding_of(FINDING_WARNING, "secrets", "no event of this endpoint is accepted");
        if (p->secret_file)
            step_secret(&f, p->secret_file);
        doctor_tell(d, &f, "endpoint %s: all %zu are retired", p->name, p->secrets.n);
        return;
    }
    doctor_ok(d, "secrets", "endpoint %s: %zu in force, %zu retired", p->name, usable, p->secrets.n - usable);
    if (p->secrets.padded) {
        struct finding f = finding_of(FINDING_WARNING, "secrets",
                                      "if ComplyCube's secret is without it, none of its events matches");
        finding_step(&f, "by hand: in line %d of %s, write the secret alone", p->secrets.padded, p->secret_file);
        doctor_tell(d, &f, "endpoint %s: a secret is used as it is, with its NAME= or its ; or ,", p->name);
    }
    for (size_t k = 0; k < p->secrets.n; k++)
        if (!p->secrets.list[k].retired && p->secrets.list[k].len < 16) {
            struct finding f = finding_of(FINDING_WARNING, "secrets",
                                          "one that is short is easy to guess, and perhaps only half of it");
            finding_step(&f, "by hand: compare it with what ComplyCube showed; a webhook's has 32 characters");
            doctor_tell(d, &f, "endpoint %s: the secret %s is short", p->name, p->secrets.list[k].name);
        }
}

/* As it is named, but for "..": what is told and pasted is to be read. */
static void set_database(struct doctor *d)
{
    char folder[PATH_MAX], real[PATH_MAX];
    const char *path = d->config->database;
    const char *name = strrchr(path, '/');
    bool found = files_folder(path, folder, sizeof folder) == 0 && realpath(folder, real);
    if (!found || !name ||
        snprintf(d->database, sizeof d->database, "%s%s", strcmp(real, "/") == 0 ? "" : real, name) >= PATH_MAX)
        snprintf(d->database, sizeof d->database, "%s", path);
}

void doctor_config(struct doctor *d, struct config **out)
{
    struct config *c = read_config(d, true);
    *out = c;
    if (!c || c->error.code != ERR_NONE) {
        if (c)
            tell_broken(d, c);
        return;
    }
    d->config = c;
    doctor_ok(d, "configuration", "%s", *c->path ? c->path : "the environment");
    set_database(d);
}

void doctor_secrets(struct doctor *d, struct config **out)
{
    bool good = check_secret_files(d, d->config);
    struct config *whole = read_config(d, false);
    if (!good || !whole || whole->error.code != ERR_NONE) {
        if (good && whole) {
            struct finding f = finding_of(FINDING_WRONG, err_word(whole->error.code), refuses_all);
            finding_step(&f, "by hand: put the webhook's own secret into the file of each endpoint");
            doctor_tell(d, &f, "%s", whole->error.msg);
        }
        config_free(whole);
        return;
    }
    config_free(*out);
    *out = whole;
    d->config = whole;
    d->sound = true;
    for (size_t i = 0; i < whole->n_endpoints; i++)
        tell_secrets(d, &whole->endpoint[i]);
}
