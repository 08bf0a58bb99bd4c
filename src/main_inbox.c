/* SPDX-License-Identifier: MIT
 * complycube-inbox: the operator's tool over the receiver's configuration and stores. */
#include "cmd.h"
#include "find.h"
#include "version.h"
#include "web.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 20, LIMIT_MAX = 1000000 };

struct subcommand {
    const char *name;
    int (*run)(const struct cmd *cmd, struct err *e);
    const char *options; /* letters it takes beside c and h */
    const char *operand; /* its argument, or NULL */
    const char *help;
};

static const struct subcommand subcommands[] = {
    {"init", cmd_init, "j", NULL, "make the database and its folder, and say what was made"},
    {"list", cmd_list, "jnes", NULL, "show the newest events: ids and types, no payloads"},
    {"show", cmd_show, "j", "SEQ|EVENT_ID", "show one event whole"},
    {"doctor", cmd_doctor, "j", NULL, "check configuration, permissions, journal and schema"},
    {"sign", cmd_sign, "ek", NULL, "print the signature of standard input"},
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
        "usage: complycube-inbox [-c FILE] COMMAND [OPTIONS]\n\nThe inbox of ComplyCube events: look, check, sign.\n\n");
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
        char left[40];
        snprintf(left, sizeof left, "--%s %s", options[i].option.name, options[i].value);
        if (takes(sub, options[i].option.val))
            fprintf(to, "  -%c, %-18s%s\n", options[i].option.val, left, options[i].help);
    }
    return to == stdout ? 0 : err_exit(ERR_USAGE);
}

static int use_option(struct cmd *cmd, int letter, const char *value, struct err *e)
{
    char *end;
    switch (letter) {
    case 'c': cmd->config_file = value; return 0;
    case 'j': cmd->json = true; return 0;
    case 'e': cmd->endpoint = value; return 0;
    case 'k': cmd->secret = value; return 0;
    case 'n':
        cmd->limit = strtoll(value, &end, 10);
        if (*end == '\0' && end != value && cmd->limit >= 1 && cmd->limit <= LIMIT_MAX)
            return 0;
        return err_set(e, ERR_USAGE, "--limit takes a number from 1 to %d", LIMIT_MAX);
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
    char letters[2 * OPTIONS + 2] = "";
    size_t n = 0, at = 0;
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
    if (argc - optind != (sub->operand != NULL))
        return err_set(e, ERR_USAGE, sub->operand ? "%s takes one argument: %s" : "%s takes no argument", sub->name,
                       sub->operand);
    cmd->operand = argv[optind];
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
    struct cmd cmd = {.env = &env, .state = -1, .limit = LIMIT, .now_ms = web_time_ms()};
    if (getenv("GATEWAY_INTERFACE") || getenv("REQUEST_METHOD")) {
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
