/* SPDX-License-Identifier: MIT
 * text: characters of bytes that may be anything. */
#include "text.h"

#include <stdio.h>

struct range {
    uint32_t first, last;
};

static const struct range hidden[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},       {0xad, 0xad},           {0x61c, 0x61c},   {0x180e, 0x180e},
    {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},       {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
    {0xfffe, 0xffff}, {0xe0000, 0xe0fff}, {0xf0000, TEXT_BROKEN}, /* tags; for private use, of no font */
};

static const struct range combining[] = {
    {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f}, {0x93c, 0x93c},
    {0x941, 0x948},   {0x94d, 0x94d},   {0xe31, 0xe31},   {0xe34, 0xe3a},   {0xe47, 0xe4e}, {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};

static const struct range wide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c}, {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff01, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

static bool is_in(const struct range *list, size_t n, uint32_t code)
{
    for (size_t i = 0; i < n && list[i].first <= code; i++)
        if (code <= list[i].last)
            return true;
    return false;
}

#define IS_IN(list, code) is_in(list, sizeof(list) / sizeof *(list), code)

unsigned text_utf8_length(const unsigned char *at, const unsigned char *end)
{
    size_t left = (size_t)(end - at);
    unsigned c = at[0], n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && at[1] < 0xa0) || (c == 0xed && at[1] > 0x9f) || (c == 0xf0 && at[1] < 0x90) ||
        (c == 0xf4 && at[1] > 0x8f))
        return 0;
    return n;
}

static uint32_t decode_utf8(const unsigned char *at, unsigned len)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = at[0] & first[len];
    for (unsigned i = 1; i < len; i++)
        code = code << 6 | (at[i] & 0x3f);
    return code;
}

struct text_char text_first(struct span text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    unsigned len = text_utf8_length(at, at + text.len);
    struct text_char c = {len ? len : 1, len ? decode_utf8(at, len) : TEXT_BROKEN, false, 1};
    char escaped[TEXT_ESCAPED_MAX];
    if (IS_IN(hidden, c.code)) {
        c.hidden = true;
        c.columns = (int)text_escape((struct span){text.at, c.len}, escaped);
    } else if (c.code >= combining[0].first) {
        c.columns = IS_IN(combining, c.code) ? 0 : IS_IN(wide, c.code) ? 2 : 1;
    }
    return c;
}

unsigned text_utf8_write(uint32_t code, unsigned char out[4])
{
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    unsigned n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (unsigned i = n; --i > 0; code >>= 6)
        out[i] = (unsigned char)(0x80 | (code & 0x3f));
    out[0] = (unsigned char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | code);
    return n;
}

enum text_encoding text_encoding(struct span text, size_t *mark)
{
    static const struct {
        const char *mark;
        size_t len;
        enum text_encoding encoding;
    } marks[] = {{"\xef\xbb\xbf", 3, TEXT_UTF8}, {"\xff\xfe", 2, TEXT_UTF16_LE}, {"\xfe\xff", 2, TEXT_UTF16_BE}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (text.len >= marks[i].len && memcmp(text.at, marks[i].mark, marks[i].len) == 0) {
            *mark = marks[i].len;
            return marks[i].encoding;
        }
    *mark = 0;
    if (text.len < 2 || !text.at[0] == !text.at[1])
        return TEXT_UTF8;
    return text.at[0] ? TEXT_UTF16_LE : TEXT_UTF16_BE;
}

static uint32_t unit_at(const char *at, enum text_encoding encoding)
{
    unsigned char first = (unsigned char)at[0], second = (unsigned char)at[1];
    return encoding == TEXT_UTF16_BE ? (uint32_t)first << 8 | second : (uint32_t)second << 8 | first;
}

size_t text_from_utf16(struct span text, enum text_encoding encoding, char *out, size_t *used)
{
    size_t n = 0, len;
    for (*used = 0; text.len - *used >= 2; *used += len) {
        const char *at = text.at + *used;
        uint32_t code = unit_at(at, encoding);
        len = code >= 0xd800 && code < 0xe000 ? 4 : 2;
        if (len == 4) {
            uint32_t low = text.len - *used >= 4 ? unit_at(at + 2, encoding) : 0;
            if (code >= 0xdc00 || low < 0xdc00 || low > 0xdfff)
                break;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        unsigned char character[4];
        unsigned bytes = text_utf8_write(code, character);
        memcpy(out + n, character, bytes);
        n += bytes;
    }
    return n;
}

bool text_is_utf8(struct span text)
{
    const unsigned char *at = (const unsigned char *)text.at, *end = at + text.len;
    for (unsigned len; at < end; at += len)
        if (*at == '\0' || (len = text_utf8_length(at, end)) == 0)
            return false;
    return true;
}

bool text_hides(struct span text)
{
    for (size_t i = 0; i < text.len;) {
        struct text_char c = text_first((struct span){text.at + i, text.len - i});
        if (c.hidden)
            return true;
        i += c.len;
    }
    return false;
}

bool text_is_name(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '-' && c != '_')
            return false;
    }
    return text.len >= 1 && text.len <= TEXT_NAME_MAX && !span_equal(text, span_of(".")) &&
           !span_equal(text, span_of(".."));
}

size_t text_escape(struct span character, char out[TEXT_ESCAPED_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char *to = out;
    if (character.len == 1 && (*character.at == '\n' || *character.at == '\t')) {
        out[0] = '\\';
        out[1] = *character.at == '\n' ? 'n' : 't';
        return 2;
    }
    for (size_t i = 0; i < character.len; i++) {
        unsigned char c = (unsigned char)character.at[i];
        memcpy(to, (char[]){'\\', 'x', digits[c >> 4], digits[c & 15]}, 4);
        to += 4;
    }
    return (size_t)(to - out);
}

size_t text_json(struct span text, char *out)
{
    static const char names[] = "btn?fr"; /* of U+0008 to U+000D */
    char *to = out;
    *to++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c >= ' ' && c != '"' && c != '\\') {
            *to++ = (char)c;
            continue;
        }
        *to++ = '\\';
        if (c >= ' ')
            *to++ = (char)c;
        else if (c >= 8 && c <= 13 && c != 11)
            *to++ = names[c - 8];
        else
            to += snprintf(to, 6, "u%04x", c);
    }
    *to++ = '"';
    return (size_t)(to - out);
}
