/* SPDX-License-Identifier: MIT
 * complycube-inbox: the operator's tool over the receiver's configuration and stores. */
#include "cmd.h"
#include "find.h"
#include "version.h"
#include "web.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LIMIT = 20, LIMIT_MAX = 1000000, COUNT_MAX = 1000000, WORKERS_MAX = 64, SECONDS_MAX = 86400 };

struct subcommand {
    const char *name;
    int (*run)(const struct cmd *cmd, struct err *e);
    const char *options; /* letters it takes beside c and h */
    const char *operand; /* its argument, or NULL; where it ends in dots, a program with arguments of its own */
    const char *help;
};

static const struct subcommand subcommands[] = {
    {"init", cmd_init, "j", NULL, "make the database and its folder, and say what was made"},
    {"list", cmd_list, "jnestrCab", NULL, "show the newest events: ids and types, no payloads"},
    {"show", cmd_show, "j", "SEQ|EVENT_ID", "show one event whole"},
    {"doctor", cmd_doctor, "j", NULL, "check configuration, permissions, journal and schema"},
    {"prune", cmd_prune, "j", NULL, "remove the files of done events that are older than retain"},
    {"sign", cmd_sign, "ek", NULL, "print the signature of standard input"},
    {"work", cmd_work, "ewtSomT", "COMMAND ...", "run a command for each event, as a web server runs a CGI"},
    {"forward", cmd_forward, "ewtSomT", "URL", "post each event to an application's own endpoint"},
    {"send", cmd_send, "jekwtfNlL", "[URL]", "sign example events and post them to a webhook's URL"},
    {"secrets", cmd_secrets, "j", NULL, "tell of each secret when it last matched, and whether it may go"},
    {"config", cmd_config_show, "j", NULL, "print the configuration in force, and where each value comes from"},
};

static const struct {
    struct option option;
    const char *value, *help;
} options[] = {
    {{"config", required_argument, NULL, 'c'}, "FILE", "the configuration (else as the receiver finds it)"},
    {{"json", no_argument, NULL, 'j'}, "", "print one JSON object a line"},
    {{"limit", required_argument, NULL, 'n'}, "N", "at most so many, 20 unless given"},
    {{"endpoint", required_argument, NULL, 'e'}, "NAME", "of this endpoint only"},
    {{"state", required_argument, NULL, 's'}, "STATE", "waiting, done, dead or ignored"},
    {{"secret", required_argument, NULL, 'k'}, "NAME", "with this secret"},
    {{"workers", required_argument, NULL, 'w'}, "N", "so many events at a time, 1 unless given"},
    {{"type", required_argument, NULL, 't'}, "TYPE", "of this type only; may be given several times"},
    {{"resource", required_argument, NULL, 'r'}, "ID", "of this check, client, document, ... only"},
    {{"client", required_argument, NULL, 'C'}, "ID", "of this client only"},
    {{"since", required_argument, NULL, 'a'}, "TIME", "received since: 2026-01-29, \"2026-01-29 20:32\", 12h, 7d"},
    {{"before", required_argument, NULL, 'b'}, "TIME", "received before"},
    {{"skip-superseded", no_argument, NULL, 'S'}, "", "pass over what a newer event has superseded"},
    {{"once", no_argument, NULL, 'o'}, "", "end when nothing waits"},
    {{"max-time", required_argument, NULL, 'm'}, "SECONDS", "end after so long"},
    {{"timeout", required_argument, NULL, 'T'}, "SECONDS", "for one event, 60 unless given"},
    {{"file", required_argument, NULL, 'f'}, "FILE", "send this as it is, no example; - is standard input"},
    {{"count", required_argument, NULL, 'N'}, "N", "so many, 1 unless given"},
    {{"live", no_argument, NULL, 'l'}, "", "also to the endpoint live, whose applications act on it"},
    {{"list-types", no_argument, NULL, 'L'}, "", "print the types there are examples of, and end"},
    {{"help", no_argument, NULL, 'h'}, "", "print this"},
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands, OPTIONS = sizeof options / sizeof *options };

static bool takes(const struct subcommand *sub, int letter)
{
    return letter == 'c' || letter == 'h' || strchr(sub->options, letter) != NULL;
}

static int print_usage(FILE *to)
{
    fprintf(
        to,
        "usage: complycube-inbox [-c FILE] COMMAND [OPTIONS]\n\nThe inbox of ComplyCube events: look, check, hand on.\n\n");
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(to, "  %-8s%s\n", subcommands[i].name, subcommands[i].help);
    fprintf(to, "\ncomplycube-inbox COMMAND --help tells a command's options; --version the version.\n"
                "See complycube-inbox(1).\n");
    return to == stdout ? 0 : err_exit(ERR_USAGE);
}

static int print_help(const struct subcommand *sub, FILE *to)
{
    fprintf(to, "usage: complycube-inbox %s [OPTIONS]%s%s\n\n%s\n\n", sub->name, sub->operand ? " " : "",
            sub->operand ? sub->operand : "", sub->help);
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[48];
        snprintf(left, sizeof left, "--%s %s", options[i].option.name, options[i].value);
        if (takes(sub, options[i].option.val))
            fprintf(to, "  -%c, %-20s%s\n", options[i].option.val, left, options[i].help);
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

static int use_option(struct cmd *cmd, int letter, const char *value, struct err *e)
{
    switch (letter) {
    case 'c': cmd->config_file = value; return 0;
    case 'j': cmd->json = true; return 0;
    case 'e': cmd->endpoint = value; return 0;
    case 'k': cmd->secret = value; return 0;
    case 'r': cmd->resource_id = value; return 0;
    case 'C': cmd->client_id = value; return 0;
    case 'a': return use_time("since", value, cmd->now_ms, &cmd->since_ms, e);
    case 'b': return use_time("before", value, cmd->now_ms, &cmd->before_ms, e);
    case 'S': cmd->skip_superseded = true; return 0;
    case 'o': cmd->once = true; return 0;
    case 'f': cmd->file = value; return 0;
    case 'l': cmd->live = true; return 0;
    case 'L': cmd->list_types = true; return 0;
    case 'N': return use_number("count", value, COUNT_MAX, &cmd->count, e);
    case 'n': return use_number("limit", value, LIMIT_MAX, &cmd->limit, e);
    case 'w': return use_number("workers", value, WORKERS_MAX, &cmd->workers, e);
    case 'm': return use_number("max-time", value, SECONDS_MAX, &cmd->max_time_s, e);
    case 'T': return use_number("timeout", value, SECONDS_MAX, &cmd->timeout_s, e);
    case 't':
        if (cmd->n_types == CMD_TYPES_MAX)
            return err_set(e, ERR_USAGE, "--type is given more than %d times", CMD_TYPES_MAX);
        cmd->types[cmd->n_types++] = value;
        return 0;
    case 's':
        cmd->state = cmd_state(value);
        return cmd->state >= 0 ? 0 : err_set(e, ERR_USAGE, "--state takes waiting, done, dead or ignored");
    default: return err_set(e, ERR_USAGE, "unknown option; see --help");
    }
}

/* Read the command's own part of the command line. *helped: it asked for help, which was printed. */
static int parse(const struct subcommand *sub, int argc, char **argv, struct cmd *cmd, bool *helped, struct err *e)
{
    struct option list[OPTIONS + 1] = {{0}};
    char letters[2 * OPTIONS + 2] = "+"; /* no option behind an operand is ours ... */
    bool program = sub->operand && strstr(sub->operand, "...");
    size_t n = 0, at = program; /* ... where that is a program */
    for (size_t i = 0; i < OPTIONS; i++)
        if (takes(sub, options[i].option.val)) {
            list[n++] = options[i].option;
            letters[at++] = (char)options[i].option.val;
            if (options[i].option.has_arg)
                letters[at++] = ':';
        }
    int letter;
    while ((letter = getopt_long(argc, argv, letters, list, NULL)) != -1) {
        if (letter == 'h') {
            print_help(sub, stdout);
            *helped = true;
            return 0;
        }
        if (letter == '?' || use_option(cmd, letter, optarg, e) != 0)
            return letter == '?' ? err_set(e, ERR_USAGE, "see complycube-inbox %s --help", sub->name) : -1;
    }
    bool optional = sub->operand && *sub->operand == '[' && argc == optind;
    if (program ? argc == optind : !optional && argc - optind != (sub->operand != NULL))
        return err_set(e, ERR_USAGE, sub->operand ? "%s takes one argument: %s" : "%s takes no argument", sub->name,
                       sub->operand);
    cmd->operand = argv[optind];
    cmd->command = argv + optind;
    return 0;
}

static const struct subcommand *find_subcommand(const char *name)
{
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    char folder[PATH_MAX];
    struct err e = {0};
    bool helped = false;
    find_folder(argv[0], folder, sizeof folder);
    struct config_env env = find_config(folder);
    struct cmd cmd = {.env = &env, .state = -1, .limit = LIMIT, .workers = 1, .count = 1, .now_ms = web_time_ms()};
    cmd.environment = environ;
    bool below_work = getenv("COMPLYCUBE_INBOX_SEQ") != NULL; /* no request can set this one */
    if (!below_work && (getenv("GATEWAY_INTERFACE") || getenv("REQUEST_METHOD"))) {
        fputs("complycube-inbox: this is no program for a web server; move it out of cgi-bin\n", stderr);
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
        return printf("complycube-inbox %s\n", VERSION) < 0;
    const struct subcommand *sub = find_subcommand(argv[1]);
    if (!sub) {
        fprintf(stderr, "complycube-inbox: there is no command %s\n\n", argv[1]);
        return print_usage(stderr);
    }
    if (parse(sub, argc - 1, argv + 1, &cmd, &helped, &e) == 0 && (helped || sub->run(&cmd, &e) == 0))
        return fflush(stdout) == 0 ? 0 : err_exit(ERR_SYSTEM);
    fflush(stdout);
    fprintf(stderr, "complycube-inbox: %s\n", e.msg);
    return err_exit(e.code);
}
