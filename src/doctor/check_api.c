/* SPDX-License-Identifier: MIT
 * check_api: the API keys, the API itself, and what is wrong with the webhooks there. */
#include "doctor.h"

#include "tool/webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 15000 };

static const char disabled[] = "ComplyCube sends nothing until it is enabled again, and does not say so";

/* Who has the key may do everything in the account, and the receiver faces the network. */
static void check_reader(struct doctor *d, const struct config_endpoint *p)
{
    struct doctor_path path = {.mode = R_OK};
    struct err e;
    if (!d->cmd->root || !d->user || d->user->pw_uid == 0 || !*p->api_key_file)
        return;
    snprintf(path.path, sizeof path.path, "%s", p->api_key_file);
    if (doctor_try(d->user, &path, 1, &e) != 0 || path.error != 0)
        return;
    struct finding f =
        finding_of(FINDING_WARNING, "api key",
                   "who has it may do everything in the account, and the receiver needs it for nothing");
    finding_step(&f, "chown root:root %q", p->api_key_file);
    finding_step(&f, "chmod 600 %q", p->api_key_file);
    doctor_tell(d, &f, "endpoint %s: the receiver's user can read %s", p->name, p->api_key_file);
}

/* Does a file lie in this folder, or in one below it? */
static bool lies_below(const char *file, const char *folder)
{
    char at[PATH_MAX];
    struct stat of, s;
    if (stat(folder, &of) != 0 || !realpath(file, at))
        return false;
    for (char *slash; (slash = strrchr(at, '/')) != NULL;) {
        slash[slash == at] = '\0';
        if (stat(at, &s) == 0 && s.st_dev == of.st_dev && s.st_ino == of.st_ino)
            return true;
        if (slash == at)
            break;
    }
    return false;
}

/* A confined receiver may open what lies in the database's folder or below it, if its user may. */
static void check_folder(struct doctor *d, const struct config_endpoint *p)
{
    char database[PATH_MAX];
    if (!*p->api_key_file || files_folder(d->config->database, database, sizeof database) != 0 ||
        !lies_below(p->api_key_file, database))
        return;
    struct finding f =
        finding_of(FINDING_WARNING, "api key", "the receiver, which faces the network, may use that folder");
    finding_step(&f, "by hand: move it into a folder of its own outside, mode 0700, and name that in api_key_file");
    doctor_tell(d, &f, "endpoint %s: %s lies in the database's folder", p->name, p->api_key_file);
}

/* Why the key or the API cannot be used; a cure of its own for each code. */
static void tell_unusable(struct doctor *d, const struct config_endpoint *p, const struct err *e)
{
    struct finding f = finding_of(FINDING_WRONG, "api", "webhooks, reconcile and fetch cannot ask ComplyCube's API");
    switch (e->code) {
    case ERR_SECRETS:
        finding_step(&f, "by hand: put the key of ComplyCube's portal, alone, into %s, and give it mode 0600",
                     *p->api_key_file ? p->api_key_file : "a file that api_key_file names");
        break;
    case ERR_CONFIG:
        if (e->detail == ERR_NO_BUNDLE)
            finding_step(&f, DOCTOR_BUNDLE_CURE);
        else
            finding_step(&f, "by hand: correct api, or the key of endpoint %s, in %s", p->name, d->config->path);
        break;
    case ERR_REMOTE:
        finding_step(&f, "by hand: let this host reach %s, or wait until ComplyCube's API works again",
                     d->config->api);
        break;
    default: finding_step(&f, "by hand: wait, and run this again");
    }
    doctor_tell(d, &f, "endpoint %s: %s", p->name, e->msg);
}

struct judging {
    struct doctor *d;
    const struct config_endpoint *endpoint;
    int wrong;
};

static void add_lacking(struct finding *f, const struct judging *j, const struct webhook *w)
{
    char command[4000];
    int used = snprintf(command, sizeof command, "webhooks update -e %s", j->endpoint->name);
    for (size_t i = 0; i < j->endpoint->n_events && used < (int)sizeof command; i++)
        if (!webhook_sends(w, j->endpoint->events[i]) && strcmp(j->endpoint->events[i], "*") != 0)
            used += snprintf(command + used, sizeof command - (size_t)used, " --add %s", j->endpoint->events[i]);
    doctor_step_run(j->d, f, "", command, w->id);
}

static void tell_webhook(void *ctx, enum webhook_fault fault, const struct webhook *w, const char *words)
{
    struct judging *j = ctx;
    bool grave = fault == WEBHOOK_MISSING || fault == WEBHOOK_DISABLED || fault == WEBHOOK_LACKS;
    struct finding f = finding_of(grave ? FINDING_WRONG : FINDING_WARNING, "webhook", "");
    char command[200];
    j->wrong++;
    switch (fault) {
    case WEBHOOK_DISABLED:
        f.why = disabled;
        snprintf(command, sizeof command, "webhooks enable -e %s", j->endpoint->name);
        doctor_step_tool(j->d, &f, command);
        break;
    case WEBHOOK_MISSING:
        f.why = "no event comes";
        finding_step(
            &f,
            "by hand: correct url of endpoint %s, or make the webhook: complycube-inbox webhooks create -e %s "
            "--secret NAME",
            j->endpoint->name, j->endpoint->name);
        break;
    case WEBHOOK_LACKS:
        f.why = "events of these types do not come";
        add_lacking(&f, j, w);
        break;
    case WEBHOOK_TWICE:
        f.why = "each event is recorded twice, and applications act twice";
        finding_step(&f, "by hand: disable the one that is not needed: complycube-inbox webhooks disable ID");
        break;
    case WEBHOOK_NO_URL:
        f.why = "whether it is enabled cannot be told";
        finding_step(&f, "by hand: in %s, give endpoint %s its webhook's URL: url = \"https://...\"",
                     j->d->config->path, j->endpoint->name);
        break;
    default: f.why = "the vendor allows 20"; finding_step(&f, "by hand: delete those that are not needed");
    }
    doctor_tell(j->d, &f, "endpoint %s: %s", j->endpoint->name, words);
}

static void examine_account(struct doctor *d, const struct config_endpoint *p, struct webhooks *all)
{
    struct err e = {0};
    struct account *a;
    struct judging j = {d, p, 0};
    if (account_open(&a, d->cmd, d->config, p, PATIENCE_MS, &e) != 0 || webhook_list(a, all, &e) != 0) {
        account_close(a);
        tell_unusable(d, p, &e);
        return;
    }
    account_close(a);
    check_reader(d, p);
    check_folder(d, p);
    webhook_judge(all, p, d->cmd->now_ms, tell_webhook, &j);
    if (j.wrong == 0)
        doctor_ok(d, "webhook", "endpoint %s: enabled, and sends what is asked for", p->name);
}

void doctor_api(struct doctor *d)
{
    struct webhooks *all = calloc(1, sizeof *all);
    for (size_t i = 0; all && i < d->config->n_endpoints; i++)
        if (account_has_key(d->cmd, d->config, &d->config->endpoint[i]))
            examine_account(d, &d->config->endpoint[i], all);
    free(all);
}
