/* SPDX-License-Identifier: MIT
 *
 * command: a command line of this tool that is printed to be pasted: it names this program by its path if a shell does not find
 * it, and the configuration of this run, and quotes what a shell would take apart.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include "cmd.h"

/*
 * Print "complycube-inbox -c CONFIG WORDS FILE", without a newline.
 * in:  words  the subcommand and its options, as they are to stand there
 *      file   a path after them; NULL: none
 */
void command_print(FILE *to, const struct cmd *cmd, const char *words, const char *file);

/* The same as a text, to be freed; NULL: out of memory. */
char *command_line(const struct cmd *cmd, const char *words, const char *file);

/*
 * What is wrong, with the command that cures it: "WHAT: COMMAND AFTER", at `out`, which is returned. Half a command is useless:
 * if the whole does not fit, it is "WHAT (WORDS)".
 */
const char *command_advice(char *out, size_t size, const struct cmd *cmd, const char *what, const char *words,
                           const char *file, const char *after);

#endif
