/* SPDX-License-Identifier: MIT
 *
 * new_file: the file that --file makes: a new one, mode 0600, in place of standard output. Root has made it beforehand, if it
 * runs the command (as_root.h).
 */
#ifndef NEW_FILE_H
#define NEW_FILE_H

#include "cmd.h"

/* Standard output if the command line names no file. NULL and *e: ERR_USAGE if it is there, ERR_READONLY */
FILE *new_file_open(const struct cmd *cmd, struct err *e);

/*
 * Flush and close what new_file_open gave; standard output stays open. Unless `whole` the file is removed.
 * errors: ERR_FULL, ERR_SYSTEM: then the file is gone, too
 */
int new_file_close(const struct cmd *cmd, FILE *to, bool whole, struct err *e);

#endif
