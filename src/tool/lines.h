/* SPDX-License-Identifier: MIT
 *
 * lines: the lines of a file as UTF-8, also if a shell or an editor has made UTF-16 of it or put a byte order mark before it.
 */
#ifndef LINES_H
#define LINES_H

#include "base/buf.h"
#include "base/text.h"

#include <stdio.h>

struct lines {
    FILE *from; /* borrowed; the other fields are zero at first */
    bool begun;
    enum text_encoding encoding;
    struct buf raw;  /* bytes that are not converted yet */
    struct buf text; /* UTF-8 */
    size_t at;       /* in the text: where the next line begins */
};

/*
 * Read the next line.
 * out:  1 with *line, which lives until the next call, without its newline and the CRs before it; 0 at the end; -1 with errno,
 *       EILSEQ: it begins as UTF-16 and is broken
 * cost: memory for the longest line
 */
int lines_next(struct lines *l, struct span *line);

void lines_release(struct lines *l);

#endif
