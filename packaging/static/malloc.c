/* SPDX-License-Identifier: MIT
 * malloc for the static receiver, in place of musl's.
 *
 * A CGI lives for a millisecond, and SQLite asks for memory 3000 times in it. musl maps and unmaps pages for these 110
 * times, which took a third of that life. Here a block is cut from a piece of the program's own, later from pieces of a
 * megabyte, and a freed one waits in the list of its size: nothing is given back but what is large. For one thread,
 * which is why the tool, where libcurl has two, keeps musl's.
 *
 * A block's head holds its size and a word that nobody outside knows, and the lists are written in its terms: what is
 * freed twice, or was written over, ends the process. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

enum { ALIGN = 16, PIECE = 1 << 20, LARGE = 1 << 17, SIZES = 64, FIRST = 1 << 18 };

struct block {
    size_t size;  /* of what follows this head */
    size_t proof; /* in use: secret ^ size ^ the block's address; free: not */
};

static struct {
    size_t secret;
    char *at, *end; /* what is left of the newest piece */
    struct block *free[SIZES];
    _Alignas(ALIGN) char first[FIRST]; /* touched page by page, as it is needed */
} heap;

static void choose_secret(void)
{
    const size_t *random = (const size_t *)getauxval(AT_RANDOM); /* source: getauxval(3), 16 bytes by the kernel */
    heap.secret = (random ? *random : (size_t)&random) | 1;
    heap.at = heap.first;
    heap.end = heap.first + sizeof heap.first;
}

static size_t proof_of(const struct block *b) { return heap.secret ^ b->size ^ (size_t)b; }

/* Steps of 16 bytes up to 512, then four sizes for each doubling. */
static size_t round_up(size_t n, size_t *list)
{
    size_t size = 512, step = 128;
    if (n <= size) {
        size = n ? (n + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
        *list = size / ALIGN - 1;
        return size;
    }
    for (*list = 31; size < n; ++*list) {
        if ((size & (size - 1)) == 0)
            step = size / 4;
        size += step;
    }
    return size;
}

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void *give(struct block *b)
{
    b->proof = proof_of(b);
    return b + 1;
}

static void *large(size_t n)
{
    struct block *b = n < PTRDIFF_MAX - 2 * PIECE ? map((n + sizeof *b + 4095) & ~(size_t)4095) : NULL;
    if (!b) {
        errno = ENOMEM;
        return NULL;
    }
    b->size = ((n + sizeof *b + 4095) & ~(size_t)4095) - sizeof *b;
    return give(b);
}

static struct block *next_of(const struct block *b)
{
    size_t hidden;
    memcpy(&hidden, b + 1, sizeof hidden);
    return (struct block *)(hidden ^ heap.secret);
}

void *malloc(size_t n)
{
    if (n > LARGE)
        return large(n);
    size_t list, size = round_up(n, &list);
    struct block *b = heap.free[list];
    if (b) {
        if (b->size != size || b->proof != 0)
            abort();
        heap.free[list] = next_of(b);
        return give(b);
    }
    if (!heap.secret)
        choose_secret();
    if ((size_t)(heap.end - heap.at) < size + sizeof *b) {
        char *piece = map(PIECE);
        if (!piece) {
            errno = ENOMEM;
            return NULL;
        }
        heap.at = piece;
        heap.end = piece + PIECE;
    }
    b = (struct block *)(void *)heap.at;
    heap.at += size + sizeof *b;
    b->size = size;
    return give(b);
}

static struct block *block_of(void *p)
{
    struct block *b = (struct block *)p - 1;
    if (b->proof != proof_of(b))
        abort();
    return b;
}

void free(void *p)
{
    if (!p)
        return;
    struct block *b = block_of(p);
    if (b->size > LARGE) {
        munmap(b, b->size + sizeof *b);
        return;
    }
    size_t list;
    round_up(b->size, &list);
    b->proof = 0;
    size_t hidden = (size_t)heap.free[list] ^ heap.secret;
    memcpy(p, &hidden, sizeof hidden);
    heap.free[list] = b;
}

void *calloc(size_t n, size_t each)
{
    size_t size;
    if (__builtin_mul_overflow(n, each, &size))
        size = SIZE_MAX;
    void *p = malloc(size);
    return p ? memset(p, 0, size) : NULL;
}

void *realloc(void *p, size_t n)
{
    size_t had = p ? block_of(p)->size : 0;
    if (p && n <= had)
        return p;
    void *more = malloc(n);
    if (more && p) {
        memcpy(more, p, had);
        free(p);
    }
    return more;
}

void *aligned_alloc(size_t align, size_t n)
{
    if (align <= ALIGN)
        return malloc(n);
    errno = ENOMEM; /* nobody here asks for it */
    return NULL;
}
