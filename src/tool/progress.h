/* SPDX-License-Identifier: MIT
 *
 * progress: tells a person at a terminal how long work goes on: a bar on standard error. Elsewhere it is silent.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal, drawn;
    int64_t total, drawn_ms; /* total 0: not known */
};

/* total: of whatever is counted; 0 where nobody knows */
struct progress progress_begin(int64_t total);

/* So many are done; a few times a second it is drawn. `more` stands behind the numbers; may be NULL. */
void progress_draw(struct progress *p, int64_t done, const char *more);

/* Wait, and draw meanwhile why, and for how many seconds more; why NULL: draw nothing. */
void progress_wait(struct progress *p, const char *why, int64_t ms);

/* Remove the bar, before anything else is printed. */
void progress_end(struct progress *p);

#endif
