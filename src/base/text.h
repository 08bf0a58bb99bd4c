/* SPDX-License-Identifier: MIT
 *
 * text: characters of bytes that may be anything, and which of them nobody sees or a terminal obeys.
 *
 * source: RFC 3629 for UTF-8; RFC 2781 for UTF-16; ECMA-48 for the controls; UAX 9 for those that turn a text; UAX 11 for the
 *         columns
 */
#ifndef TEXT_H
#define TEXT_H

#include "span.h"

#include <stdint.h>

enum {
    TEXT_BROKEN = 0x110000, /* the code of a byte that belongs to no character */
    TEXT_NAME_MAX = 63,     /* bytes of a name */
    TEXT_ESCAPED_MAX = 16   /* bytes of an escaped character: four for each of its bytes */
};

struct text_char {
    size_t len;    /* bytes, at least 1 */
    uint32_t code; /* or TEXT_BROKEN */
    bool hidden;   /* a control, a separator of lines, one that turns the text or has no width, or a broken byte */
    int columns;   /* on a terminal: 0 for a combining one, 2 for a wide one; of a hidden one as it is escaped */
};

/* The first character of a text that is not empty. */
struct text_char text_first(struct span text);

/* Bytes of the well-formed UTF-8 character at `at`, or 0. */
unsigned text_utf8_length(const unsigned char *at, const unsigned char *end);

/* Write a code, of a surrogate too, as UTF-8. out: bytes written, 1 to 4 */
unsigned text_utf8_write(uint32_t code, unsigned char out[4]);

/* The encoding that the first bytes of a text show: by a byte order mark, or by the NUL beside a character of ASCII. */
enum text_encoding { TEXT_UTF8, TEXT_UTF16_LE, TEXT_UTF16_BE };

/* *mark: bytes of the byte order mark, which may be 0 */
enum text_encoding text_encoding(struct span text, size_t *mark);

/*
 * Write a text of UTF-16, without its mark, as UTF-8. It ends early before half a character: at the end of the text, or a
 * surrogate by itself.
 * out: bytes written to `out`, which has text_utf8_size of them at least; *used: bytes of the text that they stand for
 */
size_t text_from_utf16(struct span text, enum text_encoding encoding, char *out, size_t *used);
static inline size_t text_utf8_size(struct span text) { return text.len / 2 * 3; }

/* Is it UTF-8 without U+0000? */
bool text_is_utf8(struct span text);

/* Does it hold a hidden character? */
bool text_hides(struct span text);

/*
 * Is it a name of an endpoint or a secret: letters, digits, dot, dash, underscore of ASCII, 1 to TEXT_NAME_MAX of them, and
 * neither "." nor ".."? Then it is fit for a file's name and a variable, and for a header.
 */
bool text_is_name(struct span text);

/*
 * Write the bytes of a character as \xNN, a newline as \n and a tab as \t: what $'' of a shell reads.
 * out: how many bytes were written to `out`, at most TEXT_ESCAPED_MAX
 */
size_t text_escape(struct span character, char out[TEXT_ESCAPED_MAX]);

/*
 * Write a text as a string of JSON in its quotes. Hidden characters above U+001F and broken bytes stay as they are:
 * print_json escapes those.
 * out: how many bytes were written to `out`, which has text_json_size of them at least
 */
size_t text_json(struct span text, char *out);
static inline size_t text_json_size(struct span text) { return 6 * text.len + 2; }

#endif
