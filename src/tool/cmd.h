/* SPDX-License-Identifier: MIT
 *
 * cmd: what the subcommands of complycube-inbox share. A subcommand is a file cmd_NAME.c with a function that prints to
 * standard output and returns -1 and *e when it failed; the main file turns that into a message and an exit code. Its
 * row in the main file says what is opened for it beforehand, and closed after it.
 */
#ifndef CMD_H
#define CMD_H

#include "config/config.h"
#include "health/alarm.h"
#include "store/store.h"

#include <stdio.h>

enum { CMD_TYPES_MAX = 64 };

/* What a command needs; it may open more by itself. */
enum cmd_need {
    CMD_CONFIG = 1 << 0, /* cmd->config, good or not at all; with --unverified as CMD_PUBLIC */
    CMD_PUBLIC = 1 << 1, /* cmd->config without its secrets, which the user may not be able to read */
    CMD_STORE = 1 << 2,  /* cmd->store, of that configuration; --database names another */
    CMD_CREATE = 1 << 3, /* it is made if it is missing */
    CMD_SPOOL =
        1 << 4, /* events of the spool are recorded first; those that cannot be are reported on standard error */
    /* Of root, before it becomes somebody else: */
    CMD_READS = 1 << 5,        /* its arguments and --file are read */
    CMD_MAKES_BACKUP = 1 << 6, /* its argument is made */
    CMD_MAKES_FILE = 1 << 7,   /* --file is made */
    CMD_ASKS_ROOT = 1 << 8,    /* it asks a process that stays root (root_helper) */
    CMD_KEYS = 1 << 9,         /* API keys are opened, if root alone may write the configuration */
    CMD_ADDS_SECRET =
        1 << 10,        /* with --secret, a line is added to a secret file of root's (secret_keeper), likewise */
    CMD_MARKS = 1 << 11 /* after it has ended well, the mark of begun.h is made, likewise */
};

/* What the command line said, and what was opened for the command. */
struct cmd {
    const char *name;
    struct config *config; /* NULL unless the command's row asks for it; so is the store */
    struct store *store;
    const struct config_env *env;
    const char *config_file; /* -c, or NULL */
    bool json;
    const char *endpoint, *secret, *resource_id, *client_id;
    int64_t since_ms, before_ms; /* 0: not said */
    int state;                   /* -1: any */
    int64_t limit;
    const char *types[CMD_TYPES_MAX]; /* n_types of them; none: any */
    size_t n_types;
    const char *add[CMD_TYPES_MAX], *remove[CMD_TYPES_MAX]; /* of webhooks: n_add and n_remove of them */
    size_t n_add, n_remove;
    const char *description;
    bool yes, api;
    int64_t workers, max_time_s, timeout_s; /* the last two 0: as the command likes */
    bool once, skip_superseded, fetch;
    const char *file; /* --file, or NULL */
    int64_t count;
    bool live, list_types;
    const char *reason; /* --reason, or NULL */
    bool ignored, dry_run, stored;
    const char *allow;                 /* of verify: classes, or NULL */
    bool quarantine, unverified, done; /* of export; of import */
    const char *database;              /* of export: not the configured one */
    bool wide, requeue, only_backup, no_backup, nagios, csv;
    struct alarm_limits limits;    /* of watch */
    int *status;                   /* what the program ends with if the command does well; 0 unless it is set */
    bool root;                     /* root runs it, even if it acts as another user by now */
    struct cmd_output *output;     /* of backup and export: made by root beforehand, or NULL */
    char *api_key;                 /* COMPLYCUBE_API_KEY, which the environment no longer has, or NULL */
    int64_t rate;                  /* requests within a second, 0: not said */
    const char *sudo_user;         /* who became this user by sudo, or NULL */
    const char *as, *url, *server; /* of doctor */
    const char *operand;           /* the first argument, or NULL */
    char *const *operands;         /* it and those behind it, up to a NULL; of a program its own arguments too */
    char *const *environment;      /* of the process */
    int64_t now_ms;
};

int cmd_init(const struct cmd *cmd, struct err *e);
int cmd_list(const struct cmd *cmd, struct err *e);
int cmd_list_arguments(const struct cmd *cmd, struct err *e);
int cmd_show(const struct cmd *cmd, struct err *e);
int cmd_doctor(const struct cmd *cmd, struct err *e); /* -1 with ERR_NOT_FOUND's exit code when something is wrong */
int cmd_sign(const struct cmd *cmd, struct err *e);
int cmd_prune(const struct cmd *cmd, struct err *e);
int cmd_work(const struct cmd *cmd, struct err *e);
int cmd_forward(const struct cmd *cmd, struct err *e);
int cmd_send(const struct cmd *cmd, struct err *e);
int cmd_secrets(const struct cmd *cmd, struct err *e);
int cmd_config_show(const struct cmd *cmd, struct err *e);
int cmd_stats(const struct cmd *cmd, struct err *e);
int cmd_follow(const struct cmd *cmd, struct err *e);
int cmd_watch(const struct cmd *cmd, struct err *e); /* likewise */
int cmd_metrics(const struct cmd *cmd, struct err *e);
int cmd_change(const struct cmd *cmd, struct err *e); /* requeue, ack and dead */
int cmd_change_arguments(const struct cmd *cmd, struct err *e);
int cmd_quarantine(const struct cmd *cmd, struct err *e);
int cmd_quarantine_arguments(const struct cmd *cmd, struct err *e);
int cmd_history(const struct cmd *cmd, struct err *e);
int cmd_page_log(const struct cmd *cmd, struct err *e);
int cmd_verify(const struct cmd *cmd, struct err *e); /* likewise when something does not match */
int cmd_verify_arguments(const struct cmd *cmd, struct err *e);
int cmd_verify_api(const struct cmd *cmd, struct err *e);
int cmd_erase(const struct cmd *cmd, struct err *e);
int cmd_erase_arguments(const struct cmd *cmd, struct err *e);
int cmd_export(const struct cmd *cmd, struct err *e);
int cmd_import(const struct cmd *cmd, struct err *e);
int cmd_backup(const struct cmd *cmd, struct err *e);
int cmd_restore(const struct cmd *cmd, struct err *e);
int cmd_migrate(const struct cmd *cmd, struct err *e);
int cmd_spool(const struct cmd *cmd, struct err *e);
int cmd_webhooks(const struct cmd *cmd, struct err *e);
int cmd_webhooks_arguments(const struct cmd *cmd, struct err *e);
int cmd_reconcile(const struct cmd *cmd, struct err *e);
int cmd_fetch(const struct cmd *cmd, struct err *e);
int cmd_fetch_arguments(const struct cmd *cmd, struct err *e);

/* A check of the command line: --json, --csv and --nagios are forms, of which one is given at most. ERR_USAGE */
int cmd_form_arguments(const struct cmd *cmd, struct err *e);

/* Another: one --type at most. ERR_USAGE */
int cmd_type_arguments(const struct cmd *cmd, struct err *e);

/* The configuration, good or not at all: to be freed, or NULL and *e. */
struct config *cmd_load_config(const struct cmd *cmd, struct err *e);

/* The same for commands that need no secret, and may be run by a user who can read none. */
struct config *cmd_load_public_config(const struct cmd *cmd, struct err *e);

/* All secrets of a configuration, retired ones too: what they have signed stays signed. To be closed; 0, or -1 and *e. */
int cmd_verifier(const struct config *c, struct verifier **v, struct err *e);

/* The store of a configuration; create makes what is missing. To be closed, or NULL and *e. */
struct store *cmd_store(const struct config *c, bool create, struct err *e);

/*
 * A time on the command line in ms since the Epoch: "2026-01-29", "2026-01-29 20:32" or with seconds, local or with a
 * Z behind; or so long before now: "90s", "90m", "12h", "7d". -1 when it is none.
 */
int64_t cmd_parse_time(const char *text, int64_t now_ms);

/* How long, in ms: "90s", "15m", "12h", "7d"; -1 when it is no such thing. */
int64_t cmd_parse_age(const char *text);

/* A variable of the process's environment, or NULL. */
const char *cmd_variable(const struct cmd *cmd, const char *name);

/* The file of the authorities that TLS trusts, by CURL_CA_BUNDLE or SSL_CERT_FILE; NULL: the system's. */
const char *cmd_ca_file(const struct cmd *cmd);

/* Which events the command line asks for. */
struct store_query cmd_query(const struct cmd *cmd);

/* Who runs this command, for the history; borrowed from `who`, which is filled in. */
struct cmd_who {
    char user[64], host[80];
};
struct store_actor cmd_actor(const struct cmd *cmd, struct cmd_who *who);

/* Does the command line say which events are meant, but for its arguments? */
bool cmd_selects(const struct cmd *cmd);

/*
 * The numbers of the events that the command line means: of its arguments, each a number or an id, or else those that a
 * filter asks for, the oldest first.
 * out:    how many, with *seqs to be freed; or -1 and *e, ERR_NOT_FOUND for an argument that is no event
 */
int64_t cmd_select(const struct cmd *cmd, struct store *s, const struct store_query *f, int64_t **seqs,
                   struct err *e);

/* Between two short transactions of a long change: leave the store to others for as long as the last one took. */
void cmd_let_others(int64_t took_ms);

/* Read a file whole, "-" for standard input, into `out`, which is to be released. ERR_NOT_FOUND, ERR_SYSTEM */
int cmd_read_file(const char *path, struct buf *out, struct err *e);

/* The word of an inbox state, and back (-2: no such word). */
const char *cmd_state_word(int state);
int cmd_state(const char *word);

#endif
