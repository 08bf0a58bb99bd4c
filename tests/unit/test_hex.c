/* SPDX-License-Identifier: MIT
 * hex: strict hexadecimal. */
#include "base/hex.h"
#include "unit.h"

static void digits_of_either_case_are_read(void **state)
{
    (void)state;
    uint8_t out[4];
    assert_int_equal(hex_decode(TEXT("00fFAb9c"), out, 4), 0);
    assert_memory_equal(out, "\x00\xff\xab\x9c", 4);
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    uint8_t out[2];
    const struct span wrong[] = {TEXT(""),     TEXT("00f"),  TEXT("00ff0"), TEXT("00fg"),
                                 TEXT("0x0f"), TEXT("00 f"), TEXT("00f\0"), TEXT("\xff\xff\xff\xff"),
                                 TEXT("00/:"), TEXT("@@``")};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(hex_decode(wrong[i], out, 2), -1);
}

static void bytes_are_written_in_lower_case(void **state)
{
    (void)state;
    char out[9];
    hex_encode((const uint8_t *)"\x00\xff\xab\x9c", 4, out);
    assert_string_equal(out, "00ffab9c");
}

int main(void)
{
    const struct CMUnitTest hex[] = {
        cmocka_unit_test(digits_of_either_case_are_read),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(bytes_are_written_in_lower_case),
    };
    return UNIT_RUN(hex);
}
