/* SPDX-License-Identifier: MIT
 * json: a strict scanner of RFC 8259 text. */
#include "json.h"

#include "text.h"

typedef const unsigned char *bytes;

struct scan {
    bytes p, end;
    const char *why;                          /* first thing wrong, or NULL */
    unsigned depth;                           /* containers open */
    unsigned char object[JSON_DEPTH_MAX + 1]; /* is the n-th open container an object? */
};

static bool fail_json(struct scan *s, const char *why)
{
    s->why = why;
    return false;
}

static void skip_blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

static int hex4(bytes p, bytes end)
{
    int value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = p[i], d = c >= '0' && c <= '9'                 ? c - '0'
                          : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                               : -1;
        if (d < 0)
            return -1;
        value = value << 4 | d;
    }
    return value;
}

static bool scan_escape(struct scan *s)
{
    if (s->p == s->end)
        return fail_json(s, "unfinished string");
    int c = *s->p++;
    if (c == 'u') {
        if (hex4(s->p, s->end) < 0)
            return fail_json(s, "wrong \\u escape");
        s->p += 4;
        return true;
    }
    return strchr("\"\\/bfnrt", c) && c ? true : fail_json(s, "wrong escape");
}

/* Is one of these eight bytes a control character, a quote, a backslash or not ASCII? */
static bool any_special(uint64_t w)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t quote = w ^ ones * '"', backslash = w ^ ones * '\\';
    return ((w | ((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & highs) !=
           0;
}

/* Pass over plain characters, for as long as eight of them stand together. */
static void skip_plain(struct scan *s)
{
    for (uint64_t w; s->end - s->p >= (ptrdiff_t)sizeof w; s->p += sizeof w) {
        memcpy(&w, s->p, sizeof w);
        if (any_special(w))
            return;
    }
}

/* At the opening quote; *inside is what stands between the quotes. */
static bool scan_string(struct scan *s, struct span *inside)
{
    bytes start = ++s->p;
    for (skip_plain(s); s->p < s->end;) {
        unsigned c = *s->p;
        if (c == '"') {
            *inside = (struct span){(const char *)start, (size_t)(s->p - start)};
            s->p++;
            return true;
        }
        if (c < 0x20)
            return fail_json(s, "control character in a string");
        if (c == '\\') {
            s->p++;
            if (!scan_escape(s))
                return false;
            skip_plain(s);
        } else if (c < 0x80) {
            s->p++;
        } else {
            unsigned n = text_utf8_length(s->p, s->end);
            if (n == 0)
                return fail_json(s, "not valid UTF-8");
            s->p += n;
        }
    }
    return fail_json(s, "unfinished string");
}

static bool scan_digits(struct scan *s)
{
    bytes start = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > start;
}

static bool scan_number(struct scan *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (!scan_digits(s))
        return fail_json(s, "wrong number");
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!scan_digits(s))
            return fail_json(s, "wrong number");
    }
    if (s->p < s->end && (*s->p | 32) == 'e') {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (!scan_digits(s))
            return fail_json(s, "wrong number");
    }
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return fail_json(s, "unknown word");
    s->p += n;
    return true;
}

static bool open_container(struct scan *s, bool object)
{
    if (s->depth == JSON_DEPTH_MAX)
        return fail_json(s, "nested too deeply");
    s->object[++s->depth] = object;
    s->p++;
    return true;
}

/* A scalar whole, or the opening of a container. */
static bool scan_value(struct scan *s, bool *opened)
{
    struct span unused;
    *opened = false;
    if (s->p == s->end)
        return fail_json(s, "unfinished");
    switch (*s->p) {
    case '{':
    case '[': *opened = true; return open_container(s, *s->p == '{');
    case '"': return scan_string(s, &unused);
    case 't': return scan_word(s, "true");
    case 'f': return scan_word(s, "false");
    case 'n': return scan_word(s, "null");
    default:
        if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9'))
            return scan_number(s);
        return fail_json(s, "unexpected character");
    }
}

static bool scan_name(struct scan *s, struct span *name)
{
    if (s->p == s->end || *s->p != '"')
        return fail_json(s, "a member's name is missing");
    if (!scan_string(s, name))
        return false;
    skip_blanks(s);
    if (s->p == s->end || *s->p != ':')
        return fail_json(s, "a colon is missing");
    s->p++;
    skip_blanks(s);
    return true;
}

/* Does the innermost open container end here? */
static bool closes(const struct scan *s) { return s->p < s->end && *s->p == (s->object[s->depth] ? '}' : ']'); }

/* From behind a container's opening to behind the outermost closing; members at depth 1 are visited. */
static bool scan_inside(struct scan *s, json_visit *visit, void *ctx)
{
    struct json_member m = {{0}, {0}};
    bool first = true; /* just behind an opening: no comma is due */
    while (s->depth) {
        bool opened = false;
        skip_blanks(s);
        if (closes(s)) {
            s->p++;
            s->depth--;
        } else {
            if (!first && (s->p == s->end || *s->p++ != ','))
                return fail_json(s, "a comma or a closing bracket is missing");
            skip_blanks(s);
            struct span name = {0};
            if (s->object[s->depth] && !scan_name(s, &name))
                return false;
            if (s->depth == 1) {
                m.name = name;
                m.value.at = (const char *)s->p;
            }
            if (!scan_value(s, &opened))
                return false;
        }
        first = opened;
        if (s->depth == 1 && !opened) { /* a member has ended */
            m.value.len = (size_t)((const char *)s->p - m.value.at);
            if ((s->why = visit(ctx, &m)))
                return false;
        }
    }
    return true;
}

/* Check a container whole and visit what is in it. */
static const char *scan_outermost(struct span text, bool object, json_visit *visit, void *ctx)
{
    struct scan s; /* object[] is written before it is read */
    s.p = (bytes)text.at;
    s.end = s.p + text.len;
    s.why = NULL;
    s.depth = 0;
    skip_blanks(&s);
    if (s.p == s.end)
        return "empty";
    if (*s.p != (object ? '{' : '['))
        return object ? "not an object" : "not an array";
    if (!open_container(&s, object) || !scan_inside(&s, visit, ctx))
        return s.why;
    skip_blanks(&s);
    return s.p == s.end ? NULL : object ? "something stands behind the object" : "something stands behind the array";
}

const char *json_scan(struct span text, json_visit *visit, void *ctx)
{
    return scan_outermost(text, true, visit, ctx);
}

const char *json_each(struct span text, json_visit *visit, void *ctx)
{
    return scan_outermost(text, false, visit, ctx);
}

struct pick {
    struct json_wanted *wanted;
    size_t n;
};

static const char *pick_member(void *ctx, const struct json_member *m)
{
    const struct pick *p = ctx;
    for (size_t i = 0; i < p->n; i++)
        if (json_spells(m->name, p->wanted[i].name))
            p->wanted[i].value = span_equal(m->value, span_of("null")) ? (struct span){0} : m->value;
    return NULL;
}

const char *json_pick(struct span text, struct json_wanted *wanted, size_t n)
{
    struct pick p = {wanted, n};
    for (size_t i = 0; i < n; i++)
        wanted[i].value = (struct span){0};
    return json_scan(text, pick_member, &p);
}

struct span json_string(struct span value)
{
    if (value.len < 2 || value.at[0] != '"')
        return (struct span){0};
    return (struct span){value.at + 1, value.len - 2};
}

/*
 * The next character of an already scanned string: 1 to 4 bytes at `out`, 0 at the end. Half a surrogate
 * pair gives the three bytes that its number would have (0xED 0xA0.. to 0xBF..): no valid text does.
 */
static unsigned next_char(bytes *p, bytes end, unsigned char out[4])
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (*p == end)
        return 0;
    if (**p != '\\') {
        out[0] = *(*p)++;
        return 1;
    }
    unsigned c = (*p)[1];
    *p += 2;
    if (c != 'u') {
        out[0] = (unsigned char)to[strchr(from, (int)c) - from];
        return 1;
    }
    c = (unsigned)hex4(*p, end);
    *p += 4;
    if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        int low = hex4(*p + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + ((unsigned)low - 0xdc00);
            *p += 6;
        }
    }
    return text_utf8_write(c, out);
}

int json_unescape(struct span inside, char *out, size_t cap)
{
    bytes p = (bytes)inside.at, end = p + inside.len;
    unsigned char c[4];
    size_t len = 0;
    for (unsigned n; (n = next_char(&p, end, c)); len += n) {
        if (len + n > cap || c[0] == 0 || (n == 3 && c[0] == 0xed && c[1] > 0x9f))
            return -1;
        memcpy(out + len, c, n);
    }
    return (int)len;
}

bool json_spells(struct span inside, const char *text)
{
    if (inside.len == 0 || (inside.at[0] != *text && inside.at[0] != '\\')) /* most names, at once */
        return inside.len == 0 && *text == '\0';
    bytes p = (bytes)inside.at, end = p + inside.len;
    unsigned char c[4];
    for (unsigned n; (n = next_char(&p, end, c)); text += n)
        if (strncmp(text, (const char *)c, n) != 0 || c[0] == 0)
            return false;
    return *text == '\0';
}

uint64_t json_hash(struct span inside)
{
    bytes p = (bytes)inside.at, end = p + inside.len;
    unsigned char c[4];
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (unsigned n; (n = next_char(&p, end, c));)
        for (unsigned i = 0; i < n; i++)
            hash = (hash ^ c[i]) * 0x100000001b3u;
    return hash;
}

int json_order(struct span a, struct span b)
{
    bytes p = (bytes)a.at, p_end = p + a.len, q = (bytes)b.at, q_end = q + b.len;
    unsigned char c[4], d[4];
    unsigned i = 0, n = 0, j = 0,
             m = 0; /* c[i..n) and d[j..m) are not compared yet: characters differ in how they come */
    for (;;) {
        if (i == n)
            i = 0, n = next_char(&p, p_end, c);
        if (j == m)
            j = 0, m = next_char(&q, q_end, d);
        if (n == 0 || m == 0)
            return (n > 0) - (m > 0);
        int order = c[i++] - d[j++];
        if (order)
            return order;
    }
}

bool json_same(struct span a, struct span b) { return json_order(a, b) == 0; }
