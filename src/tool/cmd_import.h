/* SPDX-License-Identifier: MIT
 *
 * cmd_import: what the two halves of import share: one reads files and folders, the other takes what is in them.
 */
#ifndef CMD_IMPORT_H
#define CMD_IMPORT_H

#include "cmd.h"
#include "event/decode.h"
#include "export_line.h"
#include "progress.h"

struct cmd_import;

/* Take a line of JSON; a body with its signature in hex (absent: none). False: it is no use going on. */
bool cmd_import_line(struct cmd_import *x, const char *from, int64_t number, struct span text);
bool cmd_import_body(struct cmd_import *x, const char *path, struct span body, struct span signature);

/* Say that something cannot be taken, and why. */
bool cmd_import_refuse(struct cmd_import *x, const char *from, const char *why);

/* Read a file of lines ("-": standard input), or a folder of bodies NAME.json. */
void cmd_import_read(struct cmd_import *x, const char *path);

#endif
