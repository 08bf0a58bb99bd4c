/* SPDX-License-Identifier: MIT
 *
 * event_row: an event as a line: ids, types and times, never what is in it.
 */
#ifndef EVENT_ROW_H
#define EVENT_ROW_H

#include "cmd.h"

struct event_row {
    bool json, wide;
    int64_t now_ms; /* what is due is told from here on */
    int64_t rows;   /* printed so far; a heading stands before the first */
};

/* A store_each, with a struct event_row as its context. */
void event_row_print(void *row, const struct store_event *v);

#endif
