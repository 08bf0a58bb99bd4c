/* SPDX-License-Identifier: MIT
 * fcgi_record: the walk says whole at the empty STDIN record and not a byte before. */
#include "web/fcgi_record.h"
#include "unit.h"

#define BEGIN \
    "\1\1\0\1\0\10\0\0" \
    "\0\1\0\0\0\0\0\0"
#define PARAMS \
    "\1\4\0\1\0\3\5\0" \
    "\1\0A" \
    "\0\0\0\0\0" \
    "\1\4\0\1\0\0\0\0"
#define BODY \
    "\1\5\0\1\0\2\0\0" \
    "{}"
#define END "\1\5\0\1\0\0\0\0"

static struct fcgi_walk walked(struct span bytes)
{
    struct fcgi_walk walk = {0};
    fcgi_record_walk(&walk, bytes);
    return walk;
}

static enum fcgi_state state_of(struct span bytes) { return walked(bytes).state; }

static void a_request_is_whole_at_its_last_byte(void **state)
{
    (void)state;
    const struct span request = TEXT(BEGIN PARAMS BODY END);
    for (size_t n = 0; n < request.len; n++)
        assert_int_equal(state_of((struct span){request.at, n}), FCGI_PARTIAL);
    assert_int_equal(state_of(request), FCGI_WHOLE);
    assert_int_equal(walked(request).records, 5);
    assert_int_equal(walked(request).body, 2);
    struct fcgi_walk on = {0};
    for (size_t n = 0; n <= request.len; n++) /* going on is the same as beginning again */
        fcgi_record_walk(&on, (struct span){request.at, n});
    assert_int_equal(on.state, FCGI_WHOLE);
    assert_int_equal(on.records, 5);
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
        TEXT(BEGIN BODY),                           /* STDIN before the variables have ended */
        TEXT(BEGIN PARAMS BODY "\1\4\0\1\0\0\0\0"), /* and variables after it */
        TEXT(BEGIN "\1\4\0\1\0\0\1\0x"),            /* padding that libfcgi does not pass over */
    };
    for (size_t i = 0; i < sizeof alien / sizeof *alien; i++)
        assert_int_equal(state_of(alien[i]), FCGI_ALIEN);
}

/* A request whose variables are these records. */
#define WITH(records) TEXT(BEGIN records "\1\4\0\1\0\0\0\0" END)

static void variables_that_end_too_late_are_alien(void **state)
{
    (void)state;
    const struct span good[] = {
        WITH(""),
        WITH("\1\4\0\1\0\5\0\0"
             "\1\2ABC"),
        WITH("\1\4\0\1\0\6\0\0"
             "\200\0\0\1\0A"),
        WITH("\1\4\0\1\0\1\0\0"
             "\200"
             "\1\4\0\1\0\2\1\0"
             "\0\0x"
             "\1\4\0\1\0\3\0\0"
             "\1\0A"), /* in three */
    };
    const struct span alien[] = {
        WITH("\1\4\0\1\0\1\0\0"
             "\1"),
        WITH("\1\4\0\1\0\3\0\0"
             "\1\2A"),
        WITH("\1\4\0\1\0\2\0\0"
             "\200\0"),
        WITH("\1\4\0\1\0\10\0\0"
             "\377\377\377\376\377\377\377\376"), /* source: 2 GB twice, which aborts libfcgi */
        WITH("\1\4\0\1\0\5\0\0"
             "\377\377\377\376\0"),
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(state_of(good[i]), FCGI_WHOLE);
    for (size_t i = 0; i < sizeof alien / sizeof *alien; i++)
        assert_int_equal(state_of(alien[i]), FCGI_ALIEN);
}

static void variables_are_bounded(void **state)
{
    (void)state;
    static char bytes[16 + 5 * (8 + 65535)] = BEGIN;
    struct fcgi_walk walk = {0};
    for (int i = 0; i < 5; i++)
        memcpy(bytes + 16 + i * (8 + 65535), "\1\4\0\1\377\377\0\0", 8);
    fcgi_record_walk(&walk, (struct span){bytes, 16 + 4 * (8 + 65535)});
    assert_int_equal(walk.state, FCGI_PARTIAL);
    fcgi_record_walk(&walk, (struct span){bytes, sizeof bytes});
    assert_int_equal(walk.state, FCGI_ALIEN);
}

int main(void)
{
    const struct CMUnitTest fcgi_record[] = {
        cmocka_unit_test(a_request_is_whole_at_its_last_byte),
        cmocka_unit_test(padding_behind_the_last_record_is_part_of_it),
        cmocka_unit_test(bytes_behind_a_request_are_told),
        cmocka_unit_test(what_no_web_server_sends_is_alien),
        cmocka_unit_test(variables_that_end_too_late_are_alien),
        cmocka_unit_test(variables_are_bounded),
    };
    return UNIT_RUN(fcgi_record);
}
