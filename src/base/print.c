/* SPDX-License-Identifier: MIT
 * print: text on its way to a terminal. */
#include "print.h"

#include "text.h"

#include <stdarg.h>
#include <stdlib.h>

enum { WIDTH = 80 /* columns of a paragraph */ };

void print_bytes(FILE *to, struct span bytes)
{
    if (bytes.len)
        fwrite(bytes.at, 1, bytes.len, to);
}

static void pad(FILE *to, int columns)
{
    while (columns-- > 0)
        putc(' ', to);
}

static void print_char(FILE *to, struct span text, const struct text_char *c)
{
    char escaped[TEXT_ESCAPED_MAX];
    struct span shown = {text.at, c->len};
    if (c->hidden)
        shown = (struct span){escaped, text_escape(shown, escaped)};
    print_bytes(to, shown);
}

/* What goes on `room` columns, or all of it; gives its columns and bytes. */
static int fit_text(struct span text, int room, size_t *bytes)
{
    int columns = 0;
    for (*bytes = 0; *bytes < text.len;) {
        struct text_char c = text_first((struct span){text.at + *bytes, text.len - *bytes});
        if (room > 0 && columns + c.columns > room)
            break;
        columns += c.columns;
        *bytes += c.len;
    }
    return columns;
}

static void print_whole(FILE *to, struct span text)
{
    while (text.len) {
        struct text_char c = text_first(text);
        print_char(to, text, &c);
        text = (struct span){text.at + c.len, text.len - c.len};
    }
}

void print_text(FILE *to, struct span text, int columns)
{
    size_t fits;
    int used = fit_text(text, columns, &fits);
    print_whole(to, (struct span){text.at, fits});
    pad(to, columns - used);
}

/* The bytes of a line of at most `room` columns: up to the last blank on it, after the last slash, or as it comes. */
static size_t break_line(struct span text, int room)
{
    size_t fits;
    fit_text(text, room, &fits);
    if (fits == text.len || text.at[fits] == ' ')
        return fits;
    for (size_t n = fits; n > 0; n--)
        if (text.at[n] == ' ')
            return n;
    for (size_t n = fits; n > 0; n--)
        if (text.at[n - 1] == '/')
            return n;
    return fits ? fits : text_first(text).len;
}

void print_wrapped(FILE *to, struct span text, int indent)
{
    while (text.len) {
        size_t n = break_line(text, WIDTH - indent);
        print_whole(to, (struct span){text.at, n});
        while (n < text.len && text.at[n] == ' ')
            n++;
        text = (struct span){text.at + n, text.len - n};
        if (text.len) {
            putc('\n', to);
            pad(to, indent);
        }
    }
}

static void print_code(FILE *to, uint32_t code)
{
    if (code == TEXT_BROKEN)
        code = 0xfffd;
    if (code > 0xffff)
        fprintf(to, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((code - 0x10000) >> 10)),
                (unsigned)(0xdc00 + (code & 0x3ff)));
    else
        fprintf(to, "\\u%04x", (unsigned)code);
}

void print_json(FILE *to, struct span json)
{
    size_t plain = 0; /* from here on nothing is to be escaped */
    for (size_t i = 0; i < json.len;) {
        unsigned char byte = (unsigned char)json.at[i];
        struct text_char c = {.len = 1};
        if ((byte < ' ' && byte != '\n') || byte >= 0x7f)
            c = text_first((struct span){json.at + i, json.len - i});
        if (c.hidden) {
            print_bytes(to, (struct span){json.at + plain, i - plain});
            print_code(to, c.code);
            plain = i + c.len;
        }
        i += c.len;
    }
    print_bytes(to, (struct span){json.at + plain, json.len - plain});
}

/* ---- for a shell ---- */

/* A quote as its number: for a shell that does not know $'...', as dash, \' would end the word, and the rest be a command. */
static void print_escaped_word(FILE *to, struct span text)
{
    while (text.len) {
        struct text_char c = text_first(text);
        if (*text.at == '\\')
            putc('\\', to);
        if (*text.at == '\'')
            fputs("\\047", to);
        else
            print_char(to, text, &c);
        text = (struct span){text.at + c.len, text.len - c.len};
    }
}

void print_quoted(FILE *to, const char *text)
{
    bool hides = text_hides(span_of(text));
    fputs(hides ? "$'" : "'", to);
    if (hides)
        print_escaped_word(to, span_of(text));
    for (; !hides && *text; text++)
        if (*text == '\'')
            fputs("'\\''", to);
        else
            putc(*text, to);
    putc('\'', to);
}

void print_word(FILE *to, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+.,:/@%";
    if (*text && text[strspn(text, plain)] == '\0')
        fputs(text, to);
    else
        print_quoted(to, text);
}

/* ---- formats ---- */

struct arguments {
    va_list list;
};

struct conversion {
    bool left;
    int width, precision; /* precision -1: none */
    enum { SIZE_INT, SIZE_LONG, SIZE_LONG_LONG, SIZE_SIZE } size;
    char letter;
};

static const char *take_count(const char *at, struct arguments *a, int *count)
{
    if (*at == '*') {
        *count = va_arg(a->list, int);
        return at + 1;
    }
    for (*count = 0; *at >= '0' && *at <= '9'; at++)
        *count = *count * 10 + (*at - '0');
    return at;
}

static const char *take_conversion(const char *at, struct arguments *a, struct conversion *c)
{
    *c = (struct conversion){.precision = -1};
    for (; *at == '-'; at++)
        c->left = true;
    at = take_count(at, a, &c->width);
    if (*at == '.')
        at = take_count(at + 1, a, &c->precision);
    for (; *at == 'l'; at++)
        c->size++;
    if (*at == 'z') {
        c->size = SIZE_SIZE;
        at++;
    }
    c->letter = *at;
    return at + 1;
}

static long long number_argument(struct arguments *a, const struct conversion *c)
{
    bool is_signed = c->letter == 'd';
    switch (c->size) {
    case SIZE_LONG: return is_signed ? va_arg(a->list, long) : (long long)va_arg(a->list, unsigned long);
    case SIZE_LONG_LONG: return va_arg(a->list, long long);
    case SIZE_SIZE: return (long long)va_arg(a->list, size_t);
    default: return is_signed ? va_arg(a->list, int) : (long long)va_arg(a->list, unsigned);
    }
}

/* At most `most` bytes of a text that need not end with a NUL then. */
static struct span bounded_text(const char *text, int most)
{
    if (!text)
        return span_of("(null)");
    if (most < 0)
        return span_of(text);
    size_t len = strnlen(text, (size_t)most), begin = len;
    if (len < (size_t)most)
        return (struct span){text, len};
    while (begin > 0 && len - begin < 3 && ((unsigned char)text[begin - 1] & 0xc0) == 0x80)
        begin--;
    bool cut = begin > 0 && (unsigned char)text[begin - 1] >= 0xc2 &&
               text_first((struct span){text + begin - 1, len - begin + 1}).code == TEXT_BROKEN;
    return (struct span){text, cut ? begin - 1 : len};
}

/* The text of an argument; `number` is where it is written if it is none. */
static struct span text_argument(struct arguments *a, const struct conversion *c, char *number, size_t size)
{
    int n = 0;
    switch (c->letter) {
    case 's': return bounded_text(va_arg(a->list, const char *), c->precision);
    case 'c':
        n = 1;
        *number = (char)va_arg(a->list, int);
        break;
    case 'f': n = snprintf(number, size, "%.*f", c->precision < 0 ? 6 : c->precision, va_arg(a->list, double)); break;
    case 'd': n = snprintf(number, size, "%lld", number_argument(a, c)); break;
    case 'u': n = snprintf(number, size, "%llu", (unsigned long long)number_argument(a, c)); break;
    case '%':
        n = 1;
        *number = '%';
        break;
    default: abort(); /* a format of ours has what print.h does not list */
    }
    return (struct span){number, (size_t)n < size ? (size_t)n : size - 1};
}

static int print_arguments(FILE *to, const char *format, struct arguments *a)
{
    char number[400]; /* digits of any double */
    struct conversion c;
    size_t plain, all;
    while (*format) {
        plain = strcspn(format, "%");
        print_bytes(to, (struct span){format, plain});
        format += plain;
        if (!*format)
            break;
        format = take_conversion(format + 1, a, &c);
        struct span text = text_argument(a, &c, number, sizeof number);
        int columns = fit_text(text, 0, &all);
        pad(to, c.left ? 0 : c.width - columns);
        print_whole(to, text);
        pad(to, c.left ? c.width - columns : 0);
    }
    return ferror(to) ? -1 : 0;
}

int print_out(const char *format, ...)
{
    struct arguments a;
    va_start(a.list, format);
    int result = print_arguments(stdout, format, &a);
    va_end(a.list);
    return result;
}

/* Standard error has no buffer: a line is composed first, so that it stays whole beside those of other processes. */
int print_err(const char *format, ...)
{
    struct arguments a;
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    va_start(a.list, format);
    int result = print_arguments(to ? to : stderr, format, &a);
    va_end(a.list);
    if (to && fclose(to) == 0)
        print_bytes(stderr, (struct span){text, len});
    free(text);
    return result == 0 && !ferror(stderr) ? 0 : -1;
}

int print_to(FILE *to, const char *format, ...)
{
    struct arguments a;
    va_start(a.list, format);
    int result = print_arguments(to, format, &a);
    va_end(a.list);
    return result;
}
