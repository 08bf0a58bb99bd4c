/* SPDX-License-Identifier: MIT
 * print: what a terminal gets of any bytes. */
#include "base/print.h"
#include "base/text.h"
#include "unit.h"

static char printed[8192];
static FILE *to;

static void begin(void) { to = fmemopen(memset(printed, 0, sizeof printed), sizeof printed, "w"); }

static const char *end(void)
{
    fclose(to);
    return printed;
}

static const char *text_of(const char *text, int columns)
{
    begin();
    print_text(to, span_of(text), columns);
    return end();
}

static const char *json_of(struct span text)
{
    begin();
    print_json(to, text);
    return end();
}

static const char *quoted(const char *text)
{
    begin();
    print_quoted(to, text);
    return end();
}

static void ordinary_text_is_printed_as_it_is(void **state)
{
    (void)state;
    assert_string_equal(text_of("M\xc3\xbcller \\x1b 'a' \xe6\x97\xa5 \xf0\x9f\x98\x80", 0),
                        "M\xc3\xbcller \\x1b 'a' \xe6\x97\xa5 \xf0\x9f\x98\x80");
}

static void no_byte_of_a_hidden_character_is_printed(void **state)
{
    (void)state;
    static const char *const hidden[][2] = {
        {"\x1b[2J", "\\x1b[2J"},
        {"\a\r\x7f", "\\x07\\x0d\\x7f"},
        {"a\nb\tc", "a\\nb\\tc"},
        {"\xc2\x80\xc2\x9f", "\\xc2\\x80\\xc2\\x9f"}, /* C1 */
        {"\x9b"
         "31m",
         "\\x9b31m"},               /* the same as a byte */
        {"\xd8\x9c", "\\xd8\\x9c"}, /* U+061C */
        {"\xe2\x80\x8b\xe2\x80\x8f", "\\xe2\\x80\\x8b\\xe2\\x80\\x8f"},
        {"\xe2\x80\xa8\xe2\x80\xae", "\\xe2\\x80\\xa8\\xe2\\x80\\xae"},
        {"\xe2\x81\xa6\xe2\x81\xa9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9"},
        {"\xef\xbb\xbf", "\\xef\\xbb\\xbf"},          /* a byte order mark */
        {"\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"}, /* a tag */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* half of a pair */
        {"\xc0\x9b\xe2\x80", "\\xc0\\x9b\\xe2\\x80"},
    };
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        assert_string_equal(text_of(hidden[i][0], 0), hidden[i][1]);
        assert_true(text_hides(span_of(hidden[i][0])));
    }
}

static void columns_are_those_of_a_terminal(void **state)
{
    (void)state;
    assert_string_equal(text_of("M\xc3\xbcller", 8), "M\xc3\xbcller  ");
    assert_string_equal(text_of("\xe6\x97\xa5\xe6\x9c\xac", 6), "\xe6\x97\xa5\xe6\x9c\xac  ");
    assert_string_equal(text_of("\xe6\x97\xa5\xe6\x9c\xac", 3), "\xe6\x97\xa5 ");
    assert_string_equal(text_of("e\xcc\x81z", 3), "e\xcc\x81z ");
    assert_string_equal(text_of("e\xcc\x81z", 1), "e\xcc\x81");
    assert_string_equal(text_of("ab\x1b"
                                "c",
                                6),
                        "ab\\x1b");
    assert_string_equal(text_of("abc\x1b", 6), "abc   ");
}

static void a_format_prints_its_arguments_safely(void **state)
{
    (void)state;
    begin();
    print_to(to, "\r\033[K%5s|%-5s|%*s|%.3s|%.*s|%c|%%|%lld|%-4d|%zu|%u|%6.2f|%s", "a\x1b", "\xc3\xbc", 4, "x",
             "abcdef", 4, "ab\xe6\x97\xa5", '\a', -5LL, 12, (size_t)7, 8u, 1.5, "\n");
    assert_string_equal(end(), "\r\033[Ka\\x1b|\xc3\xbc    |   x|abc|ab|\\x07|%|-5|12  |7|8|  1.50|\\n");
}

static void json_says_the_same_with_no_hidden_character(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(json_of(TEXT("{\"a\":\"\x7f\xc2\x9b\xe2\x80\xae\xf3\xa0\x81\x81\xc3\xbc\xff\"}\n")),
                        "{\"a\":\"\\u007f\\u009b\\u202e\\udb40\\udc41\xc3\xbc\\ufffd\"}\n");
    struct span text = TEXT("\"\\\n\0\x1b");
    size_t n = text_json(text, out);
    assert_true(n <= text_json_size(text));
    assert_string_equal(json_of((struct span){out, n}), "\"\\\"\\\\\\n\\u0000\\u001b\"");
}

static void a_word_for_a_shell_can_be_copied(void **state)
{
    (void)state;
    assert_string_equal(quoted("it's \\ $HOME"), "'it'\\''s \\ $HOME'");
    assert_string_equal(quoted("it's\x1b\\\n"), "$'it\\047s\\x1b\\\\\\n'");
    begin();
    print_word(to, "www-data");
    print_word(to, "a b");
    print_word(to, "");
    assert_string_equal(end(), "www-data'a b'''");
}

static void a_paragraph_is_no_wider_than_80_columns(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'a', sizeof text);
    text[70] = ' ';
    text[80] = '\x1b';
    begin();
    print_wrapped(to, (struct span){text, sizeof text}, 4);
    end();
    assert_non_null(strchr(printed, '\n'));
    for (char *line = strtok(printed, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 80);
}

static void a_name_is_fit_for_a_path(void **state)
{
    (void)state;
    static const char *const names[] = {"live", "a.b-c_D9", "...", ".a"};
    static const char *const others[] = {"", ".", "..", "a/b", "../a", "a b", "a\n", "a=b", "\xc3\xbc", "\x1b"};
    char longest[TEXT_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(text_is_name(span_of(names[i])));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(text_is_name(span_of(others[i])));
    assert_true(text_is_name((struct span){longest, TEXT_NAME_MAX}));
    assert_false(text_is_name((struct span){longest, TEXT_NAME_MAX + 1}));
    assert_false(text_is_name(TEXT("a\0b")));
}

int main(void)
{
    const struct CMUnitTest print[] = {
        cmocka_unit_test(ordinary_text_is_printed_as_it_is),
        cmocka_unit_test(no_byte_of_a_hidden_character_is_printed),
        cmocka_unit_test(columns_are_those_of_a_terminal),
        cmocka_unit_test(a_format_prints_its_arguments_safely),
        cmocka_unit_test(json_says_the_same_with_no_hidden_character),
        cmocka_unit_test(a_word_for_a_shell_can_be_copied),
        cmocka_unit_test(a_paragraph_is_no_wider_than_80_columns),
        cmocka_unit_test(a_name_is_fit_for_a_path),
    };
    return UNIT_RUN(print);
}
