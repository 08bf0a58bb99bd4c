/* SPDX-License-Identifier: MIT
 *
 * options: the options of all subcommands, and the reading of a command line by a subcommand's row.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "cmd.h"

/* A row of the table of subcommands, in the main file. */
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

/*
 * Read the command's own part of the command line into *cmd; argv[0] is the command's name.
 * out:    0; *helped: it asked for help, which was printed
 * errors: ERR_USAGE
 */
int options_parse(const struct subcommand *sub, int argc, char **argv, struct cmd *cmd, bool *helped, struct err *e);

#endif
