/* SPDX-License-Identifier: MIT
 * claim: an event goes to one worker at a time, until it is done or given up. */
#include "suite/suite.h"

/* ---- what is claimed ---- */

static void where_nothing_waits_nothing_is_claimed(void)
{
    assert_int_equal(claim(5, NOW)->n, 0);
    put((struct sample){.id = "1"}, NOW);
    ack(claim_one(NOW + 1), NOW + 2);
    assert_int_equal(claim(5, NOW + 3)->n, 0);
}

static void the_oldest_come_first_n_at_most(void)
{
    for (int i = 1; i <= 5; i++)
        put_id(printed("%d", i).at, NOW + i);
    assert_string_equal(claimed_ids(claim(2, NOW + 10)), "1 2");
    assert_string_equal(claimed_ids(claim(2, NOW + 11)), "3 4");
    assert_string_equal(claimed_ids(claim(2, NOW + 12)), "5");
}

static void what_is_claimed_together_is_given_in_the_order_in_which_it_was_made(void)
{
    for (int i = 1; i <= 5; i++)
        put((struct sample){.id = printed("%d", i).at, .created_ms = NOW - i}, NOW);
    assert_string_equal(claimed_ids(claim(9, NOW + 10)), "5 4 3 2 1");
}

static void only_the_types_that_are_asked_for(void)
{
    static const char *const types[] = {"u", "v"};
    static const char *const listed[] = {"t", "u", "v", "uv", "w"};
    for (int i = 0; i < 5; i++)
        put((struct sample){.id = listed[i], .type = listed[i], .created_ms = NOW + i}, NOW + i);
    assert_string_equal(claim_ids((struct store_want){.types = types, .n_types = 2}, 9, NOW + 9), "u v");
    assert_string_equal(claim_ids((struct store_want){.n_types = 0}, 9, NOW + 9), "t uv w");
}

static void only_those_of_the_endpoint(void)
{
    record_at(SANDBOX, body_of((struct sample){.id = "1"}), NOW);
    put((struct sample){.id = "2"}, NOW);
    assert_string_equal(claim_ids((struct store_want){.endpoint = "live"}, 9, NOW + 9), "2");
    assert_string_equal(claim_ids((struct store_want){.endpoint = "sandbox"}, 9, NOW + 9), "1");
}

static void refuses(const char *endpoint)
{
    const struct store_want w = {.endpoint = endpoint, .owner = "tester"};
    struct err e = {0};
    assert_int_equal(store_claim(store, &w, 1, NOW, NULL, NULL, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, "live, sandbox"));
}

static void an_endpoint_that_is_unknown_or_one_of_several_is_refused_and_the_others_are_named(void)
{
    refuses("lives");
    refuses(NULL);
}

static void a_claim_says_whose_it_is_until_when(void)
{
    int64_t seq = put_id("1", NOW);
    const struct claimed *c = claim(1, NOW + 10);
    assert_int_equal(c->lease->seq, seq);
    assert_int_equal(c->lease->until_ms, NOW + 10 + LEASE_MS);
    assert_int_equal(c->lease->attempts, 1);
    assert_string_equal(c->lease->endpoint, "live");
    assert_int_equal(c->v->seq, seq);
    assert_int_equal(c->v->attempts, 1);
    assert_int_equal(c->v->state, WAITING);
    assert_text(c->v->body, text_of(body_of((struct sample){.id = "1", .created_ms = NOW})));
}

static void what_is_done_is_done(void)
{
    int64_t seq = put_id("1", NOW);
    struct store_lease lease = claim_one(NOW + 1);
    assert_int_equal(settle(&lease, STORE_ACK, NOW + 2), 1);
    assert_int_equal(state_of(seq), DONE);
    assert_int_equal(settle(&lease, STORE_ACK, NOW + 3), 0);
    assert_int_equal(settle(&lease, STORE_NACK, NOW + 3), 0);
    assert_int_equal(state_of(seq), DONE);
}

static void when_it_was_done_and_by_whom_is_told(void)
{
    int64_t seq = put_id("1", NOW);
    ack(claim_one(NOW + 1), NOW + 2);
    assert_int_equal(event_of(seq)->done_ms, NOW + 2);
    assert_text(event_of(seq)->owner, "tester");
}

/* Of what waits, as a list shows it: "2:claimed 1:- ". */
static const char *claimed_of_list(void)
{
    struct seen seen = read_all((struct store_query){.state = WAITING, .limit = 10});
    const char *text = "";
    for (size_t i = 0; i < seen.n; i++)
        text = printed("%s%s:%s ", text, text_of(seen.v[i].id), seen.v[i].claimed ? "claimed" : "-").at;
    return text;
}

static void a_list_tells_what_is_claimed_from_what_is_to_be_tried_again(void)
{
    for (int i = 1; i <= 3; i++)
        put_id(printed("%d", i).at, NOW + i);
    struct store_lease lease = claim_one(NOW + 10);
    claim_one(NOW + 10);
    assert_string_equal(claimed_of_list(), "3:- 2:claimed 1:claimed ");
    settle(&lease, STORE_NACK, NOW + 11);
    assert_string_equal(claimed_of_list(), "3:- 2:claimed 1:- ");
}

/* ---- the lease, and its fence ---- */

static void while_the_lease_lasts_nobody_else_gets_it(void)
{
    put((struct sample){.id = "1"}, NOW);
    struct store_lease lease = claim_one(NOW + 1);
    assert_int_equal(claim(1, lease.until_ms - 1)->n, 0);
    const struct claimed *again = claim(1, lease.until_ms);
    assert_int_equal(again->n, 1);
    assert_int_equal(again->lease->attempts, 2);
}

static void a_lease_may_be_of_any_length(void)
{
    put((struct sample){.id = "1"}, NOW);
    const struct store_want w = {.endpoint = "live", .owner = "tester", .lease_ms = 7};
    assert_int_equal(claim_as(store, &w, 1, NOW)->lease->until_ms, NOW + 7);
    assert_int_equal(claim(1, NOW + 6)->n, 0);
    assert_int_equal(claim(1, NOW + 7)->n, 1);
}

static void a_lost_lease_changes_nothing_whatever_its_holder_says(void)
{
    int64_t seq = put_id("1", NOW);
    struct store_lease lost = claim_one(NOW + 1), held = claim_one(NOW + 1 + LEASE_MS);
    for (int verb = STORE_ACK; verb <= STORE_EXTEND; verb++)
        assert_int_equal(settle(&lost, (enum store_verb)verb, NOW + 2 + LEASE_MS), 0);
    assert_int_equal(state_of(seq), WAITING);
    assert_int_equal(event_of(seq)->attempts, 2);
    assert_int_equal(claim(1, held.until_ms - 1)->n, 0);
    ack(held, NOW + 3 + LEASE_MS);
    assert_int_equal(state_of(seq), DONE);
}

static void one_that_ended_still_counts_while_nobody_else_has_the_event(void)
{
    int64_t seq = put_id("1", NOW);
    struct store_lease lease = claim_one(NOW + 1);
    ack(lease, lease.until_ms + 1000);
    assert_int_equal(state_of(seq), DONE);
}

static void two_claims_of_the_same_worker_at_the_same_time_are_different(void)
{
    put((struct sample){.id = "1"}, NOW);
    struct store_lease first = claim_one(NOW + 1), second;
    assert_int_equal(settle(&first, STORE_RELEASE, NOW + 1), 1);
    second = claim_one(NOW + 1);
    assert_int_equal(second.until_ms, NOW + 1 + LEASE_MS);
    struct store_lease stale = first;
    assert_int_equal(settle(&stale, STORE_ACK, NOW + 2), 0);
    ack(second, NOW + 3);
}

static void an_extended_lease_lasts_from_now_on(void)
{
    struct err e = {0};
    put((struct sample){.id = "1"}, NOW);
    struct store_lease lease = claim_one(NOW + 1);
    assert_int_equal(settle(&lease, STORE_EXTEND, NOW + 100), 1);
    assert_int_equal(lease.until_ms, NOW + 100 + LEASE_MS);
    assert_int_equal(store_settle(store, &lease, STORE_EXTEND, NULL, 2 * LEASE_MS, NOW + 200, &e), 1);
    assert_int_equal(lease.until_ms, NOW + 200 + 2 * LEASE_MS);
    assert_int_equal(claim(1, lease.until_ms - 1)->n, 0);
    assert_int_equal(lease.attempts, 1);
    ack(lease, NOW + 300);
}

static void what_is_released_may_be_had_at_once_or_later_and_no_attempt_counts(void)
{
    struct err e = {0};
    int64_t seq = put_id("1", NOW);
    struct store_lease lease = claim_one(NOW + 1);
    assert_int_equal(settle(&lease, STORE_RELEASE, NOW + 2), 1);
    assert_int_equal(event_of(seq)->attempts, 0);
    lease = claim_one(NOW + 2);
    assert_int_equal(lease.attempts, 1);
    assert_int_equal(store_settle(store, &lease, STORE_RELEASE, NULL, 50, NOW + 3, &e), 1);
    assert_int_equal(claim(1, NOW + 52)->n, 0);
    assert_int_equal(claim(1, NOW + 53)->n, 1);
}

/* ---- failing ---- */

static void what_fails_is_tried_again_after_a_delay_that_doubles(void)
{
    int64_t now_ms = NOW + 1, delay_ms = BACKOFF_MS;
    put((struct sample){.id = "1"}, NOW);
    for (int i = 1; i < ATTEMPTS; i++, delay_ms *= 2) {
        int64_t expected_ms = delay_ms < BACKOFF_MAX_MS ? delay_ms : BACKOFF_MAX_MS;
        struct store_lease lease = claim_one(now_ms);
        assert_int_equal(lease.attempts, i);
        assert_int_equal(settle(&lease, STORE_NACK, now_ms), 1);
        assert_int_equal(lease.until_ms - now_ms, expected_ms);
        assert_int_equal(claim(1, lease.until_ms - 1)->n, 0);
        now_ms = lease.until_ms;
    }
}

static void or_after_the_delay_that_is_named(void)
{
    struct err e = {0};
    put((struct sample){.id = "1"}, NOW);
    struct store_lease lease = claim_one(NOW + 1);
    assert_int_equal(store_settle(store, &lease, STORE_NACK, "why", 17, NOW + 2, &e), 1);
    assert_int_equal(lease.until_ms, NOW + 19);
    assert_int_equal(claim(1, NOW + 18)->n, 0);
    lease = claim_one(NOW + 19);
    assert_int_equal(store_settle(store, &lease, STORE_NACK, "why", 0, NOW + 20, &e), 1);
    assert_int_equal(claim(1, NOW + 20)->n, 1);
}

static void a_nack_says_why(void)
{
    int64_t seq = put_id("1", NOW);
    struct store_lease lease = claim_one(NOW + 1);
    settle(&lease, STORE_NACK, NOW + 2);
    assert_text(event_of(seq)->error, "it failed");
}

/* Let it fail so often; the time after that. */
static int64_t let_fail(int times, int64_t now_ms)
{
    for (int i = 0; i < times; i++) {
        struct store_lease lease = claim_one(now_ms);
        assert_int_equal(settle(&lease, STORE_NACK, now_ms), 1);
        now_ms = lease.until_ms;
    }
    return now_ms;
}

static void after_the_last_attempt_it_is_dead_and_says_why(void)
{
    int64_t seq = put_id("1", NOW), now_ms = let_fail(ATTEMPTS - 1, NOW + 1);
    struct store_lease lease = claim_one(now_ms);
    assert_int_equal(lease.attempts, ATTEMPTS);
    assert_int_equal(state_of(seq), WAITING);
    assert_int_equal(settle(&lease, STORE_NACK, now_ms), 1);
    assert_true(lease.until_ms == INT64_MAX);
    assert_int_equal(state_of(seq), DEAD);
    assert_text(event_of(seq)->error, "it failed");
    assert_int_equal(claim(1, now_ms + 2 * BACKOFF_MAX_MS)->n, 0);
}

static void a_last_attempt_that_nobody_settled_ends_dead_and_others_are_not_held_up(void)
{
    int64_t seq = put_id("1", NOW), now_ms = let_fail(ATTEMPTS - 1, NOW + 1);
    struct store_lease lease = claim_one(now_ms);
    put((struct sample){.id = "2", .created_ms = lease.until_ms}, lease.until_ms);
    assert_string_equal(claimed_ids(claim(1, lease.until_ms)), "2");
    assert_int_equal(state_of(seq), DEAD);
    assert_int_equal(settle(&lease, STORE_ACK, lease.until_ms + 1), 0);
}

static void the_last_attempt_may_succeed(void)
{
    int64_t seq = put_id("1", NOW), now_ms = let_fail(ATTEMPTS - 1, NOW + 1);
    ack(claim_one(now_ms), now_ms);
    assert_int_equal(state_of(seq), DONE);
}

static void one_that_fails_holds_up_no_other(void)
{
    for (int i = 1; i <= 3; i++)
        put_id(printed("%d", i).at, NOW + i);
    struct store_lease lease = claim_one(NOW + 10);
    settle(&lease, STORE_NACK, NOW + 11);
    assert_string_equal(claimed_ids(claim(9, NOW + 12)), "2 3");
    assert_string_equal(claimed_ids(claim(9, lease.until_ms)), "1");
}

int main(void)
{
    static const struct suite_test tests[] = {
        TEST(where_nothing_waits_nothing_is_claimed),
        TEST(the_oldest_come_first_n_at_most),
        TEST(what_is_claimed_together_is_given_in_the_order_in_which_it_was_made),
        TEST(only_the_types_that_are_asked_for),
        TEST(only_those_of_the_endpoint),
        TEST(an_endpoint_that_is_unknown_or_one_of_several_is_refused_and_the_others_are_named),
        TEST(a_claim_says_whose_it_is_until_when),
        TEST(a_list_tells_what_is_claimed_from_what_is_to_be_tried_again),
        TEST(what_is_done_is_done),
        TEST_IF(when_it_was_done_and_by_whom_is_told, NEEDS_WORK_TOLD),
        TEST(while_the_lease_lasts_nobody_else_gets_it),
        TEST(a_lease_may_be_of_any_length),
        TEST(a_lost_lease_changes_nothing_whatever_its_holder_says),
        TEST(one_that_ended_still_counts_while_nobody_else_has_the_event),
        TEST(two_claims_of_the_same_worker_at_the_same_time_are_different),
        TEST(an_extended_lease_lasts_from_now_on),
        TEST(what_is_released_may_be_had_at_once_or_later_and_no_attempt_counts),
        TEST(what_fails_is_tried_again_after_a_delay_that_doubles),
        TEST(or_after_the_delay_that_is_named),
        TEST_IF(a_nack_says_why, NEEDS_WORK_TOLD),
        TEST(after_the_last_attempt_it_is_dead_and_says_why),
        TEST(a_last_attempt_that_nobody_settled_ends_dead_and_others_are_not_held_up),
        TEST(the_last_attempt_may_succeed),
        TEST(one_that_fails_holds_up_no_other),
    };
    return SUITE_RUN(tests);
}
