/* SPDX-License-Identifier: MIT
 *
 * judged: the figures of an inbox and what is wrong with them, as a command reads them: the secret files and, with --api,
 * what ComplyCube has.
 */
#ifndef JUDGED_H
#define JUDGED_H

#include "cmd.h"
#include "health/alarm.h"

/* About 130 KB: keep it on the heap. Begins as zero. */
struct judged {
    struct figures figures;
    struct alarm alarm;
};

/*
 * Read and judge. The configuration is read here: a watch must say so if it is broken.
 * out: 0; or -1 and *e: the configuration is broken or has no endpoint of this name, and nothing was read
 */
int judged_read(struct judged *j, const struct cmd *cmd, struct err *e);

#endif
