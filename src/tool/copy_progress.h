/* SPDX-License-Identifier: MIT
 *
 * copy_progress: how far a copy has come, on a terminal, and whether the person wants it to end. For one at a time.
 */
#ifndef COPY_PROGRESS_H
#define COPY_PROGRESS_H

#include "progress.h"
#include "signals.h"
#include "store/store_file.h"

struct copy_progress {
    struct progress progress;
    struct signals signals;
    const char *doing;
};

int copy_progress_begin(struct copy_progress *t, struct err *e);
struct store_teller copy_progress_teller(struct copy_progress *t);
void copy_progress_end(struct copy_progress *t); /* before anything is printed; the zero value is legal */

/* "20261125T191500Z" of a time in ms, into 32 bytes at `out`, which is returned. */
const char *copy_progress_stamp(int64_t ms, char *out);

/* "12.3 MB" of a number of bytes, the same way. */
const char *copy_progress_size(int64_t bytes, char *out);

#endif
