/* SPDX-License-Identifier: MIT
 * buf: a growing buffer with a limit. */
#include "buf.h"

#include <stdlib.h>

enum { BUF_FIRST = 4096 };

size_t buf_room(struct buf *b, size_t more, size_t limit)
{
    if (limit <= b->len)
        return 0;
    size_t want = more > limit - b->len ? limit : b->len + more;
    if (want > b->cap) {
        size_t cap = b->cap ? b->cap : BUF_FIRST;
        while (cap < want)
            cap *= 2;
        if (cap > limit)
            cap = limit;
        char *at = realloc(b->at, cap);
        if (!at)
            return b->cap - b->len;
        b->at = at;
        b->cap = cap;
    }
    size_t end = b->cap < limit ? b->cap : limit;
    return end > b->len ? end - b->len : 0;
}

void buf_clear(struct buf *b, size_t keep)
{
    b->len = 0;
    if (b->cap > keep)
        buf_release(b);
}

void buf_release(struct buf *b)
{
    free(b->at);
    *b = (struct buf){0};
}
