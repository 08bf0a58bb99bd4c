/* SPDX-License-Identifier: MIT
 * cmd_webhooks_create: a new webhook, whose secret is in the secret file before anything is sent with it.
 *
 * It is made disabled. Its secret, which no later answer has, goes into the file; once receivers have read that, it is
 * enabled. A webhook whose secret could not be kept is deleted again: it has sent nothing. */
#include "base/print.h"
#include "cmd_webhooks.h"
#include "secret_file.h"
#include "secret_keeper.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TAKEN_UP_MS = 2000 /* a file is read half a second after its last change */ };

struct creation {
    struct webhooks_run *run;
    struct secret_file file;
    char mark[WEBHOOK_TEXT]; /* the description's end, by which it is found when no answer came */
    char description[2 * WEBHOOK_TEXT];
    char secret[WEBHOOK_SECRET];
    struct webhook webhook;
};

static void describe(struct creation *n)
{
    char host[80] = "";
    const struct cmd *cmd = n->run->cmd;
    gethostname(host, sizeof host - 1);
    snprintf(n->mark, sizeof n->mark, "[complycube-inbox %s %s]", host, cmd->secret);
    snprintf(n->description, sizeof n->description, "%.*s%s%s", WEBHOOK_TEXT - 120,
             cmd->description ? cmd->description : "", cmd->description ? " " : "", n->mark);
}

/* The id of a webhook with this mark, "" for none. */
static int find_marked(const struct creation *n, char id[API_ID_MAX + 1], struct err *e)
{
    struct webhooks *all = calloc(1, sizeof *all);
    *id = '\0';
    if (!all)
        return err_set(e, ERR_MEMORY, "reading webhooks: out of memory");
    int result = webhook_list(n->run->account, all, e);
    for (size_t i = 0; result == 0 && i < all->n; i++)
        if (strstr(all->list[i].description, n->mark))
            memcpy(id, all->list[i].id, API_ID_MAX + 1);
    free(all);
    return result;
}

static void next_verb(const struct creation *n, const char *verb, const char *id)
{
    char words[API_ID_MAX + 100];
    snprintf(words, sizeof words, "webhooks %s -e %s %s", verb, n->run->account->endpoint->name, id);
    cmd_webhooks_next(stderr, n->run->cmd, words);
}

/* One of a run that was broken off has a secret that nobody knows. */
static int refuse_second(const struct creation *n, struct err *e)
{
    char id[API_ID_MAX + 1];
    if (find_marked(n, id, e) != 0)
        return -1;
    if (!*id)
        return 0;
    print_err("complycube-inbox: webhook %s was made by a run that was broken off, and nobody knows its secret; "
              "remove it:\n",
              id);
    next_verb(n, "delete", id);
    return err_set(e, ERR_USAGE, "no second webhook is made for the secret %s", n->run->cmd->secret);
}

/* After a POST without an answer. */
static int look_for_it(const struct creation *n)
{
    struct err other = {0};
    char id[API_ID_MAX + 1];
    find_marked(n, id, &other);
    if (*id) {
        print_err("complycube-inbox: webhook %s was made, and nobody knows its secret; it is disabled; remove it:\n",
                  id);
        next_verb(n, "delete", id);
    } else if (other.code != ERR_NONE)
        print_err(
            "complycube-inbox: a webhook may have been made whose description ends in %s; nobody knows its secret, "
            "and it is disabled; look for it by complycube-inbox webhooks, and delete it\n",
            n->mark);
    return -1;
}

/* errors: that of keeping the secret, which is what has to be mended */
static int undo(struct creation *n)
{
    struct err other = {0};
    if (webhook_delete(n->run->account, n->webhook.id, &other) == 0)
        print_err("complycube-inbox: the new webhook %s was deleted again\n", n->webhook.id);
    else {
        print_err(
            "complycube-inbox: the new webhook %s is there, disabled, and nobody knows its secret; remove it:\n",
            n->webhook.id);
        next_verb(n, "delete", n->webhook.id);
    }
    return -1;
}

static int make_and_keep(struct creation *n, const struct webhook_change *change, struct err *e)
{
    bool made;
    if (webhook_create(n->run->account, change, &n->webhook, n->secret, &made, e) != 0)
        return made ? look_for_it(n) : -1;
    if ((secret_keeper_is_there() ? secret_keeper_add(n->secret, e)
                                  : secret_file_add(&n->file, n->run->cmd->secret, n->secret, e)) != 0)
        return undo(n);
    return cmd_webhooks_record(n->run, "create", &n->webhook, e);
}

static int enable_made(struct creation *n, struct err *e)
{
    const struct timespec pause = {TAKEN_UP_MS / 1000, TAKEN_UP_MS % 1000 * 1000000L};
    const bool on = true;
    char id[sizeof n->webhook.id];
    memcpy(id, n->webhook.id, sizeof id);
    nanosleep(&pause, NULL);
    if (webhook_update(n->run->account, id, &(struct webhook_change){.enabled = &on}, &n->webhook, e) == 0 &&
        n->webhook.enabled)
        return 0;
    if (n->webhook.enabled == false && e->code == ERR_NONE)
        err_set(e, ERR_REMOTE, "the API still says that it is disabled");
    print_err("complycube-inbox: webhook %s is made and its secret kept; enable it:\n", id);
    next_verb(n, "enable", id);
    return err_prefix(e, "enabling it");
}

static int create_with(struct creation *n, struct err *e)
{
    const struct cmd *cmd = n->run->cmd;
    const struct config_endpoint *p = n->run->account->endpoint;
    const bool off = false;
    const struct webhook_change change = {.url = cmd->url ? cmd->url : p->url,
                                          .description = n->description,
                                          .enabled = &off,
                                          .events = cmd->n_types ? cmd->types : p->events,
                                          .n_events = cmd->n_types ? cmd->n_types : p->n_events};
    if (!*change.url)
        return err_set(e, ERR_USAGE, "endpoint %s has no url in the configuration; give --url", p->name);
    if (cmd_webhooks_dry(n->run, "POST", NULL, &change))
        return 0;
    if ((!secret_keeper_is_there() &&
         secret_file_begin(&n->file, p->secret_file, &n->run->config->trusted, cmd->secret, e) != 0) ||
        refuse_second(n, e) != 0 || make_and_keep(n, &change, e) != 0 || enable_made(n, e) != 0)
        return -1;
    if (cmd->json)
        cmd_webhooks_print(n->run, &n->webhook);
    else
        print_out("webhook %s of endpoint %s, %s: enabled; its secret is %s in %s\n", n->webhook.id, p->name,
                  n->webhook.url, cmd->secret, p->secret_file);
    return 0;
}

int cmd_webhooks_create(struct webhooks_run *r, struct err *e)
{
    struct creation *n = calloc(1, sizeof *n);
    if (!n)
        return err_set(e, ERR_MEMORY, "making a webhook: out of memory");
    n->run = r;
    n->file = (struct secret_file){.folder = -1, .fd = -1};
    int result = -1;
    if (!r->account->endpoint->secret_file)
        err_set(e, ERR_CONFIG, "without a configuration file there is no secret file to put the secret into");
    else {
        describe(n);
        result = create_with(n, e);
    }
    secret_file_release(&n->file);
    secret_keeper_end();
    explicit_bzero(n->secret, sizeof n->secret);
    free(n);
    return result;
}
