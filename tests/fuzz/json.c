/* SPDX-License-Identifier: MIT
 * fuzz: the JSON scanner accepts exactly RFC 8259, as a reader written anew here and, where it can, cJSON say too. */
#include "base/json.h"
#include "fuzz.h"

#include <cjson/cJSON.h>

/* ---- a reader as the grammar is written, in the order of RFC 8259 ---- */

struct text {
    const unsigned char *p, *end;
    unsigned depth;
};

static bool read_value(struct text *t);

static void read_blanks(struct text *t)
{
    while (t->p < t->end && strchr(" \t\r\n", *t->p) && *t->p)
        t->p++;
}

static bool read_char(struct text *t, int c)
{
    if (t->p == t->end || *t->p != c)
        return false;
    t->p++;
    return true;
}

static bool read_word(struct text *t, const char *word)
{
    while (*word)
        if (!read_char(t, *word++))
            return false;
    return true;
}

/* One code point of RFC 3629, by its value. */
static bool read_utf8(struct text *t)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = *t->p++;
    int n = c >> 7 == 0 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
    if (n == 0)
        return false;
    c &= n == 1 ? 0x7f : 0xffu >> (n + 1);
    for (int i = 1; i < n; i++) {
        if (t->p == t->end || *t->p >> 6 != 2)
            return false;
        c = c << 6 | (*t->p++ & 0x3f);
    }
    return c >= least[n] && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
}

static bool read_string(struct text *t)
{
    if (!read_char(t, '"'))
        return false;
    while (t->p < t->end && *t->p != '"') {
        if (*t->p < 0x20)
            return false;
        if (*t->p != '\\') {
            if (!read_utf8(t))
                return false;
            continue;
        }
        t->p++;
        if (read_char(t, 'u')) {
            for (int i = 0; i < 4; i++, t->p++)
                if (t->p == t->end || !strchr("0123456789abcdefABCDEF", *t->p) || !*t->p)
                    return false;
        } else if (t->p == t->end || !*t->p || !strchr("\"\\/bfnrt", *t->p++))
            return false;
    }
    return read_char(t, '"');
}

static bool read_digits(struct text *t)
{
    const unsigned char *start = t->p;
    while (t->p < t->end && *t->p >= '0' && *t->p <= '9')
        t->p++;
    return t->p > start;
}

static bool read_number(struct text *t)
{
    read_char(t, '-');
    if (!read_char(t, '0') && !read_digits(t))
        return false;
    if (read_char(t, '.') && !read_digits(t))
        return false;
    if (read_char(t, 'e') || read_char(t, 'E')) {
        if (!read_char(t, '+'))
            read_char(t, '-');
        return read_digits(t);
    }
    return true;
}

static bool read_list(struct text *t, char open, char close)
{
    if (!read_char(t, open) || ++t->depth > JSON_DEPTH_MAX)
        return false;
    read_blanks(t);
    if (!read_char(t, close)) {
        do {
            read_blanks(t);
            if (open == '{') {
                if (!read_string(t))
                    return false;
                read_blanks(t);
                if (!read_char(t, ':'))
                    return false;
                read_blanks(t);
            }
            if (!read_value(t))
                return false;
            read_blanks(t);
        } while (read_char(t, ','));
        if (!read_char(t, close))
            return false;
    }
    t->depth--;
    return true;
}

static bool read_value(struct text *t)
{
    if (t->p == t->end)
        return false;
    switch (*t->p) {
    case '{': return read_list(t, '{', '}');
    case '[': return read_list(t, '[', ']');
    case '"': return read_string(t);
    case 't': return read_word(t, "true");
    case 'f': return read_word(t, "false");
    case 'n': return read_word(t, "null");
    default: return read_number(t);
    }
}

static bool read_object(struct span all)
{
    struct text t = {(const unsigned char *)all.at, (const unsigned char *)all.at + all.len, 0};
    read_blanks(&t);
    bool good = read_list(&t, '{', '}');
    read_blanks(&t);
    return good && t.p == t.end;
}

/* ---- what is accepted ---- */

enum { MEMBERS_MAX = 64 };

struct members {
    struct span all;
    size_t n;
    struct json_member list[MEMBERS_MAX];
};

static bool inside(struct span part, struct span all)
{
    return part.at >= all.at && part.at + part.len <= all.at + all.len;
}

static const char *visit(void *ctx, const struct json_member *m)
{
    struct members *members = ctx;
    FUZZ_CHECK(inside(m->name, members->all) && inside(m->value, members->all) && m->value.len > 0);
    FUZZ_CHECK(m->name.at[-1] == '"' && m->name.at[m->name.len] == '"');
    if (members->n < MEMBERS_MAX)
        members->list[members->n] = *m;
    members->n++;
    return NULL;
}

/* cJSON refuses halves of surrogate pairs and numbers of more than 63 characters, and cuts texts at \u0000. */
static bool beyond_cjson(struct span text)
{
    size_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        number = strchr("+-.0123456789eE", text.at[i]) && text.at[i] ? number + 1 : 0;
        if (number > 62)
            return true;
        if (text.len - i >= 6 && memcmp(text.at + i, "\\u", 2) == 0 &&
            (strchr("dD", text.at[i + 2]) || memcmp(text.at + i, "\\u0000", 6) == 0))
            return true;
    }
    return false;
}

static void compare_member(const struct json_member *m, const cJSON *theirs)
{
    char text[1024];
    int len = json_unescape(m->name, text, sizeof text - 1);
    if (len >= 0) {
        text[len] = '\0';
        FUZZ_CHECK(strcmp(text, theirs->string) == 0);
        FUZZ_CHECK(json_spells(m->name, text));
    } else
        FUZZ_CHECK(m->name.len > sizeof text - 1);
    struct span string = json_string(m->value);
    FUZZ_CHECK((string.at != NULL) == (cJSON_IsString(theirs) != 0));
    if (string.at && (len = json_unescape(string, text, sizeof text - 1)) >= 0)
        FUZZ_CHECK(strlen(theirs->valuestring) == (size_t)len && memcmp(text, theirs->valuestring, (size_t)len) == 0);
    FUZZ_CHECK(cJSON_IsObject(theirs) == (m->value.at[0] == '{') && cJSON_IsArray(theirs) == (m->value.at[0] == '['));
}

static void compare_with_cjson(const struct members *members)
{
    const char *end;
    cJSON *tree = cJSON_ParseWithLengthOpts(members->all.at, members->all.len, &end, 0);
    FUZZ_CHECK(tree && cJSON_IsObject(tree));
    FUZZ_CHECK((size_t)cJSON_GetArraySize(tree) == members->n);
    const cJSON *theirs = tree->child;
    for (size_t i = 0; i < members->n && i < MEMBERS_MAX; i++, theirs = theirs->next)
        compare_member(&members->list[i], theirs);
    cJSON_Delete(tree);
}

/* Names are equal when they spell the same, and then their hashes are too. */
static void compare_names(struct span a, struct span b)
{
    char x[1024], y[1024];
    int n = json_unescape(a, x, sizeof x), m = json_unescape(b, y, sizeof y);
    FUZZ_CHECK(json_same(a, b) == json_same(b, a));
    FUZZ_CHECK(!json_same(a, b) || json_hash(a) == json_hash(b));
    if (n >= 0 && m >= 0)
        FUZZ_CHECK(json_same(a, b) == (n == m && memcmp(x, y, (size_t)n) == 0));
    else if (a.len < sizeof x && b.len < sizeof y)
        FUZZ_CHECK((n < 0 && m < 0) || !json_same(a, b)); /* one is no text: U+0000, half a pair */
    FUZZ_CHECK(json_same(a, a) && json_same(b, b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct members members = {.all = {(const char *)data, size}};
    const char *why = json_scan(members.all, visit, &members);
    FUZZ_CHECK((why == NULL) == read_object(members.all));
    if (why)
        return 0;
    if (!beyond_cjson(members.all))
        compare_with_cjson(&members);
    for (size_t i = 0; i < members.n && i < MEMBERS_MAX; i++) {
        compare_names(members.list[i].name, members.list[(i + 1) % members.n % MEMBERS_MAX].name);
        json_spells(members.list[i].name, "payload");
        if (members.list[i].value.at[0] == '{') /* what a member holds is accepted by itself */
            FUZZ_CHECK(json_scan(members.list[i].value, visit, &(struct members){.all = members.list[i].value}) ==
                       NULL);
    }
    return 0;
}
