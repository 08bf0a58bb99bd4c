/* SPDX-License-Identifier: MIT
 *
 * buf: a growing buffer with a limit. The zero value is an empty buffer that may be released.
 */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *at;
    size_t len, cap; /* bytes */
};

/*
 * Make room for at least `more` bytes behind the content, at most `limit` bytes in all.
 * out: the number of bytes that may now be written at at+len; 0 when the limit is reached or memory is out.
 */
size_t buf_room(struct buf *b, size_t more, size_t limit);

/* Empty the buffer; memory above `keep` bytes is given back. */
void buf_clear(struct buf *b, size_t keep);

/* Free the memory; the buffer is the zero value again. */
void buf_release(struct buf *b);

#endif
