/* SPDX-License-Identifier: MIT
 * decode: strict about form, open about content. */
#include "base/hex.h"
#include "event/decode.h"
#include "unit.h"
#include "verifier.h"

static struct verifier *verifier;

static int start(void **state)
{
    struct err e;
    const struct verifier_secret secret = {"live", "main", TEXT("a secret of the tests")};
    (void)state;
    return verifier_open(&verifier, &secret, 1, &e);
}

static int stop(void **state)
{
    (void)state;
    verify_close(verifier);
    return 0;
}

static int decode(struct span body, struct event *event, struct err *e)
{
    uint8_t digest[VERIFY_DIGEST];
    char signature[2 * VERIFY_DIGEST + 1];
    verify_sign(verifier, 0, body, digest);
    hex_encode(digest, sizeof digest, signature);
    const struct verified *good = verify_body(verifier, 0, span_of(signature), body, e);
    assert_non_null(good);
    return decode_event(good, event, e);
}

#define assert_text(span, literal) \
    do { \
        assert_int_equal((span).len, sizeof literal - 1); \
        assert_memory_equal((span).at, literal, sizeof literal - 1); \
    } while (0)

static void a_whole_event_is_decoded(void **state)
{
    (void)state;
    struct event v;
    struct err e;
    const struct span body =
        TEXT("{\"id\":\"e1\",\"type\":\"check.completed\",\"resourceType\":\"check\",\"new\":[1],"
             "\"payload\": {\"id\":\"c1\",\"clientId\":\"k1\",\"status\":\"complete\","
             "\"outcome\":\"clear\",\"big\":12345678901234567890},\"createdAt\":"
             "\"2026-01-29T20:32:22.004Z\"}");
    assert_int_equal(decode(body, &v, &e), 0);
    assert_text(v.id, "e1");
    assert_text(v.type, "check.completed");
    assert_text(v.resource_type, "check");
    assert_text(v.resource_id, "c1");
    assert_text(v.client_id, "k1");
    assert_text(v.status, "complete");
    assert_text(v.outcome, "clear");
    assert_text(v.payload, "{\"id\":\"c1\",\"clientId\":\"k1\",\"status\":\"complete\",\"outcome\":\"clear\","
                           "\"big\":12345678901234567890}");
    assert_true(v.payload.at > body.at && v.payload.at < body.at + body.len);
    assert_int_equal(v.created_ms, 1769718742004);
}

static void id_and_type_are_enough(void **state)
{
    (void)state;
    struct event v;
    struct err e;
    assert_int_equal(
        decode(TEXT("{\"\\u0069d\":\"\\u00eb\\ud83d\\ude00\",\"type\":\"t\",\"createdAt\":\"soon\"}"), &v, &e), 0);
    assert_text(v.id, "\xc3\xab\xf0\x9f\x98\x80");
    assert_null(v.payload.at);
    assert_null(v.resource_id.at);
    assert_int_equal(v.created_ms, -1);
}

static void inside_the_payload_the_last_of_equal_names_counts(void **state)
{
    (void)state;
    struct event v;
    struct err e;
    assert_int_equal(
        decode(TEXT("{\"id\":\"e\",\"type\":\"client.updated\",\"payload\":{\"id\":\"first\",\"\\u0069d\":\"last\","
                    "\"status\":\"a\",\"status\":5,\"id\\u0000\":\"no\",\"x\":{\"id\":\"deep\"}}}"),
               &v, &e),
        0);
    assert_text(v.resource_id, "last");
    assert_text(v.client_id, "last");
    assert_null(v.status.at);
}

static void what_is_no_event_is_said_in_words(void **state)
{
    (void)state;
    const struct {
        struct span body;
        const char *why;
    } wrong[] = {
        {TEXT(""), "empty"},
        {TEXT("[]"), "not an object"},
        {TEXT("{}"), "id is no string of 1 to 255 bytes"},
        {TEXT("{\"id\":1,\"type\":\"t\"}"), "id is no string of 1 to 255 bytes"},
        {TEXT("{\"id\":\"\",\"type\":\"t\"}"), "id is no string of 1 to 255 bytes"},
        {TEXT("{\"id\":\"a\\u0000b\",\"type\":\"t\"}"), "id is no string of 1 to 255 bytes"},
        {TEXT("{\"id\":\"\\ud800\",\"type\":\"t\"}"), "id is no string of 1 to 255 bytes"},
        {TEXT("{\"id\\u0000x\":\"a\",\"type\":\"t\"}"), "id is no string of 1 to 255 bytes"},
        {TEXT("{\"id\":\"a\"}"), "type is no string of 1 to 255 bytes"},
        {TEXT("{\"id\":\"a\",\"type\":\"t\",\"\\u0069d\":\"b\"}"), "a member's name comes twice"},
        {TEXT("{\"id\":\"a\",\"type\":\"t\",\"x\":1,\"x\":1}"), "a member's name comes twice"},
        {TEXT("{\"id\":\"a\",\"type\":\"t\",\"payload\":[]}"), "payload is no object"},
        {TEXT("{\"id\":\"a\",\"type\":\"t\",\"payload\":null}"), "payload is no object"},
        {TEXT("{\"id\":\"a\",\"type\":\"t\",\"resourceType\":7}"), "resourceType is no string of at most 255 bytes"},
        {TEXT("{\"id\":\"a\",\"type\":\"t\"} {}"), "something stands behind the object"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct event v;
        struct err e;
        assert_int_equal(decode(wrong[i].body, &v, &e), -1);
        assert_int_equal(e.code, ERR_UNDECODABLE);
        assert_string_equal(e.msg, wrong[i].why);
    }
}

static void ids_may_have_255_bytes_and_no_more(void **state)
{
    (void)state;
    struct event v;
    struct err e;
    char body[400], id[257];
    memset(id, 'x', sizeof id);
    for (int len = 255; len <= 256; len++) {
        int n = snprintf(body, sizeof body, "{\"id\":\"%.*s\",\"type\":\"t\"}", len, id);
        assert_int_equal(decode((struct span){body, (size_t)n}, &v, &e), len == 255 ? 0 : -1);
    }
}

static void more_members_than_are_compared_go_to_quarantine(void **state)
{
    (void)state;
    static char body[40000];
    struct event v;
    struct err e;
    int n = snprintf(body, sizeof body, "{\"id\":\"a\",\"type\":\"t\"");
    for (int i = 0; i < DECODE_MEMBERS_MAX - 2; i++)
        n += snprintf(body + n, sizeof body - (size_t)n, ",\"m%d\":%d", i, i);
    body[n] = '}';
    assert_int_equal(decode((struct span){body, (size_t)n + 1}, &v, &e), 0);
    n += snprintf(body + n, sizeof body - (size_t)n, ",\"one more\":1}");
    assert_int_equal(decode((struct span){body, (size_t)n}, &v, &e), -1);
    assert_string_equal(e.msg, "too many members");
}

static void times_are_read_as_iso_8601(void **state)
{
    (void)state;
    assert_int_equal(decode_time(TEXT("1970-01-01T00:00:00Z")), 0);
    assert_int_equal(decode_time(TEXT("2026-01-29T20:32:22.004Z")), 1769718742004);
    assert_int_equal(decode_time(TEXT("2026-01-29T21:32:22.0049+01:00")), 1769718742004);
    assert_int_equal(decode_time(TEXT("2000-02-29T23:59:60.5Z")), 951868800500);
    assert_int_equal(decode_time(TEXT("2024-12-31T23:59:59.999Z")), 1735689599999);
    const struct span wrong[] = {TEXT(""),
                                 TEXT("2026-01-29"),
                                 TEXT("2026-01-29 20:32:22Z"),
                                 TEXT("2026-02-29T00:00:00Z"),
                                 TEXT("2026-13-01T00:00:00Z"),
                                 TEXT("2026-01-29T24:00:00Z"),
                                 TEXT("2026-01-29T20:32:22"),
                                 TEXT("2026-01-29T20:32:22.Z"),
                                 TEXT("2026-01-29T20:32:22Zx"),
                                 TEXT("1969-12-31T23:59:59Z"),
                                 TEXT("2026-01-29T20:32:22+0100"),
                                 TEXT("1970-01-01T00:00:00+01:00")};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(decode_time(wrong[i]), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_event_is_decoded),
        cmocka_unit_test(id_and_type_are_enough),
        cmocka_unit_test(inside_the_payload_the_last_of_equal_names_counts),
        cmocka_unit_test(what_is_no_event_is_said_in_words),
        cmocka_unit_test(ids_may_have_255_bytes_and_no_more),
        cmocka_unit_test(more_members_than_are_compared_go_to_quarantine),
        cmocka_unit_test(times_are_read_as_iso_8601),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, stop);
}
