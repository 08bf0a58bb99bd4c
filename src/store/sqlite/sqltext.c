/* SPDX-License-Identifier: MIT
 * sqltext: the words of an SQL text. */
#include "sqltext.h"

#include <string.h>
#include <strings.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }

/* What ends a word that begins so; '\0': it is in no quotes. */
static char closing(char c) { return c == '\'' || c == '"' || c == '`' ? c : c == '[' ? ']' : '\0'; }

static void move_past(struct span *text, size_t n)
{
    text->at += n;
    text->len -= n;
}

static bool begins(struct span text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.at, with, strlen(with)) == 0;
}

/* The length of a comment, with what begins it; what ends it may be missing. */
static size_t comment_length(struct span text, const char *end)
{
    const char *found = text.len > 2 ? memmem(text.at + 2, text.len - 2, end, strlen(end)) : NULL;
    return found ? (size_t)(found - text.at) + strlen(end) : text.len;
}

/* The length of the blank or comment at the beginning; 0: there is none. */
static size_t blank_length(struct span text)
{
    static const char bom[] = "\xEF\xBB\xBF"; /* a blank at the beginning of a word, and a part of one inside */
    return text.len && is_blank(*text.at) ? 1
           : begins(text, bom)            ? strlen(bom)
           : begins(text, "--")           ? comment_length(text, "\n")
           : begins(text, "/*")           ? comment_length(text, "*/")
                                          : 0;
}

/* The length of what stands in quotes at the beginning, with them; a quote that is doubled stands for itself. */
static size_t quoted_length(struct span text, char quote)
{
    for (size_t i = 1; i < text.len; i++)
        if (text.at[i] == quote) {
            if (quote == ']' || i + 1 == text.len || text.at[i + 1] != quote)
                return i + 1;
            i++;
        }
    return text.len;
}

struct span sqltext_next(struct span *text)
{
    size_t n;
    while ((n = blank_length(*text)) > 0)
        move_past(text, n);
    if (!text->len)
        return (struct span){0};
    n = 1;
    char quote = closing(*text->at);
    if (quote)
        n = quoted_length(*text, quote);
    else if (is_letter(*text->at))
        while (n < text->len && is_letter(text->at[n]))
            n++;
    struct span word = {text->at, n};
    move_past(text, n);
    return word;
}

bool sqltext_is(struct span word, const char *text)
{
    return word.at && word.len == strlen(text) && strncasecmp(word.at, text, word.len) == 0;
}

bool sqltext_may_be_name(struct span word)
{
    return word.at && (is_letter(*word.at) || (closing(*word.at) && *word.at != '\''));
}

bool sqltext_is_name(struct span word, const char *name)
{
    char quote = word.at ? closing(*word.at) : '\0';
    if (!quote)
        return sqltext_is(word, name);
    size_t i = 1;
    for (; *name; name++, i++) {
        if (i + 1 >= word.len || strncasecmp(word.at + i, name, 1) != 0)
            return false;
        if (*name == quote && quote != ']') /* it is doubled */
            i++;
    }
    return i + 1 == word.len;
}

bool sqltext_is_same(struct span a, struct span b)
{
    struct span x, y;
    do {
        x = sqltext_next(&a);
        y = sqltext_next(&b);
        if (!x.at || !y.at)
            return !x.at && !y.at;
    } while (span_equal(x, y));
    return false;
}
