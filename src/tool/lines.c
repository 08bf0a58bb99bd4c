/* SPDX-License-Identifier: MIT
 * lines: the lines of a file, whatever its encoding. */
#include "lines.h"

#include <errno.h>

enum { CHUNK = 65536 /* bytes */, HALF = 4 /* bytes: with fewer, the end of a character may be yet to come */ };

static char *room_for(struct buf *b, size_t bytes)
{
    if (buf_room(b, bytes, SIZE_MAX / 2) >= bytes)
        return b->at + b->len;
    errno = ENOMEM;
    return NULL;
}

/* The first bytes show the encoding. */
static void begin_text(struct lines *l)
{
    size_t mark;
    l->begun = true;
    l->encoding = text_encoding((struct span){l->text.at, l->text.len}, &mark);
    l->at = mark;
    if (l->encoding == TEXT_UTF8)
        return;
    l->raw = l->text;
    l->raw.len -= mark;
    memmove(l->raw.at, l->raw.at + mark, l->raw.len);
    l->text = (struct buf){0};
    l->at = 0;
}

/* Convert what was read, up to half a character at its end. */
static int convert(struct lines *l)
{
    struct span raw = {l->raw.at, l->raw.len};
    size_t used;
    char *to = room_for(&l->text, text_utf8_size(raw) + 1);
    if (!to)
        return -1;
    l->text.len += text_from_utf16(raw, l->encoding, to, &used);
    l->raw.len -= used;
    memmove(l->raw.at, l->raw.at + used, l->raw.len);
    errno = EILSEQ;
    return l->raw.len < HALF ? 1 : -1;
}

/* 1: there is more text; 0 at the end; -1 with errno. */
static int read_more(struct lines *l)
{
    struct buf *into = l->encoding == TEXT_UTF8 ? &l->text : &l->raw;
    char *to = room_for(into, CHUNK);
    if (!to)
        return -1;
    size_t n = fread(to, 1, CHUNK, l->from);
    into->len += n;
    if (ferror(l->from))
        return -1;
    if (!l->begun)
        begin_text(l);
    if (n > 0)
        return l->encoding == TEXT_UTF8 ? 1 : convert(l);
    errno = EILSEQ;
    return l->raw.len ? -1 : 0;
}

static struct span without_end(const char *at, size_t len)
{
    while (len > 0 && (at[len - 1] == '\n' || at[len - 1] == '\r'))
        len--;
    return (struct span){at, len};
}

int lines_next(struct lines *l, struct span *line)
{
    size_t searched = 0, left;
    const char *end;
    for (;;) {
        left = l->text.len - l->at;
        end = left > searched ? memchr(l->text.at + l->at + searched, '\n', left - searched) : NULL;
        if (end)
            break;
        searched = left;
        if (left)
            memmove(l->text.at, l->text.at + l->at, left);
        l->text.len = left;
        l->at = 0;
        int more = read_more(l);
        if (more < 0 || (more == 0 && left == 0))
            return more;
        if (more == 0)
            break;
    }
    const char *at = l->text.at + l->at;
    size_t len = end ? (size_t)(end - at) : left;
    l->at += end ? len + 1 : len;
    *line = without_end(at, len);
    return 1;
}

void lines_release(struct lines *l)
{
    buf_release(&l->raw);
    buf_release(&l->text);
}
