/* SPDX-License-Identifier: MIT
 * cmd_doctor: is everything as it must be, and if not, which line changes it? The end; doctor.h has the parts. */
#include "doctor.h"
#include "receiver/receiver.h"

#include <stdlib.h>
#include <unistd.h>

/* A group that does not exist is found before any right is looked at. */
static int find_consumers_group(struct doctor *d)
{
    struct store_options o;
    struct err e = {0};
    d->group = (gid_t)-1;
    if (receiver_store_options(d->config, true, &o, &e) == 0) {
        d->group = o.group;
        return 0;
    }
    struct finding f = finding_of(FINDING_WRONG, err_word(e.code),
                                  "the receiver cannot make its files: it answers 503 to every event");
    doctor_step_key(d->config, &f, "group", "\"\"");
    doctor_tell(d, &f, "%s", e.msg);
    return -1;
}

/* Each URL once: that of the command line, else those of the configuration. */
static void try_urls(struct doctor *d)
{
    const struct config *c = d->config;
    size_t n = d->cmd->url ? 1 : c->n_endpoints;
    for (size_t i = 0, k = 0; i < n; i++) {
        d->url = d->cmd->url ? d->cmd->url : c->endpoint[i].url;
        for (k = 0; k < i && strcmp(c->endpoint[k].url, d->url) != 0; k++) {
        }
        if (*d->url && k == i)
            doctor_url(d);
    }
}

static int examine(struct doctor *d, struct config **c, struct err *e)
{
    int stranger = doctor_user(d, e);
    if (stranger)
        return stranger < 0 ? -1 : 0;
    doctor_secrets(d, c);
    if (find_consumers_group(d) != 0)
        return 0;
    doctor_files(d);
    doctor_planted_names(d);
    if (d->cmd->as)
        doctor_consumer(d);
    if (d->reachable)
        doctor_store(d);
    doctor_spool(d);
    doctor_log(d);
    doctor_copies(d);
    doctor_receivers(d);
    doctor_server(d);
    doctor_api(d);
    try_urls(d);
    return 0;
}

static int report_questions(const struct cmd *cmd, struct err *e)
{
    struct doctor d = {.cmd = cmd};
    struct config *c = cmd_load_public_config(cmd, e);
    d.config = c;
    int result = c ? doctor_questions(&d, e) : -1;
    config_free(c);
    return result;
}

int cmd_doctor(const struct cmd *cmd, struct err *e)
{
    if (cmd->api)
        return cmd->as || cmd->url || cmd->server
                   ? err_set(e, ERR_USAGE, "doctor --api examines nothing else: without --as, --url and --server")
                   : report_questions(cmd, e);
    if (cmd->endpoint || cmd->rate)
        return err_set(e, ERR_USAGE, "--endpoint and --rate go with --api");

    struct doctor d = {.cmd = cmd};
    struct config *c = NULL;
    const char *no_color = doctor_variable(&d, "NO_COLOR");
    d.color = !cmd->json && isatty(STDOUT_FILENO) == 1 && !(no_color && *no_color);
    doctor_config(&d, &c);
    int result = d.config ? examine(&d, &c, e) : 0;
    config_free(c);
    if (result != 0)
        return -1;
    if (d.wrong == 0)
        return 0;
    return err_set(e, ERR_NOT_FOUND, "%d wrong; do what stands behind ->, and run this again", d.wrong);
}
