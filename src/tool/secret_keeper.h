/* SPDX-License-Identifier: MIT
 *
 * secret_keeper: a process that stays root, for one line that is to be added to a secret file of root's, while the command
 * goes on as another user. It knows the file from before, and does nothing else.
 */
#ifndef SECRET_KEEPER_H
#define SECRET_KEEPER_H

#include "base/err.h"
#include "base/trust.h"

#include <stdbool.h>

/* Make the new file (secret_file_begin) and start that process; it ends with this one, and removes what it made in vain. */
int secret_keeper_begin(const char *path, const struct trust *with, const char *label, struct err *e);
bool secret_keeper_is_there(void);

/* As secret_file_add, once. errors: ERR_SYSTEM too, if the process is gone */
int secret_keeper_add(const char *secret, struct err *e);

/* End that process, and wait until it has: a new file that took nothing's place is gone. */
void secret_keeper_end(void);

#endif
