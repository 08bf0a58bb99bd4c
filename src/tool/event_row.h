/* SPDX-License-Identifier: MIT
 *
 * event_row: an event as a line: ids, types and times, never what is in it.
 */
#ifndef EVENT_ROW_H
#define EVENT_ROW_H

#include "cmd.h"

struct event_row {
    bool json, csv, wide;
    bool notes;     /* a line below an event that is claimed, or is to be tried again later */
    int64_t now_ms; /* what is due is told from here on */
    int64_t rows;   /* printed so far; a heading stands before the first */
};

/* The header line of --csv, which stands there even without an event. */
void event_row_print_names(void);

/* A store_each, with a struct event_row as its context. */
void event_row_print(void *row, const struct store_event *v);

#endif
