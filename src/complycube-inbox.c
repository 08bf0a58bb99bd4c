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

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LIMIT = 20, LIMIT_MAX = 1000000, COUNT_MAX = 1000000, WORKERS_MAX = 64, SECONDS_MAX = 86400 };
enum { OLDEST_MS = 900000, WITHIN_MS = 600000, REFUSED = 20, FAILED = 10 /* of cmd_watch */ };

struct subcommand {
    const char *name;
    const char *options; /* their names, beside config and help */
    const char
        *operand; /* its argument, or NULL: "[X]" may be left out, "X ..." may be many, "COMMAND ..." is a program */
    const char *help;
    int (*check)(const struct cmd *cmd, struct err *e); /* of the command line, before anything is opened; or NULL */
    int (*run)(const struct cmd *cmd, struct err *e);
    unsigned needs; /* of enum cmd_need */
};

#define SELECTION "endpoint state type resource client secret since before "

/* clang-format off */
/* In the order of the manual; a row without a function is a heading. */
static const struct subcommand subcommands[] = {
    {.help = "Look"},
    {.name = "list", .run = cmd_list, .check = cmd_type_arguments, .needs = CMD_PUBLIC | CMD_STORE,
     .options = SELECTION "json limit wide",
     .help = "show the newest events: ids and types, no payloads"},
    {.name = "follow", .run = cmd_follow, .check = cmd_type_arguments, .needs = CMD_PUBLIC,
     .options = "json endpoint state type resource client since wide",
     .help = "show events as they are recorded, until it is stopped"},
    {.name = "stats", .run = cmd_stats, .needs = CMD_PUBLIC | CMD_STORE, .options = "json endpoint since before",
     .help = "count: by state, type, hour and secret, and what was refused"},
    {.name = "watch", .run = cmd_watch, .needs = CMD_KEYS,
     .options = "json endpoint oldest silence within refused failed api",
     .help = "for cron: silent while all is well, else a line of what is wrong"},
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
    {.name = "doctor", .run = cmd_doctor, .needs = CMD_ASKS_ROOT | CMD_KEYS, .options = "json as url server",
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
    {.name = "fetch", .run = cmd_fetch, .check = cmd_fetch_arguments, .needs = CMD_PUBLIC | CMD_STORE | CMD_KEYS,
     .options = SELECTION "limit rate", .operand = "[SEQ|EVENT_ID ...]", .help = "print the objects behind events"},
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
    {.name = "history", .run = cmd_history, .needs = CMD_PUBLIC | CMD_STORE, .options = "json limit since before",
     .operand = "[SEQ|EVENT_ID]",
     .help = "tell who changed what by hand, when and why"},
    {.name = "verify", .run = cmd_verify, .check = cmd_verify_arguments, .needs = CMD_CONFIG, .options = "json stored allow",
     .operand = "[SIGNATURE]",
     .help = "check the signature of standard input, or of all that is stored"},

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

/* What an option's value is, and where in struct cmd it goes. */
enum kind { FLAG, TEXT, NUMBER /* from 1 to most */, TIME, AGE /* above none */, STATE, TYPES /* counted at most */, HELP };

enum { LONG = 256 /* getopt_long finds a long form as this and its index */ };

static const struct {
    const char *name;
    char letter; /* its short form, or 0 */
    const char *value, *help; /* value "": it takes none */
    enum kind kind;
    size_t at;
    int64_t most;
} options[] = {
#define AT(field) offsetof(struct cmd, field)
    {"config", 'c', "FILE", "the configuration (else as the receiver finds it)", TEXT, AT(config_file), 0},
    {"json", 'j', "", "print one JSON object a line", FLAG, AT(json), 0},
    {"limit", 'n', "N", "at most so many, 20 unless given", NUMBER, AT(limit), LIMIT_MAX},
    {"endpoint", 'e', "NAME", "of this endpoint only", TEXT, AT(endpoint), 0},
    {"state", 's', "STATE", "waiting, done, dead or ignored", STATE, AT(state), 0},
    {"secret", 0, "NAME", "signed with this secret; of a new webhook: its name in the secret file", TEXT, AT(secret), 0},
    {"workers", 'w', "N", "so many events at a time, 1 unless given", NUMBER, AT(workers), WORKERS_MAX},
    {"type", 't', "TYPE", "of this type only; may be given several times", TYPES, AT(types), AT(n_types)},
    {"add", 0, "TYPE", "of this type too; may be given several times", TYPES, AT(add), AT(n_add)},
    {"remove", 0, "TYPE", "no longer of this type; likewise", TYPES, AT(remove), AT(n_remove)},
    {"resource", 0, "ID", "of this check, client, document, ... only", TEXT, AT(resource_id), 0},
    {"client", 0, "ID", "of this client only", TEXT, AT(client_id), 0},
    {"since", 0, "TIME", "received since: 2026-01-29, \"2026-01-29 20:32\", 12h, 7d", TIME, AT(since_ms), 0},
    {"before", 0, "TIME", "received before", TIME, AT(before_ms), 0},
    {"skip-superseded", 0, "", "pass over what a newer event has superseded", FLAG, AT(skip_superseded), 0},
    {"fetch", 0, "", "fetch the object of each event first, for the command", FLAG, AT(fetch), 0},
    {"rate", 0, "N", "so many requests within a second, if the API allows more", NUMBER, AT(rate), LIMIT_MAX},
    {"once", 0, "", "end when nothing waits", FLAG, AT(once), 0},
    {"max-time", 0, "SECONDS", "end after so long", NUMBER, AT(max_time_s), SECONDS_MAX},
    {"timeout", 0, "SECONDS", "for one event, 60 unless given", NUMBER, AT(timeout_s), SECONDS_MAX},
    {"file", 'f', "FILE", "send: this as it is, - is standard input; export: into this, a new one", TEXT, AT(file), 0},
    {"count", 0, "N", "so many, 1 unless given", NUMBER, AT(count), COUNT_MAX},
    {"ignored", 0, "", "those of types that are left out: as --state ignored", FLAG, AT(ignored), 0},
    {"reason", 'R', "TEXT", "why, for the history", TEXT, AT(reason), 0},
    {"dry-run", 'd', "", "say what would be changed, and change nothing", FLAG, AT(dry_run), 0},
    {"stored", 0, "", "all events that are stored", FLAG, AT(stored), 0},
    {"allow", 0, "CLASS,...", "with --stored: end with 0 in spite of these, as erased,pruned", TEXT, AT(allow), 0},
    {"wide", 0, "", "times in full, and ids of events and resources", FLAG, AT(wide), 0},
    {"oldest", 0, "AGE", "wrong: an event waits for longer; 15m unless given", AGE, AT(oldest_ms), 0},
    {"silence", 0, "AGE", "wrong: nothing came for longer, 12h say", AGE, AT(silence_ms), 0},
    {"within", 0, "AGE", "the time that the next two look back, 10m unless given", AGE, AT(within_ms), 0},
    {"refused", 0, "N", "wrong: so many signatures refused; 20 unless given", NUMBER, AT(refused_max), LIMIT_MAX},
    {"failed", 0, "N", "wrong: so many answers of 5xx; 10 unless given", NUMBER, AT(failed_max), LIMIT_MAX},
    {"quarantine", 0, "", "what is in quarantine, too", FLAG, AT(quarantine), 0},
    {"database", 0, "FILE", "read this database file, e.g. one that restore kept", TEXT, AT(database), 0},
    {"unverified", 0, "", "without a look at the signatures", FLAG, AT(unverified), 0},
    {"done", 0, "", "what would wait is done: no application gets it", FLAG, AT(done), 0},
    {"requeue", 0, "", "write missing files again, without a question", FLAG, AT(requeue), 0},
    {"only-backup", 0, "", "bring nothing over that came since the backup", FLAG, AT(only_backup), 0},
    {"no-backup", 0, "", "make no backup first", FLAG, AT(no_backup), 0},
    {"live", 0, "", "also to the endpoint live, whose applications act on it", FLAG, AT(live), 0},
    {"list-types", 0, "", "print the types there are examples of, and end", FLAG, AT(list_types), 0},
    {"as", 0, "USER", "judge a consumer's rights too, as this user", TEXT, AT(as), 0},
    {"url", 0, "URL", "the public URL of the webhook", TEXT, AT(url), 0},
    {"server", 0, "FILE", "the web server's configuration, not in the usual places", TEXT, AT(server), 0},
    {"description", 0, "TEXT", "the webhook's description", TEXT, AT(description), 0},
    {"api", 0, "", "ask ComplyCube's API, too: is the webhook enabled?", FLAG, AT(api), 0},
    {"yes", 0, "", "do it without a question", FLAG, AT(yes), 0},
    {"help", 'h', "", "print this", HELP, 0, 0},
#undef AT
};

/* Short forms that go in the next version. */
static const struct {
    char letter;
    const char *name;
} former[] = {
    {'k', "secret"}, {'r', "resource"}, {'C', "client"}, {'a', "since"}, {'b', "before"},
    {'S', "skip-superseded"}, {'o', "once"}, {'m', "max-time"}, {'T', "timeout"}, {'N', "count"},
    {'i', "ignored"}, {'D', "stored"}, {'W', "wide"}, {'O', "oldest"}, {'Q', "silence"}, {'I', "within"},
    {'G', "refused"}, {'X', "failed"}, {'q', "quarantine"}, {'y', "database"}, {'U', "unverified"},
    {'x', "done"}, {'g', "requeue"}, {'K', "only-backup"}, {'B', "no-backup"}, {'l', "live"},
    {'L', "list-types"}, {'A', "as"}, {'u', "url"}, {'v', "server"},
};
/* clang-format on */

enum {
    SUBCOMMANDS = sizeof subcommands / sizeof *subcommands,
    OPTIONS = sizeof options / sizeof *options,
    FORMER = sizeof former / sizeof *former
};

/* Is an option one of a command's? Each takes config and help. */
static bool takes(const struct subcommand *sub, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = sub->options; (at = strstr(at, name)); at += len)
        if ((at == sub->options || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return strcmp(name, "config") == 0 || strcmp(name, "help") == 0;
}

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

static int print_help(const struct subcommand *sub, FILE *to)
{
    print_to(to, "usage: complycube-inbox %s [OPTIONS]%s%s\n\n%s\n\n", sub->name, sub->operand ? " " : "",
             sub->operand ? sub->operand : "", sub->help);
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[48], letter[] = "-x,";
        letter[1] = options[i].letter;
        snprintf(left, sizeof left, "--%s %s", options[i].name, options[i].value);
        if (takes(sub, options[i].name))
            print_to(to, "  %3s %-20s%s\n", options[i].letter ? letter : "", left, options[i].help);
    }
    return to == stdout ? 0 : err_exit(ERR_USAGE);
}

static int use_number(const char *name, const char *value, int64_t max, int64_t *number, struct err *e)
{
    char *end;
    *number = strtoll(value, &end, 10);
    if (*end == '\0' && end != value && *number >= 1 && *number <= max)
        return 0;
    return err_set(e, ERR_USAGE, "--%s takes a number from 1 to %lld", name, (long long)max);
}

static int use_time(const char *name, const char *value, int64_t now_ms, int64_t *time_ms, struct err *e)
{
    *time_ms = cmd_parse_time(value, now_ms);
    return *time_ms >= 0
               ? 0
               : err_set(e, ERR_USAGE, "--%s takes a time: 2026-01-29, \"2026-01-29 20:32\", 12h or 7d", name);
}

static int use_age(const char *name, const char *value, int64_t *age_ms, struct err *e)
{
    *age_ms = cmd_parse_age(value);
    return *age_ms > 0 ? 0 : err_set(e, ERR_USAGE, "--%s takes how long: 90s, 15m, 12h or 7d", name);
}

static int use_option(struct cmd *cmd, size_t i, const char *value, struct err *e)
{
    const char *name = options[i].name;
    void *field = (char *)cmd + options[i].at;
    size_t *n;
    switch (options[i].kind) {
    case FLAG: *(bool *)field = true; return 0;
    case TEXT: *(const char **)field = value; return 0;
    case NUMBER: return use_number(name, value, options[i].most, field, e);
    case TIME: return use_time(name, value, cmd->now_ms, field, e);
    case AGE: return use_age(name, value, field, e);
    case STATE:
        cmd->state = cmd_state(value);
        return cmd->state >= 0 ? 0 : err_set(e, ERR_USAGE, "--state takes waiting, done, dead or ignored");
    case TYPES:
        n = (size_t *)(void *)((char *)cmd + options[i].most);
        if (*n == CMD_TYPES_MAX)
            return err_set(e, ERR_USAGE, "--%s is given more than %d times", name, CMD_TYPES_MAX);
        ((const char **)field)[(*n)++] = value;
        return 0;
    default: return err_set(e, ERR_USAGE, "unknown option; see --help");
    }
}

/* The short form that is accepted. */
static char letter_of(size_t option)
{
    for (size_t i = 0; i < FORMER; i++)
        if (strcmp(former[i].name, options[option].name) == 0)
            return former[i].letter;
    return options[option].letter;
}

/* The option that getopt_long has found: LONG and its index, or its letter. */
static size_t find_option(int found)
{
    size_t i = 0;
    if (found >= LONG)
        return (size_t)(found - LONG);
    while (letter_of(i) != found)
        i++;
    if (!options[i].letter)
        print_err("complycube-inbox: -%c is --%s; the short form goes in the next version\n", found, options[i].name);
    return i;
}

/* Are there as many arguments as the command wants? */
static int check_operands(const struct subcommand *sub, int n, struct err *e)
{
    bool several = sub->operand && strstr(sub->operand, "..."), optional = sub->operand && *sub->operand == '[';
    if (!sub->operand)
        return n == 0 ? 0 : err_set(e, ERR_USAGE, "%s takes no argument", sub->name);
    if ((optional || n > 0) && (several || n <= 1))
        return 0;
    return err_set(e, ERR_USAGE, "%s takes %s: %s", sub->name, several ? "arguments" : "one argument", sub->operand);
}

/* What getopt_long did not take, which it would print as it stands. */
static int refuse_option(const struct subcommand *sub, bool lacks_value, const char *word, struct err *e)
{
    char letter[] = "-x";
    const char *why = lacks_value      ? "takes a value"
                      : optopt >= LONG ? "takes no value"
                                       : "is no option of this command";
    if (optopt > 0 && optopt < LONG) {
        letter[1] = (char)optopt;
        word = letter;
    }
    return err_set(e, ERR_USAGE, "%.100s %s; see complycube-inbox %s --help", word, why, sub->name);
}

/* Read the command's own part of the command line. *helped: it asked for help, which was printed. */
static int parse_options(const struct subcommand *sub, int argc, char **argv, struct cmd *cmd, bool *helped,
                         struct err *e)
{
    struct option list[OPTIONS + 1] = {{0}};
    char letters[2 * OPTIONS + 3] = "+"; /* no option behind an operand is ours ... */
    bool program = sub->operand && strncmp(sub->operand, "COMMAND", 7) == 0;
    bool given[OPTIONS] = {false};
    size_t n = 0, at = program; /* ... where that is a program */
    letters[at++] = ':';
    for (size_t i = 0; i < OPTIONS; i++)
        if (takes(sub, options[i].name)) {
            bool value = *options[i].value;
            list[n++] =
                (struct option){options[i].name, value ? required_argument : no_argument, NULL, LONG + (int)i};
            letters[at++] = letter_of(i);
            if (value)
                letters[at++] = ':';
        }
    opterr = 0;
    int found;
    while ((found = getopt_long(argc, argv, letters, list, NULL)) != -1) {
        if (found == '?' || found == ':')
            return refuse_option(sub, found == ':', argv[optind - 1], e);
        size_t i = find_option(found);
        if (options[i].kind == HELP) {
            print_help(sub, stdout);
            *helped = true;
            return 0;
        }
        if (given[i] && *options[i].value && options[i].kind != TYPES) /* which of them was meant? */
            return err_set(e, ERR_USAGE, "--%s is given twice", options[i].name);
        given[i] = true;
        if (use_option(cmd, i, optarg, e) != 0)
            return -1;
    }
    if (check_operands(sub, argc - optind, e) != 0)
        return -1;
    cmd->operand = argv[optind];
    cmd->operands = argv + optind;
    return 0;
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
    if (parse_options(sub, argc, argv, cmd, &helped, e) != 0 || (!helped && open_and_run(sub, cmd, e) != 0))
        return -1;
    return fflush(stdout) == 0 && !ferror(stdout)
               ? 0
               : err_set(e, ERR_SYSTEM, "what it had to say could not be written to standard output");
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
    cmd.oldest_ms = OLDEST_MS;
    cmd.within_ms = WITHIN_MS;
    cmd.refused_max = REFUSED;
    cmd.failed_max = FAILED;
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
    int result = run_subcommand(sub, argc - 1, argv + 1, &cmd, &e);
    const char *refused = files_refused();
    if (refused)
        print_err("%s keeps the mode that its file system gives it, which lets nobody else in\n", refused);
    if (cmd.api_key)
        explicit_bzero(cmd.api_key, strlen(cmd.api_key));
    if (result == 0)
        return 0;
    enum err_code code = err_failure(&e);
    fflush(stdout);
    print_err("complycube-inbox: %s\n", e.msg);
    return err_exit(code);
}
