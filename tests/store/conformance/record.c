/* SPDX-License-Identifier: MIT
 * record: each event is recorded once, and read again as it came. */
#include "suite/suite.h"

static void an_event_is_read_again_as_it_came(void)
{
    struct span body = body_of((struct sample){"ev_1", "check.completed", "check", "res_1", "client_1", "complete",
                                               "clear", "n\xc3\xb6te", NOW + 4});
    struct record r, *batch[] = {arrive(LIVE_NEXT, body, &r)};
    record_all(batch, 1, NOW + 1000);
    assert_int_equal(r.outcome, STORE_NEW);
    const struct store_event *v = event_of(r.seq);
    assert_text(v->endpoint, "live");
    assert_text(v->id, "ev_1");
    assert_text(v->type, "check.completed");
    assert_text(v->resource_type, "check");
    assert_text(v->resource_id, "res_1");
    assert_text(v->client_id, "client_1");
    assert_text(v->status, "complete");
    assert_text(v->outcome, "clear");
    assert_text(v->source, "received");
    assert_text(v->secret, "next");
    assert_int_equal(v->signature.len, 64);
    assert_text(v->body, text_of(body));
    assert_text(v->payload, text_of(r.event->payload));
    assert_text(v->created_at, "2026-02-02T02:40:00.004Z");
    assert_int_equal(v->created_ms, NOW + 4);
    assert_int_equal(v->received_ms, NOW + 1000);
    assert_int_equal(v->state, WAITING);
    assert_int_equal(v->attempts, 0);
    assert_int_equal(v->done_ms, 0);
    assert_false(v->superseded);
}

static void what_was_not_sent_is_absent(void)
{
    struct span body = printed("{\"id\":\"1\",\"type\":\"t\"}");
    struct record r, *batch[] = {arrive(LIVE, body, &r)};
    record_all(batch, 1, NOW);
    const struct store_event *v = event_of(r.seq);
    const struct span absent[] = {v->resource_type, v->resource_id, v->client_id, v->status,
                                  v->outcome,       v->owner,       v->error,     v->payload};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_null(absent[i].at);
}

static void without_a_time_of_its_own_an_event_is_as_old_as_its_receipt(void)
{
    int64_t seq = put((struct sample){.id = "1", .created_ms = -1}, NOW + 7);
    assert_int_equal(event_of(seq)->created_ms, NOW + 7);
}

static void numbers_rise_in_the_order_of_arrival(void)
{
    int64_t first = put_id("1", NOW + 9), second = put_id("2", NOW + 5), last;
    struct err e = {0};
    assert_true(second > first);
    assert_int_equal(store_newest(store, &last, &e), 0);
    assert_int_equal(last, second);
}

static void an_empty_store_has_no_newest_number(void)
{
    int64_t last = 1;
    struct err e = {0};
    assert_int_equal(store_newest(store, &last, &e), 0);
    assert_int_equal(last, 0);
}

static void what_was_recorded_is_there_after_the_store_was_closed(void)
{
    int64_t seq = put_id("1", NOW), later;
    store_close(store);
    assert_int_equal(open_again(&store, 1000), 0);
    assert_text(event_of(seq)->id, "1");
    assert_int_equal(record_at(LIVE, body_of((struct sample){.id = "1"}), NOW), STORE_DUPLICATE);
    later = put_id("2", NOW);
    assert_true(later > seq);
}

static void a_type_that_is_not_asked_for_is_recorded_as_ignored_and_not_worked_on(void)
{
    assert_int_equal(record_ignored((struct sample){.id = "1"}, NOW), STORE_IGNORED);
    struct seen seen = read_all((struct store_query){ANY});
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.v->state, IGNORED);
    assert_int_equal(claim(1, NOW + 1)->n, 0);
}

static void the_same_bytes_again_are_a_duplicate(void)
{
    struct span body = body_of((struct sample){.id = "1"});
    assert_int_equal(record_at(LIVE, body, NOW), STORE_NEW);
    for (int i = 1; i < 4; i++)
        assert_int_equal(record_at(LIVE, body, NOW + i), STORE_DUPLICATE);
    struct seen seen = read_all((struct store_query){ANY});
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.v->received_ms, NOW);
}

static void it_is_one_too_with_another_secret_or_other_members_around_its_payload(void)
{
    struct span other = printed("{\"payload\":{\"note\":\"\"}, \"more\":1, \"type\":\"t\", \"id\":\"1\"}");
    int64_t seq = put_id("1", NOW);
    assert_int_equal(record_at(LIVE_NEXT, body_of((struct sample){.id = "1"}), NOW), STORE_DUPLICATE);
    assert_int_equal(record_at(LIVE, other, NOW), STORE_DUPLICATE);
    assert_text(event_of(seq)->secret, "main");
    assert_text(event_of(seq)->body, text_of(body_of((struct sample){.id = "1"})));
}

static void done_or_dead_it_is_a_duplicate_all_the_same(void)
{
    struct span body = body_of((struct sample){.id = "1"});
    int64_t seq = put_id("1", NOW);
    assert_int_equal(change_one(STORE_CHANGE_DEAD, seq, NOW), STORE_CHANGED);
    assert_int_equal(record_at(LIVE, body, NOW), STORE_DUPLICATE);
    assert_int_equal(state_of(seq), DEAD);
    assert_int_equal(change_one(STORE_CHANGE_ACK, seq, NOW), STORE_CHANGED);
    assert_int_equal(record_at(LIVE, body, NOW), STORE_DUPLICATE);
    assert_int_equal(state_of(seq), DONE);
}

static void another_type_or_another_endpoint_makes_another_event_of_the_same_id(void)
{
    assert_int_equal(record_at(LIVE, body_of((struct sample){.id = "1"}), NOW), STORE_NEW);
    assert_int_equal(record_at(LIVE, body_of((struct sample){.id = "1", .type = "u"}), NOW), STORE_NEW);
    assert_int_equal(record_at(SANDBOX, body_of((struct sample){.id = "1"}), NOW), STORE_NEW);
    assert_int_equal(read_all((struct store_query){ANY}).n, 3);
    assert_int_equal(read_all((struct store_query){ANY, .endpoint = "sandbox"}).n, 1);
}

static void ids_that_differ_in_case_or_by_a_blank_are_different(void)
{
    static const char *const ids[] = {"a", "A", "a ", " a", "\xc3\xa4", "a\xcc\x88"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_int_equal(record_at(LIVE, body_of((struct sample){.id = ids[i], .type = ids[i]}), NOW), STORE_NEW);
}

static void of_a_batch_each_member_has_an_outcome_of_its_own(void)
{
    struct record r[6], *batch[6];
    const struct span bodies[] = {body_of((struct sample){.id = "1"}),
                                  body_of((struct sample){.id = "1"}),
                                  body_of((struct sample){.id = "1", .note = "another payload"}),
                                  body_of((struct sample){.id = "2"}),
                                  body_of((struct sample){.id = "2"}),
                                  printed("no event")};
    const enum store_outcome outcomes[] = {STORE_NEW,     STORE_DUPLICATE, STORE_QUARANTINED,
                                           STORE_IGNORED, STORE_DUPLICATE, STORE_QUARANTINED};
    for (size_t i = 0; i < 6; i++)
        batch[i] = arrive(LIVE, bodies[i], &r[i]);
    r[3].ignored = true;
    record_all(batch, 6, NOW);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(r[i].outcome, outcomes[i]);
    assert_int_equal(read_all((struct store_query){ANY}).n, 2);
    assert_int_equal(quarantine_of(NULL).n, 2);
    assert_int_equal(claim(10, NOW + 1)->n, 1);
}

static void a_batch_may_be_full_and_of_several_endpoints(void)
{
    struct record r[STORE_BATCH_MAX], *batch[STORE_BATCH_MAX];
    for (int i = 0; i < STORE_BATCH_MAX; i++)
        batch[i] = arrive(i % SECRETS, body_of((struct sample){.id = printed("%d", i).at}), &r[i]);
    record_all(batch, STORE_BATCH_MAX, NOW);
    for (int i = 0; i < STORE_BATCH_MAX; i++) {
        assert_int_equal(r[i].outcome, STORE_NEW);
        assert_true(i == 0 || r[i].seq > r[i - 1].seq);
        assert_text(event_of(r[i].seq)->endpoint, i % SECRETS == SANDBOX ? "sandbox" : "live");
    }
}

static void a_body_of_a_megabyte_is_kept_whole(void)
{
    char *note = kept((1 << 20) + 1);
    memset(note, 'x', 1 << 20);
    struct span body = body_of((struct sample){.id = "1", .note = note});
    int64_t seq = put((struct sample){.id = "1", .note = note}, NOW);
    assert_true(span_equal(event_of(seq)->body, body));
}

static void what_waited_in_the_spool_is_as_it_was_when_it_came(void)
{
    struct record r, *batch[] = {arrive(LIVE, body_of((struct sample){.id = "1"}), &r)};
    r.spooled_ms = NOW;
    record_all(batch, 1, NOW + 90000);
    assert_int_equal(r.outcome, STORE_NEW);
    assert_false(r.repeated);
    assert_int_equal(event_of(r.seq)->received_ms, NOW);
    assert_text(event_of(r.seq)->source, "spool");
}

static void a_file_of_the_spool_that_stayed_is_known_again_as_repeated(void)
{
    static const char *const bodies[] = {"{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}", "no event"};
    for (size_t i = 0; i < 4; i++) { /* each twice */
        struct record r, *batch[] = {arrive(LIVE, span_of(bodies[i / 2]), &r)};
        r.spooled_ms = NOW;
        record_all(batch, 1, NOW + 90000);
        assert_int_equal(r.repeated, i % 2);
        assert_true(store_is_recorded(r.outcome));
    }
    assert_int_equal(quarantine_of(NULL).v->times, 1);
    struct record r, *batch[] = {arrive(LIVE, span_of(bodies[0]), &r)};
    r.spooled_ms = NOW + 1; /* it came once more */
    record_all(batch, 1, NOW + 90000);
    assert_int_equal(r.outcome, STORE_DUPLICATE);
    assert_false(r.repeated);
}

static void what_is_imported_has_its_past_behind_it(void)
{
    const struct record_past past = {.received_ms = NOW - 5000, .state = WAITING, .attempts = 3};
    struct record r, *batch[] = {arrive(LIVE, body_of((struct sample){.id = "1"}), &r)};
    r.past = &past;
    record_all(batch, 1, NOW);
    assert_int_equal(r.outcome, STORE_NEW);
    const struct store_event *v = event_of(r.seq);
    assert_text(v->source, "imported");
    assert_int_equal(v->received_ms, NOW - 5000);
    assert_int_equal(v->attempts, 3);
    assert_int_equal(claim_one(NOW + 1).attempts, 4);
}

static void an_imported_one_may_be_done_or_dead(void)
{
    for (int state = DONE; state <= DEAD; state++) {
        const struct record_past past = {.received_ms = NOW, .state = state, .error = span_of("why"), .attempts = 2};
        struct record r, *batch[] = {arrive(LIVE, body_of((struct sample){.id = printed("%d", state).at}), &r)};
        r.past = &past;
        record_all(batch, 1, NOW);
        assert_int_equal(state_of(r.seq), state);
        assert_text(event_of(r.seq)->error,
                    state == DEAD || !(subject->lacks & NEEDS_WORK_TOLD) ? "why" : "(absent)");
    }
    assert_int_equal(claim(1, NOW + 1)->n, 0);
}

int main(void)
{
    static const struct suite_test tests[] = {
        TEST(an_event_is_read_again_as_it_came),
        TEST(what_was_not_sent_is_absent),
        TEST(without_a_time_of_its_own_an_event_is_as_old_as_its_receipt),
        TEST(numbers_rise_in_the_order_of_arrival),
        TEST(an_empty_store_has_no_newest_number),
        TEST(what_was_recorded_is_there_after_the_store_was_closed),
        TEST(a_type_that_is_not_asked_for_is_recorded_as_ignored_and_not_worked_on),
        TEST(the_same_bytes_again_are_a_duplicate),
        TEST(it_is_one_too_with_another_secret_or_other_members_around_its_payload),
        TEST(done_or_dead_it_is_a_duplicate_all_the_same),
        TEST(another_type_or_another_endpoint_makes_another_event_of_the_same_id),
        TEST(ids_that_differ_in_case_or_by_a_blank_are_different),
        TEST(of_a_batch_each_member_has_an_outcome_of_its_own),
        TEST(a_batch_may_be_full_and_of_several_endpoints),
        TEST(a_body_of_a_megabyte_is_kept_whole),
        TEST(what_waited_in_the_spool_is_as_it_was_when_it_came),
        TEST(a_file_of_the_spool_that_stayed_is_known_again_as_repeated),
        TEST_IF(what_is_imported_has_its_past_behind_it, NEEDS_PAST),
        TEST_IF(an_imported_one_may_be_done_or_dead, NEEDS_PAST),
    };
    return SUITE_RUN(tests);
}
