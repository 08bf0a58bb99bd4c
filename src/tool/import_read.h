/* SPDX-License-Identifier: MIT
 *
 * import_read: the files and folders that import reads.
 */
#ifndef IMPORT_READ_H
#define IMPORT_READ_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Who takes what is read. False: stop reading.
 * line    a line of JSON, the number-th of a file
 * body    the bytes of a file, with its signature in hex (at NULL: none)
 * refuse  something cannot be read, and why
 */
struct import_taker {
    void *ctx;
    bool (*line)(void *ctx, const char *from, int64_t number, struct span text);
    bool (*body)(void *ctx, const char *path, struct span body, struct span signature);
    bool (*refuse)(void *ctx, const char *from, const char *why);
};

/* Read a file of lines ("-": standard input), or a folder of bodies NAME.json. */
void import_read(const struct import_taker *taker, const char *path);

#endif
