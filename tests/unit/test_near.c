/* SPDX-License-Identifier: MIT
 * near: one letter is a slip, two are another word. */
#include "base/near.h"
#include "unit.h"

static bool near(const char *typed, const char *word) { return near_typo(typed, strlen(typed), word); }

static void one_letter_is_a_slip(void **state)
{
    (void)state;
    static const char *const slips[] = {"roup",  "goup",  "grou",  "agroup", "grooup", "groups", "xroup",
                                        "grxup", "groux", "rgoup", "gruop",  "gropu",  "group"};
    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++)
        assert_true(near(slips[i], "group"));
}

static void two_are_another_word(void **state)
{
    (void)state;
    static const char *const others[] = {"", "g", "gr", "oup", "ggroups", "puorg", "gxxup", "ouprg", "groupgroup"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(near(others[i], "group"));
}

static void of_two_letters_nothing_is_told(void **state)
{
    (void)state;
    assert_false(near("lo", "log"));
    assert_true(near_typo("lgo = 1", 3, "log"));
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(one_letter_is_a_slip),
        cmocka_unit_test(two_are_another_word),
        cmocka_unit_test(of_two_letters_nothing_is_told),
    };
    return UNIT_RUN(all);
}
