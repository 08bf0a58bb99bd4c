/* SPDX-License-Identifier: MIT
 * pool_event: an event as it is handed on, in memory of its own. */
#include "pool_event.h"

#include "base/hex.h"
#include "base/text.h"
#include "event/verify.h"

#include <stdarg.h>
#include <stdio.h>

enum { KEEP = 1 << 16 /* bytes that an empty slot may hold on to */ };

bool pool_event_copy(struct pool_event *to, struct buf *bytes, const struct store_event *from, int64_t attempt)
{
    const struct span texts[] = {from->endpoint,      from->id,          from->type, from->signature,
                                 from->resource_type, from->resource_id, from->body};
    struct span *const copies[] = {&to->endpoint,      &to->id,          &to->type, &to->signature,
                                   &to->resource_type, &to->resource_id, &to->body};
    size_t all = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        all += texts[i].len;
    buf_clear(bytes, KEEP);
    *to = (struct pool_event){.seq = from->seq, .attempt = attempt};
    if (buf_room(bytes, all + 1, SIZE_MAX / 2) <= all)
        return false;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!texts[i].at)
            continue;
        *copies[i] = (struct span){bytes->at + bytes->len, texts[i].len};
        memcpy(bytes->at + bytes->len, texts[i].at, texts[i].len);
        bytes->len += texts[i].len;
    }
    return true;
}

void pool_say(struct pool_outcome *outcome, enum pool_result result, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    outcome->result = result;
    vsnprintf(outcome->why, sizeof outcome->why, format, ap);
    va_end(ap);
}

bool pool_event_fits(const struct pool_event *event, struct pool_outcome *outcome)
{
    uint8_t digest[VERIFY_DIGEST];
    if (!text_is_name(event->endpoint))
        pool_say(outcome, POOL_UNFIT, "its endpoint has a name that no configuration can have");
    else if (event->signature.len && hex_decode(event->signature, digest, VERIFY_DIGEST) != 0)
        pool_say(outcome, POOL_UNFIT, "its signature has not %d hexadecimal digits", 2 * VERIFY_DIGEST);
    return outcome->result != POOL_UNFIT;
}
