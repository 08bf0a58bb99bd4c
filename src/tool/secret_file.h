/* SPDX-License-Identifier: MIT
 *
 * secret_file: a line that is added to a secret file, whole or not at all, so that a receiver never reads half of it.
 *
 * The room for the line is taken before its secret exists: the new file, FILE.new, has all of the old one and blank lines.
 * What is left of a run that was broken off is used again, unless it holds a secret that the file lacks.
 */
#ifndef SECRET_FILE_H
#define SECRET_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/trust.h"

#include <limits.h>

struct secret_file {
    int folder, fd;
    char path[PATH_MAX], name[NAME_MAX + 1], fresh[NAME_MAX + 1];
    struct buf text; /* of the old one, a newline at its end */
    bool made;       /* the new one is there */
};

/*
 * Make the new file, of the old one's owner, group and mode.
 *
 * in:     path   as it is configured; a link is followed
 *         with   whose files are accepted
 *         label  the name of the secret
 * out:    0 with *f, to be released, which removes a new file that did not take the old one's place
 * errors: ERR_SECRETS   the old one cannot be read, or has a secret of this name
 *         ERR_READONLY  it cannot be replaced by this user; or another run is at work, or has left a secret in FILE.new
 *         ERR_FULL
 */
int secret_file_begin(struct secret_file *f, const char *path, const struct trust *with, const char *label,
                      struct err *e);

/* Add "LABEL SECRET" and put the new file in the place of the old one, durably. errors: ERR_READONLY, ERR_FULL */
int secret_file_add(struct secret_file *f, const char *label, const char *secret, struct err *e);

void secret_file_release(struct secret_file *f); /* wipes the text */

#endif
