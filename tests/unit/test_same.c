/* SPDX-License-Identifier: MIT
 * same: one value has all that another says, or it has not. */
#include "tool/same.h"
#include "unit.h"

static int same(const char *says, const char *is)
{
    struct err e = {0};
    return same_value((struct span){says, strlen(says)}, (struct span){is, strlen(is)}, &e);
}

struct pair {
    const char *says, *is;
};

static void pairs_of_which_one_has_what_the_other_says(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"1", "1"},
        {"null", "null"},
        {"null", ""},
        {"\"\\u00e9\"", "\"\xc3\xa9\""},
        {"{}", "{}"},
        {"{}", "{\"a\":1}"},
        {"{\"a\":1,\"b\":2}", "{ \"b\" : 2 ,\n\"c\":3, \"a\":1 }"},
        {"{\"\\u0061\":1}", "{\"a\":1}"},
        {"{\"\":1}", "{\"\":1}"},
        {"{\"a\":null}", "{}"},
        {"{\"a\":null}", "{\"a\":null}"},
        {"[]", "[ ]"},
        {"[1,[2],{\"a\":\"b\"},null]", "[1, [ 2 ], {\"c\":0,\"a\":\"b\"}, null]"},
        {"{\"a\":{\"b\":[{\"c\":\"d\"}]}}", "{\"a\":{\"b\":[{\"c\":\"\\u0064\"}]}}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (same(pairs[i].says, pairs[i].is) != 1)
            fail_msg("%s is said of %s", pairs[i].says, pairs[i].is);
}

static void pairs_of_which_one_says_something_else(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"1", "2"},
        {"1", "\"1\""},
        {"\"a\"", "\"b\""},
        {"\"a\"", "\"a\\u0000\""},
        {"false", "null"},
        {"null", "0"},
        {"\"\"", ""},
        {"{}", ""},
        {"[]", ""},
        {"{}", "[]"},
        {"[]", "{}"},
        {"{}", "\"\""},
        {"\"{}\"", "{}"},
        {"{\"a\":1}", "{}"},
        {"{\"a\":1}", "{\"b\":1}"},
        {"{\"a\":1}", "{\"A\":1}"},
        {"{\"a\":1}", "{\"aa\":1}"},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}"},
        {"{\"a\":2,\"b\":2}", "{\"a\":1,\"b\":2}"},
        {"{\"a\":1,\"a\":2}", "{\"a\":1}"},
        {"{\"a\":1}", "{\"a\":null}"},
        {"{\"a\":null}", "{\"a\":1}"},
        {"[1,2]", "[2,1]"},
        {"[1]", "[1,2]"},
        {"[1,2]", "[1]"},
        {"[1,null]", "[1]"},
        {"[]", "[null]"},
        {"[null]", "[]"},
        {"[[1]]", "[[2]]"},
        {"{\"a\":{\"b\":[{\"c\":\"d\"}]}}", "{\"a\":{\"b\":[{\"c\":\"e\"}]}}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (same(pairs[i].says, pairs[i].is) != 0)
            fail_msg("%s is not said of %s", pairs[i].says, pairs[i].is);
}

enum { MANY = 20000 };

/* An object of many members with long names, in this order or the other. */
static char *many(bool backwards, int value_of_last)
{
    char *text = malloc(MANY * 80), *at = text;
    assert_non_null(text);
    for (int i = 0; i < MANY; i++) {
        int n = backwards ? MANY - 1 - i : i;
        at += sprintf(at, "%c\"%060d\":%d", i ? ',' : '{', n, n == MANY - 1 ? value_of_last : n);
    }
    strcpy(at, "}");
    return text;
}

static void members_of_any_number_and_length_are_compared(void **state)
{
    (void)state;
    char *says = many(false, 1), *is = many(true, 1), *other = many(true, 2);
    assert_int_equal(same(says, is), 1);
    assert_int_equal(same(says, other), 0);
    free(says);
    free(is);
    free(other);
}

static void nest(char *text, char value)
{
    memset(text, '[', JSON_DEPTH_MAX);
    text[JSON_DEPTH_MAX] = value;
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX);
    text[2 * JSON_DEPTH_MAX + 1] = '\0';
}

static void the_deepest_value_is_compared(void **state)
{
    (void)state;
    char says[2 * JSON_DEPTH_MAX + 2], is[2 * JSON_DEPTH_MAX + 2];
    nest(says, '1');
    nest(is, '1');
    assert_int_equal(same(says, is), 1);
    nest(is, '2');
    assert_int_equal(same(says, is), 0);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(pairs_of_which_one_has_what_the_other_says),
        cmocka_unit_test(pairs_of_which_one_says_something_else),
        cmocka_unit_test(members_of_any_number_and_length_are_compared),
        cmocka_unit_test(the_deepest_value_is_compared),
    };
    return UNIT_RUN(all);
}
