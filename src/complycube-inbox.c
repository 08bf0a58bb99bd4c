/* SPDX-License-Identifier: MIT
 * complycube-inbox: the operator's tool over the receiver's configuration and stores. */
#include "base/clock.h"
#include "base/core.h"
#include "base/limits.h"
#include "base/near.h"
#include "base/print.h"
#include "base/version.h"
#include "config/startup.h"
#include "tool/as_root.h"
#include "tool/cmd.h"
#include "tool/cmd_spool.h"
#include "tool/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LIMIT = 20 };

#define SELECTION "endpoint state type resource client secret since before "

/* clang-format off */
/* In the order of the manual; a row without a function is a heading. */
static const struct subcommand subcommands[] = {
    {.help = "Look"},
    {.name = "list", .run = cmd_list, .check = cmd_list_arguments, .needs = CMD_PUBLIC | CMD_STORE,
     .options = SELECTION "json csv limit wide",
     .help = "show the newest events: ids and types, no payloads"},
    {.name = "follow", .run = cmd_follow, .check = cmd_type_arguments, .needs = CMD_PUBLIC,
     .options = "json endpoint state type resource client since wide",
     .help = "show events as they are recorded, until it is stopped"},
    {.name = "stats", .run = cmd_stats, .needs = CMD_PUBLIC | CMD_STORE, .options = "json endpoint since before",
     .help = "count: by state, type, hour and secret, and what was refused"},
    {.name = "watch", .run = cmd_watch, .check = cmd_form_arguments, .needs = CMD_KEYS,
     .options = "json endpoint oldest silence within refused failed api nagios",
     .help = "for cron: silent while all is well, else a line of what is wrong"},
    {.name = "metrics", .run = cmd_metrics, .needs = CMD_KEYS, .options = "endpoint file api",
     .help = "write the figures for Prometheus"},
    {.name = "show", .run = cmd_show, .needs = CMD_PUBLIC | CMD_STORE, .options = "json", .operand = "SEQ|EVENT_ID",
     .help = "show one event whole"},
    {.name = "secrets", .run = cmd_secrets, .needs = CMD_CONFIG | CMD_STORE, .options = "json",
     .help = "tell of each secret when it last matched, and whether it may go"},
    {.name = "config", .run = cmd_config_show, .options = "json",
     .help = "print the configuration in force, and where each value comes from"},

    {.help = "Hand on"},
    {.name = "work", .run = cmd_work, .needs = CMD_KEYS, .operand = "COMMAND ...",
     .options = "endpoint workers type skip-superseded fetch once max-time timeout",
     .help = "run a command for each event, as a web server runs a CGI"},
    {.name = "forward", .run = cmd_forward, .options = "endpoint workers type skip-superseded once max-time timeout",
     .operand = "URL",
     .help = "post each event to an application's own endpoint"},

    {.help = "Set up, test and mend"},
    {.name = "init", .run = cmd_init, .needs = CMD_CONFIG | CMD_MARKS, .options = "json",
     .help = "make the database and its folder, and say what was made"},
    {.name = "doctor", .run = cmd_doctor, .needs = CMD_ASKS_ROOT | CMD_KEYS, .options = "json endpoint as url server api rate",
     .help = "say what is wrong, why it matters, and the line or command that mends it"},
    {.name = "spool", .run = cmd_spool, .options = "json", .operand = "[list|record]",
     .help = "show what waits while the database cannot be written, or record it"},
    {.name = "webhooks", .run = cmd_webhooks, .check = cmd_webhooks_arguments,
     .needs = CMD_PUBLIC | CMD_KEYS | CMD_ADDS_SECRET,
     .operand = "[list|check|show|enable|disable|update|create|delete ...]",
     .options = "json endpoint url type add remove description secret dry-run yes reason",
     .help = "show the webhooks that ComplyCube has, check and change them"},
    {.name = "reconcile", .run = cmd_reconcile, .needs = CMD_CONFIG | CMD_STORE | CMD_SPOOL | CMD_KEYS,
     .options = "json endpoint since before dry-run done reason max-time rate",
     .help = "find by ComplyCube's API what was never delivered, and record it"},
    {.name = "fetch", .run = cmd_fetch, .check = cmd_fetch_arguments, .needs = CMD_PUBLIC | CMD_STORE | CMD_KEYS | CMD_MAKES_FILE,
     .options = SELECTION "limit rate file", .operand = "[SEQ|EVENT_ID ...]", .help = "print the objects of events"},
    {.name = "send", .run = cmd_send, .needs = CMD_READS, .operand = "[URL]",
     .options = "json endpoint secret workers type file count live list-types",
     .help = "sign example events and post them to a webhook's URL"},
    {.name = "sign", .run = cmd_sign, .options = "endpoint secret",
     .help = "print the signature of standard input"},

    {.help = "Change by hand, on record"},
    {.name = "requeue", .run = cmd_change, .check = cmd_change_arguments, .needs = CMD_PUBLIC | CMD_STORE,
     .options = SELECTION "json ignored dry-run reason", .operand = "[SEQ|EVENT_ID ...]",
     .help = "let events that are dead, done or ignored wait again"},
    {.name = "ack", .run = cmd_change, .check = cmd_change_arguments, .needs = CMD_PUBLIC | CMD_STORE,
     .options = SELECTION "json ignored dry-run reason", .operand = "[SEQ|EVENT_ID ...]",
     .help = "let events that wait, are dead or ignored be done"},
    {.name = "dead", .run = cmd_change, .check = cmd_change_arguments, .needs = CMD_PUBLIC | CMD_STORE,
     .options = SELECTION "json ignored dry-run reason", .operand = "[SEQ|EVENT_ID ...]",
     .help = "give events up that wait or are ignored"},
    {.name = "quarantine", .run = cmd_quarantine, .check = cmd_quarantine_arguments, .needs = CMD_PUBLIC | CMD_STORE,
     .options = "json endpoint reason unverified", .operand = "[show|accept|drop ID ...]",
     .help = "list what was put aside; show it, make an event of it, or drop it"},
    {.name = "history", .run = cmd_history, .check = cmd_form_arguments, .needs = CMD_PUBLIC | CMD_STORE,
     .options = "json csv limit since before",
     .operand = "[SEQ|EVENT_ID]",
     .help = "tell who changed what by hand, when and why"},
    {.name = "page-log", .run = cmd_page_log, .needs = CMD_PUBLIC, .options = "since",
     .help = "tell who looked at what is in an event, by the page"},
    {.name = "verify", .run = cmd_verify, .check = cmd_verify_arguments, .needs = CMD_CONFIG | CMD_KEYS,
     .options = "json stored api allow endpoint secret since before rate", .operand = "[SIGNATURE]",
     .help = "check the signature of standard input, or all that is stored"},

    {.help = "Keep, give out and forget"},
    {.name = "backup", .run = cmd_backup, .needs = CMD_PUBLIC | CMD_STORE | CMD_MAKES_BACKUP, .options = "json",
     .operand = "FILE|FOLDER",
     .help = "copy everything into one file, while the receiver runs"},
    {.name = "restore", .run = cmd_restore, .needs = CMD_PUBLIC | CMD_READS, .operand = "FILE",
     .options = "json requeue only-backup reason",
     .help = "put a backup in the place of the database"},
    {.name = "migrate", .run = cmd_migrate, .needs = CMD_PUBLIC | CMD_STORE, .options = "json no-backup reason",
     .help = "bring an older database up to this program's schema"},
    {.name = "prune", .run = cmd_prune, .needs = CMD_PUBLIC, .options = "json reason dry-run",
     .help = "empty what is done and older than retain, and remove its files"},
    {.name = "erase", .run = cmd_erase, .check = cmd_erase_arguments, .needs = CMD_PUBLIC | CMD_STORE,
     .options = "json endpoint resource client since before reason dry-run", .operand = "[SEQ|EVENT_ID ...]",
     .help = "empty the events of a person, in every file"},
    {.name = "export", .run = cmd_export, .needs = CMD_PUBLIC | CMD_STORE | CMD_SPOOL | CMD_MAKES_FILE,
     .options = SELECTION "file quarantine database", .operand = "[SEQ|EVENT_ID ...]",
     .help = "write events whole, as JSON Lines"},
    {.name = "import", .run = cmd_import, .needs = CMD_CONFIG | CMD_STORE | CMD_CREATE | CMD_READS,
     .options = "json endpoint reason unverified done", .operand = "FILE|DIRECTORY ...",
     .help = "take saved events in, with their signatures"},
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands };

static int print_usage(FILE *to)
{
    print_to(
        to,
        "usage: complycube-inbox [-c FILE] COMMAND [OPTIONS]\n\nThe inbox of ComplyCube events: look, check, hand on.\n\n");
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (subcommands[i].run)
            print_to(to, "  %-12s%s\n", subcommands[i].name, subcommands[i].help);
        else
            print_to(to, i ? "\n%s\n" : "%s\n", subcommands[i].help);
    print_to(to, "\ncomplycube-inbox COMMAND --help tells a command's options; --version the version.\n"
                 "See complycube-inbox(1).\n");
    return to == stdout ? 0 : err_exit(ERR_USAGE);
}

static const struct subcommand *find_subcommand(const char *name)
{
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (subcommands[i].run && strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    return NULL;
}

static int refuse_command(const char *name)
{
    const char *meant = NULL;
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (subcommands[i].run && near_typo(name, strlen(name), subcommands[i].name))
            meant = subcommands[i].name;
    print_err("complycube-inbox: there is no command %s; ", name);
    if (meant)
        print_err("did you mean %s?\n", meant);
    else
        print_err("complycube-inbox --help lists them\n");
    return err_exit(ERR_USAGE);
}

/* What the command's row says it needs: the configuration, the store, and the spool's events in it. */
static int open_needs(const struct subcommand *sub, struct cmd *cmd, struct err *e)
{
    if (sub->needs & (CMD_CONFIG | CMD_PUBLIC)) {
        bool without_secrets = sub->needs & CMD_PUBLIC || cmd->unverified;
        cmd->config = without_secrets ? cmd_load_public_config(cmd, e) : cmd_load_config(cmd, e);
        if (!cmd->config)
            return -1;
        if (cmd->database)
            cmd->config->database = cmd->database;
    }
    if (sub->needs & CMD_STORE && !(cmd->store = cmd_store(cmd->config, sub->needs & CMD_CREATE, e)))
        return -1;
    if (sub->needs & CMD_SPOOL && !cmd->database)
        cmd_spool_try(cmd, cmd->config, cmd->store);
    return 0;
}

static int open_and_run(const struct subcommand *sub, struct cmd *cmd, struct err *e)
{
    if (as_root_become(sub->needs, cmd, e) != 0 || (sub->check && sub->check(cmd, e) != 0))
        return -1;
    int result = open_needs(sub, cmd, e) == 0 ? sub->run(cmd, e) : -1;
    store_close(cmd->store);
    config_free(cmd->config);
    return result;
}

static int run_subcommand(const struct subcommand *sub, int argc, char **argv, struct cmd *cmd, struct err *e)
{
    bool helped = false;
    cmd->name = sub->name;
    if (options_parse(sub, argc, argv, cmd, &helped, e) != 0 || (!helped && open_and_run(sub, cmd, e) != 0))
        return -1;
    return fflush(stdout) == 0 && !ferror(stdout)
               ? 0
               : err_set(e, ERR_SYSTEM, "what it had to say could not be written to standard output");
}

/* --nagios may stand after the wrong option. A monitor reads standard output, and takes 3 for "unknown". */
static bool asks_for_nagios(const struct subcommand *sub, char *const *argv)
{
    while (sub->run == cmd_watch && *argv && strcmp(*argv, "--nagios") != 0)
        argv++;
    return sub->run == cmd_watch && *argv;
}

static int end_for_nagios(const struct err *e)
{
    print_out("COMPLYCUBE UNKNOWN - %s\n", e->msg);
    return 3;
}

int main(int argc, char **argv)
{
    char folder[PATH_MAX];
    struct err e = {0};
    core_forbid();
    files_hold_standard();
    limits_survive();
    startup_folder(argv[0], folder, sizeof folder);
    struct config_env env = startup_config(folder);
    struct cmd cmd = {.env = &env, .state = -1, .limit = LIMIT, .workers = 1, .count = 1, .now_ms = clock_time_ms()};
    cmd.limits = ALARM_LIMITS;
    cmd.environment = environ;
    cmd.sudo_user = getenv("SUDO_USER");
    cmd.api_key = startup_take_api_key();
    bool below_work = getenv("COMPLYCUBE_INBOX_SEQ") != NULL; /* no request can set this one */
    if (!below_work && (getenv("GATEWAY_INTERFACE") || getenv("REQUEST_METHOD"))) {
        print_err("complycube-inbox: this is no program for a web server; move it out of cgi-bin\n");
        return err_exit(ERR_USAGE);
    }
    if (argc > 2 && strcmp(argv[1], "-c") == 0) {
        cmd.config_file = argv[2];
        argc -= 2;
        argv += 2;
    }
    if (argc < 2 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)
        return print_usage(argc < 2 ? stderr : stdout);
    if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0)
        return print_out("complycube-inbox %s\n", VERSION) < 0;
    const struct subcommand *sub = find_subcommand(argv[1]);
    if (!sub)
        return refuse_command(argv[1]);
    int status = 0;
    cmd.status = &status;
    int result = run_subcommand(sub, argc - 1, argv + 1, &cmd, &e);
    const char *refused = files_refused();
    if (refused)
        print_err("%s keeps the mode that its file system gives it, which lets nobody else in\n", refused);
    if (cmd.api_key)
        explicit_bzero(cmd.api_key, strlen(cmd.api_key));
    free(cmd.api_key);
    if (result == 0)
        return status;
    enum err_code code = err_failure(&e);
    if (asks_for_nagios(sub, argv + 1))
        return end_for_nagios(&e);
    fflush(stdout);
    print_err("complycube-inbox: %s\n", e.msg);
    return err_exit(code);
}
