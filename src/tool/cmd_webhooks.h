/* SPDX-License-Identifier: MIT
 *
 * cmd_webhooks: what the verbs of webhooks share.
 */
#ifndef CMD_WEBHOOKS_H
#define CMD_WEBHOOKS_H

#include "webhook.h"

struct webhooks_run {
    const struct cmd *cmd;
    const struct config *config;
    struct account *account;
    struct store *store; /* for the history; NULL: there is none */
};

/* A webhook with all that is known of it, as --json or in lines. */
void cmd_webhooks_print(const struct webhooks_run *r, const struct webhook *w);

/* What one pastes next: "complycube-inbox WORDS" with the configuration of this run. */
void cmd_webhooks_next(FILE *to, const struct cmd *cmd, const char *words);

/* The verbs that change something; of cmd_webhooks_change.c, and of cmd_webhooks_create.c. */
int cmd_webhooks_switch(struct webhooks_run *r, bool enabled, struct err *e);
int cmd_webhooks_update(struct webhooks_run *r, struct err *e);
int cmd_webhooks_delete(struct webhooks_run *r, struct err *e);
int cmd_webhooks_create(struct webhooks_run *r, struct err *e);

/* With --dry-run the request is printed: true. body NULL: it has none. */
bool cmd_webhooks_dry(const struct webhooks_run *r, const char *method, const char *id,
                      const struct webhook_change *c);

/* A row of history. errors: as store_add_history, and that the change itself was made */
int cmd_webhooks_record(const struct webhooks_run *r, const char *verb, const struct webhook *w, struct err *e);

#endif
