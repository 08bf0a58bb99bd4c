/* SPDX-License-Identifier: MIT
 *
 * copy_progress: how far a copy has come, on a terminal, and whether the person wants it to end. For one at a time.
 */
#ifndef COPY_PROGRESS_H
#define COPY_PROGRESS_H

#include "progress.h"
#include "signals.h"
#include "store/store_keep.h"

struct cmd_tell {
    struct progress progress;
    struct signals signals;
    const char *doing;
};

int cmd_tell_begin(struct cmd_tell *t, struct err *e);
struct store_teller cmd_tell_teller(struct cmd_tell *t);
void cmd_tell_end(struct cmd_tell *t); /* before anything is printed; the zero value is legal */

/* "20261125T191500Z" of a time in ms, into 32 bytes at `out`, which is returned. */
const char *cmd_tell_stamp(int64_t ms, char *out);

/* "12.3 MB" of a number of bytes, the same way. */
const char *cmd_tell_size(int64_t bytes, char *out);

#endif
