/* SPDX-License-Identifier: MIT
 *
 * export_line: an event, or a row of quarantine, as a line of JSON: complycube-inbox(5), "Exported lines". What export
 * writes import reads, to the last byte of a body.
 */
#ifndef EXPORT_LINE_H
#define EXPORT_LINE_H

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

/* Add a line, its newline included; -1 when memory is out. */
int export_line_write(struct buf *out, const struct store_event *v);
int export_line_write_quarantined(struct buf *out, const struct store_quarantined *row);

/* A line as read; the spans live as long as the line's text and `data` do. Absent: NULL, numbers 0. */
struct export_line {
    struct buf data; /* to be released; emptied by the next read */
    struct span kind, endpoint, event_id, type, resource_type, secret, signature, state, error, payload_sha256,
        reason, body;
    int64_t schema, created_ms, received_ms, attempts, done_ms, erased_ms, last_ms, times;
    bool quarantined;
    int state_number; /* -1: none is said */
    uint8_t digest[VERIFY_DIGEST];
};

/*
 * Read a line. Members that are not known are passed over.
 * errors: ERR_UNDECODABLE  why it is none; ERR_MEMORY
 */
int export_line_read(struct export_line *line, struct span text, struct err *e);

#endif
