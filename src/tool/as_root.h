/* SPDX-License-Identifier: MIT
 *
 * as_root: a command that root runs. What it needs of root is done first: files that the command line names are opened or
 * made; then it goes on as the owner of the database's folder (owner.h).
 */
#ifndef AS_ROOT_H
#define AS_ROOT_H

#include "cmd.h"

/* A file that root has made for whoever it becomes. It gets its name if it is complete, and else goes. */
struct cmd_output {
    int fd;
    int folder; /* where it is, whatever stands in the place of that by now */
    char path[PATH_MAX];
    pid_t root;              /* the process that stays root */
    volatile bool *complete; /* shared with the process that stays root */
};

/*
 * If root runs the command: open or make what it needs of root (enum cmd_need), then become the owner of the database's
 * folder. For another user nothing is done.
 * out:    0 with cmd->root and, for a file that was made, cmd->output; or -1 and *e
 */
int as_root_become(unsigned needs, struct cmd *cmd, struct err *e);

/* The absolute name of a backup, of PATH_MAX bytes: the argument, or in a folder one of its own. ERR_USAGE */
int cmd_backup_name(const struct cmd *cmd, char *path, struct err *e);

#endif
