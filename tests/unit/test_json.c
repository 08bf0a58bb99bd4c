/* SPDX-License-Identifier: MIT
 * json: a strict scanner; the cases name what RFC 8259 and RFC 3629 say. */
#include "base/json.h"
#include "unit.h"

#include <sys/mman.h>

static const char *ignore(void *ctx, const struct json_member *m)
{
    (void)ctx;
    (void)m;
    return NULL;
}

/*
 * Scan {"x":VALUE}, and every beginning of it, each ending just before an unreadable page: reading past the end
 * crashes, and no beginning may be accepted.
 * idea: picohttpparser's tests
 */
static bool accepts(struct span value)
{
    enum { PAGE = 4096 };
    char text[PAGE];
    size_t len = (size_t)snprintf(text, sizeof text, "{\"x\":") + value.len + 1;
    memcpy(text + 5, value.at, value.len);
    text[len - 1] = '}';
    char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mprotect(map + PAGE, PAGE, PROT_NONE), 0);
    const char *why = NULL;
    for (size_t cut = 0; cut <= len; cut++) {
        char *at = map + PAGE - cut;
        memcpy(at, text, cut);
        why = json_scan((struct span){at, cut}, ignore, NULL);
        if (cut < len && why == NULL && text[cut - 1] != '}')
            fail_msg("accepted the first %zu bytes of %s", cut, text);
    }
    munmap(map, 2 * PAGE);
    return why == NULL;
}

static void good_values_are_accepted(void **state)
{
    (void)state;
    const struct span good[] = {
        TEXT("0"),
        TEXT("-0"),
        TEXT("-1"),
        TEXT("10"),
        TEXT("1.0"),
        TEXT("1e2"),
        TEXT("1E+2"),
        TEXT("0.1e-2"),
        TEXT("123456789012345678901234567890"),
        TEXT("true"),
        TEXT("false"),
        TEXT("null"),
        TEXT("[]"),
        TEXT("{}"),
        TEXT("[1, [2], {\"a\": [3]}]"),
        TEXT(" \t\r\n1 \t\r\n"),
        TEXT("\"\""),
        TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
        TEXT("\"\\u0000\""),
        TEXT("\"\\uD83D\\ude00\""),
        TEXT("\"\\ud800\""),
        TEXT("\"\x7f\""),
        TEXT("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\""),
        TEXT("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
        TEXT("{\"a\":1,\"a\":2}"),
        TEXT("\"\xed\x9f\xbf\xee\x80\x80\""),
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!accepts(good[i]))
            fail_msg("refused: %s", good[i].at);
}

static void bad_values_are_refused(void **state)
{
    (void)state;
    const struct span bad[] = {
        TEXT(""),
        TEXT("01"),
        TEXT("-"),
        TEXT("+1"),
        TEXT(".1"),
        TEXT("1."),
        TEXT("1e"),
        TEXT("1e+"),
        TEXT("0x1"),
        TEXT("-01"),
        TEXT("1 2"),
        TEXT("NaN"),
        TEXT("Infinity"),
        TEXT("tru"),
        TEXT("True"),
        TEXT("nullx"),
        TEXT("[1,]"),
        TEXT("[,1]"),
        TEXT("[1 2]"),
        TEXT("[1"),
        TEXT("]"),
        TEXT("[1}"),
        TEXT("{\"a\":1]"),
        TEXT("{\"a\"}"),
        TEXT("{\"a\":}"),
        TEXT("{\"a\":1,}"),
        TEXT("{,\"a\":1}"),
        TEXT("{a:1}"),
        TEXT("{1:1}"),
        TEXT("{\"a\" 1}"),
        TEXT("'a'"),
        TEXT("\"a"),
        TEXT("\"\\x\""),
        TEXT("\"\\\""),
        TEXT("\"\\u12\""),
        TEXT("\"\\u12g4\""),
        TEXT("\"\\U0041\""),
        TEXT("\"\n\""),
        TEXT("\"\t\""),
        TEXT("\"\0\""),
        TEXT("1\0"),
        TEXT("\"\x80\""),
        TEXT("\"\xc3\""),
        TEXT("\"\xc0\xaf\""),
        TEXT("\"\xc1\xbf\""),
        TEXT("\"\xe0\x9f\xbf\""),
        TEXT("\"\xed\xa0\x80\""),
        TEXT("\"\xf0\x8f\xbf\xbf\""),
        TEXT("\"\xf4\x90\x80\x80\""),
        TEXT("\"\xf5\x80\x80\x80\""),
        TEXT("\"\xff\""),
        TEXT("\"\xe2\x82\""),
        TEXT("1//x"),
        TEXT("/**/1"),
        TEXT("\f1"),
        TEXT("\xef\xbb\xbf"
             "1"),
        TEXT("1}"),
        TEXT("[][]"),
        TEXT("\"a\"\"b\""),
        TEXT("\"\\\0\""),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (accepts(bad[i]))
            fail_msg("accepted case %zu: %s", i, bad[i].at);
}

static void only_a_whole_object_counts(void **state)
{
    (void)state;
    assert_string_equal(json_scan(TEXT(""), ignore, NULL), "empty");
    assert_string_equal(json_scan(TEXT(" \n"), ignore, NULL), "empty");
    assert_string_equal(json_scan(TEXT("[]"), ignore, NULL), "not an object");
    assert_string_equal(json_scan(TEXT("\"{}\""), ignore, NULL), "not an object");
    assert_string_equal(json_scan(TEXT("{}x"), ignore, NULL), "something stands behind the object");
    assert_non_null(json_scan(TEXT("\xef\xbb\xbf{}"), ignore, NULL));
    assert_null(json_scan(TEXT(" {} \n"), ignore, NULL));
}

static const char *nested(size_t depth, char *text)
{
    memcpy(text, "{\"x\":", 5);
    memset(text + 5, '[', depth);
    memset(text + 5 + depth, ']', depth);
    text[5 + 2 * depth] = '}';
    return json_scan((struct span){text, 6 + 2 * depth}, ignore, NULL);
}

static void depth_512_is_the_deepest(void **state)
{
    (void)state;
    static char text[300000];
    assert_null(nested(JSON_DEPTH_MAX - 1, text));
    assert_string_equal(nested(JSON_DEPTH_MAX, text), "nested too deeply");
    assert_string_equal(nested(100000, text), "nested too deeply");
}

static const char *collect(void *ctx, const struct json_member *m)
{
    char *out = ctx;
    sprintf(out + strlen(out), "%.*s=%.*s;", (int)m->name.len, m->name.at, (int)m->value.len, m->value.at);
    return NULL;
}

static void members_of_the_outermost_object_are_shown_exactly(void **state)
{
    (void)state;
    char out[200] = "";
    assert_null(
        json_scan(TEXT(" { \"a\" : 1.50 , \"b\":{\"c\": [ 1 ]} ,\"\\u0064\":\"x\\\"y\",\"e\":[]\n}"), collect, out));
    assert_string_equal(out, "a=1.50;b={\"c\": [ 1 ]};\\u0064=\"x\\\"y\";e=[];");
}

static void names_are_compared_after_unescaping_and_with_their_length(void **state)
{
    (void)state;
    assert_true(json_spells(TEXT("id"), "id"));
    assert_true(json_spells(TEXT("\\u0069d"), "id"));
    assert_false(json_spells(TEXT("id\\u0000"), "id"));
    assert_false(json_spells(TEXT("id\\u0000x"), "id"));
    assert_false(json_spells(TEXT("i"), "id"));
    assert_false(json_spells(TEXT("idx"), "id"));
    assert_true(json_same(TEXT("\\u00e9"), TEXT("\xc3\xa9")));
    assert_true(json_same(TEXT("\\ud83d\\ude00"), TEXT("\xf0\x9f\x98\x80")));
    assert_true(json_same(TEXT("a\\/b"), TEXT("a/b")));
    assert_false(json_same(TEXT("\\ud83d"), TEXT("\\ude00")));
    assert_false(json_same(TEXT("a"), TEXT("a\\u0000")));
    assert_true(json_hash(TEXT("\\u0069d")) == json_hash(TEXT("id")));
    assert_true(json_hash(TEXT("\\u00e9")) == json_hash(TEXT("\xc3\xa9")));
}

static void unescaping_refuses_what_is_no_text(void **state)
{
    (void)state;
    char out[8];
    assert_int_equal(json_unescape(TEXT("a\\n\\u00e9"), out, sizeof out), 4);
    assert_memory_equal(out, "a\n\xc3\xa9", 4);
    assert_int_equal(json_unescape(TEXT("\\ud83d\\ude00"), out, sizeof out), 4);
    assert_memory_equal(out, "\xf0\x9f\x98\x80", 4);
    assert_int_equal(json_unescape(TEXT("\\u0000"), out, sizeof out), -1);
    assert_int_equal(json_unescape(TEXT("\\ud83d"), out, sizeof out), -1);
    assert_int_equal(json_unescape(TEXT("\\ude00\\ud83d"), out, sizeof out), -1);
    assert_int_equal(json_unescape(TEXT("123456789"), out, sizeof out), -1);
    assert_int_equal(json_unescape(TEXT("12345678"), out, sizeof out), 8);
}

struct elements {
    size_t n;
    char text[64];
};

static const char *note_element(void *ctx, const struct json_member *m)
{
    struct elements *all = ctx;
    assert_null(m->name.at);
    snprintf(all->text + strlen(all->text), sizeof all->text - strlen(all->text), "%.*s|", (int)m->value.len,
             m->value.at);
    return ++all->n == 4 ? "enough" : NULL;
}

static void elements_of_the_outermost_array_are_shown_exactly(void **state)
{
    struct elements all = {0}, none = {0}, some = {0};
    (void)state;
    assert_null(json_each(TEXT(" [ {\"a\":[1]} , [2,3],\"x\" ] "), note_element, &all));
    assert_string_equal(all.text, "{\"a\":[1]}|[2,3]|\"x\"|");
    assert_null(json_each(TEXT("[]"), note_element, &none));
    assert_int_equal(none.n, 0);
    assert_string_equal(json_each(TEXT("[1,2,3,4,5]"), note_element, &some), "enough");
    assert_non_null(json_each(TEXT("{}"), note_element, &none));
    assert_non_null(json_each(TEXT("[1]x"), note_element, &none));
    assert_non_null(json_each(TEXT("[1,]"), note_element, &none));
}

static void members_are_picked_by_their_names(void **state)
{
    struct json_wanted wanted[] = {{.name = "id"}, {.name = "none"}, {.name = "empty"}};
    (void)state;
    assert_null(json_pick(TEXT("{\"id\":1,\"x\":{\"id\":2},\"\\u0069d\":3,\"empty\":null}"), wanted, 3));
    assert_true(span_equal(wanted[0].value, span_of("3")));
    assert_null(wanted[1].value.at);
    assert_null(wanted[2].value.at);
    assert_non_null(json_pick(TEXT("{\"id\":1"), wanted, 3));
    assert_null(json_pick(TEXT("{}"), wanted, 3));
    assert_null(wanted[0].value.at);
}

int main(void)
{
    const struct CMUnitTest json[] = {
        cmocka_unit_test(good_values_are_accepted),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(only_a_whole_object_counts),
        cmocka_unit_test(depth_512_is_the_deepest),
        cmocka_unit_test(members_of_the_outermost_object_are_shown_exactly),
        cmocka_unit_test(names_are_compared_after_unescaping_and_with_their_length),
        cmocka_unit_test(unescaping_refuses_what_is_no_text),
        cmocka_unit_test(elements_of_the_outermost_array_are_shown_exactly),
        cmocka_unit_test(members_are_picked_by_their_names),
    };
    return UNIT_RUN(json);
}
