/* SPDX-License-Identifier: MIT
 *
 * event: a decoded event. Spans point into the body it was decoded from or into its own text, so an event
 * must not be copied or moved, and there is nothing to free. Absent fields are absent spans.
 */
#ifndef EVENT_H
#define EVENT_H

#include "base/span.h"

#include <stdint.h>

enum { EVENT_FIELD_MAX = 255 }; /* bytes of a field, unescaped */

struct event {
    struct span id, type;                                /* 1 to EVENT_FIELD_MAX bytes of UTF-8 without NUL */
    struct span resource_type;                           /* resourceType */
    struct span payload;                                 /* the exact text of the payload member, an object */
    struct span resource_id, client_id, status, outcome; /* from the payload, where they are strings */
    int64_t created_ms; /* createdAt, milliseconds since the Epoch, UTC; -1: cannot be read as a time */
    size_t text_len;
    char text[7 * EVENT_FIELD_MAX]; /* unescaped fields */
};

#endif
