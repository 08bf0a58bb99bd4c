/* SPDX-License-Identifier: MIT
 *
 * page_log: who has looked at what is in an event. A line is on the disk before anything of the event is shown.
 *
 * Appended to only: time=2026-11-30T14:03:11Z level=info code=looked seq=17 user=anna address=192.0.2.7 type=... event_id=...
 */
#ifndef PAGE_LOG_H
#define PAGE_LOG_H

#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

struct page_look {
    int64_t now_ms, number; /* of the event, or of the row in quarantine */
    bool quarantined;
    struct span user, id, type, address; /* absent: not known */
};

/*
 * Append a line.
 * out:     0: it is durable; -1 and *e: nothing may be shown
 * errors:  ERR_READONLY, ERR_FULL; ERR_CONFIG: the path is a link or no file
 */
int page_log_write(const char *path, const struct page_look *look, struct err *e);

#endif
