/* SPDX-License-Identifier: MIT
 * fcgi_record: the walk says whole at the empty STDIN record and not a byte before. */
#include "fcgi_record.h"
#include "unit.h"

#define BEGIN \
    "\1\1\0\1\0\10\0\0" \
    "\0\1\0\0\0\0\0\0"
#define PARAMS \
    "\1\4\0\1\0\3\5\0" \
    "abc" \
    "\0\0\0\0\0" \
    "\1\4\0\1\0\0\0\0"
#define BODY \
    "\1\5\0\1\0\2\0\0" \
    "{}"
#define END "\1\5\0\1\0\0\0\0"

static enum fcgi_state state_of(struct span bytes) { return fcgi_record_walk(bytes).state; }

static void a_request_is_whole_at_its_last_byte(void **state)
{
    (void)state;
    const struct span request = TEXT(BEGIN PARAMS BODY END);
    for (size_t n = 0; n < request.len; n++)
        assert_int_equal(state_of((struct span){request.at, n}), FCGI_PARTIAL);
    assert_int_equal(state_of(request), FCGI_WHOLE);
    assert_int_equal(fcgi_record_walk(request).records, 5);
}

static void padding_behind_the_last_record_is_part_of_it(void **state)
{
    (void)state;
    const struct span request = TEXT(BEGIN PARAMS BODY "\1\5\0\1\0\0\2\0"
                                                       "xx");
    assert_int_equal(state_of((struct span){request.at, request.len - 1}), FCGI_PARTIAL);
    assert_int_equal(state_of(request), FCGI_WHOLE);
}

static void bytes_behind_a_request_are_told(void **state)
{
    (void)state;
    assert_int_equal(state_of(TEXT(BEGIN PARAMS BODY END "\1")), FCGI_TRAILED);
    assert_int_equal(state_of(TEXT(BEGIN PARAMS END BEGIN)), FCGI_TRAILED);
}

static void what_no_web_server_sends_is_alien(void **state)
{
    (void)state;
    const struct span alien[] = {
        TEXT("GET / HTTP/1.0\r\n"),
        TEXT("\2\1\0\1\0\10\0\0"
             "\0\1\0\0\0\0\0\0"), /* version 2 */
        TEXT("\1\1\0\1\0\10\0\0"
             "\0\2\0\0\0\0\0\0"), /* an authorizer */
        TEXT("\1\1\0\0\0\10\0\0"
             "\0\1\0\0\0\0\0\0"), /* request id 0 */
        TEXT("\1\1\0\1\0\7\0\0"
             "\0\1\0\0\0\0\0"),                /* a short BEGIN */
        TEXT("\1\11\0\0\0\0\0\0"),             /* FCGI_GET_VALUES */
        TEXT(BEGIN "\1\11\0\0\0\0\0\0"),       /* and in the middle */
        TEXT(BEGIN "\1\2\0\1\0\0\0\0"),        /* FCGI_ABORT_REQUEST */
        TEXT(BEGIN PARAMS "\1\5\0\2\0\0\0\0"), /* another request's STDIN */
        TEXT(BEGIN BEGIN),
    };
    for (size_t i = 0; i < sizeof alien / sizeof *alien; i++)
        assert_int_equal(state_of(alien[i]), FCGI_ALIEN);
}

int main(void)
{
    const struct CMUnitTest fcgi_record[] = {
        cmocka_unit_test(a_request_is_whole_at_its_last_byte),
        cmocka_unit_test(padding_behind_the_last_record_is_part_of_it),
        cmocka_unit_test(bytes_behind_a_request_are_told),
        cmocka_unit_test(what_no_web_server_sends_is_alien),
    };
    return UNIT_RUN(fcgi_record);
}
