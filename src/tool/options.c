/* SPDX-License-Identifier: MIT
 * options: the options of all subcommands, and the reading of a command line by a subcommand's row. */
#include "options.h"

#include "base/print.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT_MAX = 1000000, COUNT_MAX = 1000000, WORKERS_MAX = 64, SECONDS_MAX = 86400 };

/* clang-format off */
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
    {"file", 'f', "FILE", "send: this as it is, - is standard input; else: into this one", TEXT, AT(file), 0},
    {"count", 0, "N", "so many, 1 unless given", NUMBER, AT(count), COUNT_MAX},
    {"ignored", 0, "", "those of types that are left out: as --state ignored", FLAG, AT(ignored), 0},
    {"reason", 'R', "TEXT", "why, for the history", TEXT, AT(reason), 0},
    {"dry-run", 'd', "", "say what would be changed, and change nothing", FLAG, AT(dry_run), 0},
    {"stored", 0, "", "all events that are stored", FLAG, AT(stored), 0},
    {"allow", 0, "CLASS,...", "end with 0 in spite of these, as erased,pruned", TEXT, AT(allow), 0},
    {"wide", 0, "", "times in full, and ids of events and resources", FLAG, AT(wide), 0},
    {"oldest", 0, "AGE", "wrong: an event waits for longer; 15m unless given", AGE, AT(limits.oldest_ms), 0},
    {"silence", 0, "AGE", "wrong: nothing came for longer, 12h say", AGE, AT(limits.silence_ms), 0},
    {"within", 0, "AGE", "the time that the next two look back, 10m unless given", AGE, AT(limits.within_ms), 0},
    {"refused", 0, "N", "wrong if N signatures were refused; 20 unless given", NUMBER, AT(limits.refused_max), LIMIT_MAX},
    {"failed", 0, "N", "wrong if N answers were 5xx; 10 unless given", NUMBER, AT(limits.failed_max), LIMIT_MAX},
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
    {"api", 0, "", "ask ComplyCube's API", FLAG, AT(api), 0},
    {"nagios", 0, "", "a line with performance data, and an exit code, for Nagios and Icinga", FLAG, AT(nagios), 0},
    {"csv", 0, "", "as CSV, for a spreadsheet", FLAG, AT(csv), 0},
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

enum { OPTIONS = sizeof options / sizeof *options, FORMER = sizeof former / sizeof *former };

/* Is an option one of a command's? Each takes config and help. */
static bool takes(const struct subcommand *sub, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = sub->options; (at = strstr(at, name)); at += len)
        if ((at == sub->options || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return strcmp(name, "config") == 0 || strcmp(name, "help") == 0;
}

static void print_help(const struct subcommand *sub)
{
    print_out("usage: complycube-inbox %s [OPTIONS]%s%s\n\n%s\n\n", sub->name, sub->operand ? " " : "",
              sub->operand ? sub->operand : "", sub->help);
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[48], letter[] = "-x,";
        letter[1] = options[i].letter;
        snprintf(left, sizeof left, "--%s %s", options[i].name, options[i].value);
        if (takes(sub, options[i].name))
            print_out("  %3s %-20s%s\n", options[i].letter ? letter : "", left, options[i].help);
    }
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

int options_parse(const struct subcommand *sub, int argc, char **argv, struct cmd *cmd, bool *helped, struct err *e)
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
            if (!letter_of(i))
                continue;
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
            print_help(sub);
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
