/* SPDX-License-Identifier: MIT
 *
 * as_root: a command that root runs. What it needs of root is done first: files that the command line names are opened or
 * made; then it goes on as the owner of the database's folder (owner.h).
 */
#ifndef AS_ROOT_H
#define AS_ROOT_H

#include "cmd.h"

/* What the paths on a command line are. */
enum cmd_files {
    CMD_NO_FILES,
    CMD_READS,  /* its arguments, and --file, are read */
    CMD_BACKUP, /* its argument is made */
    CMD_EXPORT  /* --file is made */
};

/* A file that root has made for whoever it becomes. It gets its name if it is complete, and else goes. */
struct cmd_output {
    int fd;
    int folder; /* where it is, whatever stands in the place of that by now */
    char path[PATH_MAX];
    pid_t root;              /* the process that stays root */
    volatile bool *complete; /* shared with the process that stays root */
};

/* Run a command, as root's deputy where root runs it. out: as `run` */
int as_root_run(int (*run)(const struct cmd *cmd, struct err *e), enum cmd_files files, struct cmd *cmd,
                struct err *e);

/* The absolute name of a backup, of PATH_MAX bytes: the argument, or in a folder one of its own. ERR_USAGE */
int cmd_backup_name(const struct cmd *cmd, char *path, struct err *e);

#endif
