/* SPDX-License-Identifier: MIT
 *
 * damage: what may be done to the bytes of a database's file, and what may be planted beside it. A line does one thing:
 *
 *     page 3 17 255        the byte at 17 of the third page becomes 255
 *     page 3 as 5          the third page has the bytes of the fifth; "page 3 zero" and "page 3 noise 7" speak for themselves
 *     cut 9 100            the file ends 100 bytes into its ninth page
 *     wal 7                a log of pages that were changed at random, with right checksums; 7 chooses all of it
 *     journal 7            the same of a rollback journal, which may name another file: a bystander's
 *     header wal           the file says that it has a log; "header delete", that it has none
 *
 * source: sqlite.org/fileformat2.html, sections 1.3, 3 and 4 */
#ifndef DAMAGE_H
#define DAMAGE_H

#include "folder.h"

enum { DAMAGE_PAGE = 4096, DAMAGE_PAGES = 8 /* of a log or a journal, at most */ };

struct damage {
    const char *path;      /* of the database */
    const char *bystander; /* which no journal may remove */
    int fd;                /* of the database: closing it ends the locks of this process, so it stays open */
    struct span sound;     /* the file before anything was done */
};

/* ---- numbers ---- */

static inline uint64_t damage_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline size_t damage_below(uint64_t *state, size_t n) { return (size_t)(damage_random(state) % n); }

static inline void damage_put(uint8_t *to, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(n >> (24 - 8 * i));
}

/* ---- a page ---- */

/* Numbers that pages, cells and lengths are made of. */
static inline uint8_t damage_byte(uint64_t *state)
{
    static const uint8_t bytes[] = {0, 1, 2, 5, 10, 13, 127, 128, 255};
    size_t i = damage_below(state, 2 * sizeof bytes);
    return i < sizeof bytes ? bytes[i] : (uint8_t)damage_random(state);
}

/* A page of the sound file, with a few bytes changed, mostly in its header and its list of cells. */
static inline void damage_image(const struct damage *d, uint64_t *state, uint32_t number, uint8_t *page)
{
    size_t at = (size_t)(number - 1) * DAMAGE_PAGE;
    memset(page, 0, DAMAGE_PAGE);
    if (number && at + DAMAGE_PAGE <= d->sound.len)
        memcpy(page, d->sound.at + at, DAMAGE_PAGE);
    for (size_t n = damage_below(state, 5); n > 0; n--)
        page[damage_below(state, damage_below(state, 2) ? 120 : DAMAGE_PAGE)] = damage_byte(state);
}

static inline uint32_t damage_number(const struct damage *d, uint64_t *state)
{
    size_t pages = d->sound.len / DAMAGE_PAGE;
    return damage_below(state, 20) ? (uint32_t)damage_below(state, pages + 3) : (uint32_t)damage_random(state);
}

static inline void damage_page(const struct damage *d, size_t number, struct span how, size_t a, size_t b)
{
    uint8_t page[DAMAGE_PAGE];
    uint64_t state = a;
    off_t at = (off_t)(number * DAMAGE_PAGE);
    damage_image(d, &state, 0, page);
    if (span_equal(how, span_of("as")))
        memcpy(page, d->sound.at + a % (d->sound.len / DAMAGE_PAGE) * DAMAGE_PAGE, sizeof page);
    else if (span_equal(how, span_of("noise")))
        for (size_t i = 0; i < sizeof page; i++)
            page[i] = damage_byte(&state);
    else if (span_equal(how, span_of("zero")))
        memset(page, 0, sizeof page);
    else {
        uint8_t byte = (uint8_t)b;
        FUZZ_CHECK(pwrite(d->fd, &byte, 1, at + (off_t)(a % DAMAGE_PAGE)) == 1);
        return;
    }
    FUZZ_CHECK(pwrite(d->fd, page, sizeof page, at) == (ssize_t)sizeof page);
}

/* ---- what is planted beside it ---- */

static inline int damage_plant(const struct damage *d, const char *tail)
{
    char path[FOLDER_PATH + 40];
    snprintf(path, sizeof path, "%s%s", d->path, tail);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0);
    return fd;
}

static inline void damage_sum(uint32_t sum[2], const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint32_t word[2];
        memcpy(word, at + i, 8);
        sum[0] += word[0] + sum[1];
        sum[1] += word[1] + sum[0];
    }
}

/* The magic number says in which order the machine that made the sums has bytes: ours. */
static inline void damage_wal(const struct damage *d, uint64_t state)
{
    const uint16_t one = 1;
    uint8_t frame[32 + DAMAGE_PAGE];
    uint32_t sum[2] = {0}, pages = (uint32_t)(d->sound.len / DAMAGE_PAGE);
    size_t n = 1 + damage_below(&state, DAMAGE_PAGES);
    int fd = damage_plant(d, "-wal");
    const uint32_t header[] = {0x377f0682 + !*(const uint8_t *)&one, 3007000, DAMAGE_PAGE, 0, 4711, 4712};
    for (size_t i = 0; i < 6; i++)
        damage_put(frame + 4 * i, header[i]);
    damage_sum(sum, frame, 24);
    damage_put(frame + 24, sum[0]);
    damage_put(frame + 28, sum[1]);
    FUZZ_CHECK(write(fd, frame, 32) == 32);
    for (size_t i = 0; i < n; i++) {
        uint32_t number = damage_number(d, &state);
        uint32_t commits = i + 1 == n ? damage_below(&state, 4) ? pages : damage_number(d, &state) : 0;
        damage_image(d, &state, number, frame + 24);
        damage_put(frame, number);
        damage_put(frame + 4, commits);
        memcpy(frame + 8, (uint8_t[]){0, 0, 0x12, 0x67, 0, 0, 0x12, 0x68}, 8);
        damage_sum(sum, frame, 8);
        damage_sum(sum, frame + 24, DAMAGE_PAGE);
        damage_put(frame + 16, sum[0]);
        damage_put(frame + 20, sum[1]);
        size_t len = damage_below(&state, 10) ? 24 + DAMAGE_PAGE : damage_below(&state, DAMAGE_PAGE);
        FUZZ_CHECK(write(fd, frame, len) == (ssize_t)len);
    }
    close(fd);
}

/* The name of another journal, which SQLite removes with its own. */
static inline void damage_name(const struct damage *d, int fd, uint64_t *state)
{
    static const uint8_t magic[] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    uint8_t head[4], tail[16];
    uint32_t sum = 0, len = (uint32_t)strlen(d->bystander);
    for (uint32_t i = 0; i < len; i++)
        sum += (unsigned char)d->bystander[i];
    damage_put(head, 0x40000000 / DAMAGE_PAGE + 1);
    damage_put(tail, damage_below(state, 8) ? len : (uint32_t)damage_random(state));
    damage_put(tail + 4, sum);
    memcpy(tail + 8, magic, sizeof magic);
    FUZZ_CHECK(write(fd, head, 4) == 4 && write(fd, d->bystander, len) == (ssize_t)len && write(fd, tail, 16) == 16);
}

static inline void damage_journal(const struct damage *d, uint64_t state)
{
    static const uint32_t sizes[] = {512, 512, 512, 4096, 32, 0, 7, 1u << 31};
    uint8_t header[512] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7}, record[8 + DAMAGE_PAGE];
    uint32_t n = (uint32_t)(1 + damage_below(&state, DAMAGE_PAGES)), nonce = (uint32_t)damage_random(&state);
    int fd = damage_plant(d, "-journal");
    damage_put(header + 8, damage_below(&state, 4) ? n : (uint32_t)damage_random(&state));
    damage_put(header + 12, nonce);
    damage_put(header + 16,
               damage_below(&state, 4) ? (uint32_t)(d->sound.len / DAMAGE_PAGE) : damage_number(d, &state));
    damage_put(header + 20, sizes[damage_below(&state, sizeof sizes / sizeof *sizes)]);
    damage_put(header + 24, damage_below(&state, 6) ? DAMAGE_PAGE : (uint32_t)damage_random(&state));
    FUZZ_CHECK(write(fd, header, sizeof header) == (ssize_t)sizeof header);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t sum = nonce, number = damage_number(d, &state);
        damage_put(record, number);
        damage_image(d, &state, number, record + 4);
        for (int at = DAMAGE_PAGE - 200; at > 0; at -= 200)
            sum += record[4 + at];
        damage_put(record + 4 + DAMAGE_PAGE, sum);
        FUZZ_CHECK(write(fd, record, sizeof record) == (ssize_t)sizeof record);
    }
    if (damage_below(&state, 2))
        damage_name(d, fd, &state);
    close(fd);
}

/* ---- a line ---- */

static inline size_t damage_word_number(struct span word)
{
    size_t n = 0;
    for (size_t i = 0; i < word.len; i++)
        n = n * 10 + (unsigned char)word.at[i] % 48;
    return n;
}

static inline bool damage_is_line(struct span word)
{
    static const char *const first[] = {"page", "header", "cut", "wal", "journal"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (span_equal(word, span_of(first[i])))
            return true;
    return false;
}

/* While the file is open nothing is planted, it does not end earlier, and its first page stays: without it nobody could look. */
static inline void damage_line(const struct damage *d, const struct span words[4], bool open)
{
    size_t a = damage_word_number(words[1]), b = damage_word_number(words[2]), c = damage_word_number(words[3]);
    size_t pages = d->sound.len / DAMAGE_PAGE;
    bool whole = words[2].len && *words[2].at > '9';
    if (span_equal(words[0], span_of("page")))
        damage_page(d, a > 1 || open ? 1 + (a + pages - 3) % (pages - 1) : 0, words[2], whole ? c ? c - 1 : 0 : b, c);
    else if (!open && span_equal(words[0], span_of("header")))
        FUZZ_CHECK(pwrite(d->fd, span_equal(words[1], span_of("delete")) ? "\1\1" : "\2\2", 2, 18) == 2);
    else if (!open && span_equal(words[0], span_of("cut")))
        FUZZ_CHECK(ftruncate(d->fd, (off_t)((a ? a - 1 : 0) % pages * DAMAGE_PAGE + b % DAMAGE_PAGE)) == 0);
    else if (!open && span_equal(words[0], span_of("wal")))
        damage_wal(d, a);
    else if (!open && span_equal(words[0], span_of("journal")))
        damage_journal(d, a);
}

#endif
