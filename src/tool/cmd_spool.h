/* SPDX-License-Identifier: MIT
 *
 * cmd_spool: what waits in the spool, for commands that speak of all events.
 */
#ifndef CMD_SPOOL_H
#define CMD_SPOOL_H

#include "cmd.h"

/* Does anything wait there, or lie aside? 0; or -1 and *e, ERR_NOT_FOUND, which says how much and what to do. */
int cmd_spool_expect_empty(const struct config *c, struct err *e);

/* Tell on standard error of files there that are none of a spool, and that nobody looks into. */
void cmd_spool_foreign(const struct config *c);

/*
 * Record what waits, and then look: for this the secrets are read, where the configuration has none.
 * out: 0: nothing is left there, durably; or -1 and *e, which says what and why
 */
int cmd_spool_first(const struct cmd *cmd, const struct config *c, struct store *s, struct err *e);

/*
 * Record what waits in a copy of the database, in its table, and leave the files as they are: for a backup.
 * out: how many there are in it; or -1 and *e: then some may be
 */
int64_t cmd_spool_copy(const struct cmd *cmd, const struct config *c, const char *copy, struct err *e);

/* As cmd_spool_first, for a command that goes on without: what is left is told on standard error. */
void cmd_spool_try(const struct cmd *cmd, const struct config *c, struct store *s);

/* Make the folder, or give what is there the group; *made and *changed tell. Nothing where none is configured. */
int cmd_spool_make(const struct config *c, gid_t group, bool *made, bool *changed, struct err *e);

#endif
