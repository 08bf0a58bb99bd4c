/* SPDX-License-Identifier: MIT
 *
 * fuzz: what every target includes. A target is one function over arbitrary bytes that says what must hold of them,
 * beyond not crashing. libFuzzer calls it (make fuzz), or replay.c with the files of seeds/NAME (make check).
 *
 * A target gives the same result for the same bytes, whatever came before: a find is replayed by its file alone.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "base/span.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FUZZ_SECRET "a-secret-of-the-tests"

/* The target. out: 0, always */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A target may make cases of its own: write one at `data`, which has `size` bytes of a case already, of at most `max`. The same
 * seed gives the same. out: its size
 */
__attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* What must hold. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

static inline _Noreturn void fuzz_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
    abort();
}

/* The first byte of what is left, 0 behind its end. */
static inline unsigned fuzz_byte(struct span *rest)
{
    if (rest->len == 0)
        return 0;
    rest->len--;
    return (unsigned char)*rest->at++;
}

/* The next n bytes, or what is left of them. */
static inline struct span fuzz_take(struct span *rest, size_t n)
{
    struct span taken = {rest->at, n < rest->len ? n : rest->len};
    rest->at += taken.len;
    rest->len -= taken.len;
    return taken;
}

/* Up to a line of "---", which is passed over; without one, all: so that a seed can be read and written by hand. */
static inline struct span fuzz_part(struct span *rest)
{
    const char *at = rest->len ? memmem(rest->at, rest->len, "\n---\n", 5) : NULL;
    struct span part = fuzz_take(rest, at ? (size_t)(at - rest->at) + 1 : rest->len);
    if (at)
        fuzz_take(rest, 4);
    return part;
}

/* A copy in memory of exactly its size, so that a read beyond it is seen; to be freed. */
static inline char *fuzz_copy(struct span text)
{
    char *copy = malloc(text.len ? text.len : 1);
    FUZZ_CHECK(copy);
    if (text.len)
        memcpy(copy, text.at, text.len);
    return copy;
}

#endif
