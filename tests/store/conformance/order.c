/* SPDX-License-Identifier: MIT
 * order: one event of a resource at a time, the oldest first; and what is superseded is passed over. */
#include "suite/suite.h"

static const struct store_want in_order = {.ordered = true};
static const struct store_want newest_only = {.skip_superseded = true};

/* An event of a resource, made so many ms after NOW and received with all others. */
static int64_t put_of(const char *id, const char *resource, int created)
{
    return put((struct sample){.id = id, .resource_type = "check", .resource = resource, .created_ms = NOW + created},
               NOW + 1000);
}

/* A check that tells a state. */
static int64_t put_state(const char *id, const char *type, int created)
{
    const struct sample s = {.id = id,
                             .type = type,
                             .resource_type = "check",
                             .resource = "r",
                             .status = "complete",
                             .created_ms = NOW + created};
    return put(s, NOW + 1000);
}

/* ---- ordered ---- */

static void of_a_resource_only_the_oldest_is_given_whatever_the_order_of_arrival(void)
{
    put_of("r2", "r", 2);
    put_of("r1", "r", 1);
    put_of("s3", "s", 3);
    assert_string_equal(claim_ids(in_order, 9, NOW + 2000), "r1 s3");
    assert_string_equal(claim_ids(in_order, 9, NOW + 2000), "");
}

static void the_next_is_given_when_the_one_before_is_done(void)
{
    put_of("1", "r", 1);
    put_of("2", "r", 2);
    const struct store_want w = {.endpoint = "live", .owner = "tester", .ordered = true};
    const struct claimed *c = claim_as(store, &w, 9, NOW + 2000);
    assert_int_equal(c->n, 1);
    assert_string_equal(claim_ids(in_order, 9, NOW + 2001), "");
    ack(c->lease[0], NOW + 2002);
    assert_string_equal(claim_ids(in_order, 9, NOW + 2003), "2");
}

static void one_that_is_to_be_tried_again_holds_up_those_after_it(void)
{
    put_of("1", "r", 1);
    put_of("2", "r", 2);
    struct store_lease lease = claim_one(NOW + 2000);
    settle(&lease, STORE_NACK, NOW + 2001);
    assert_string_equal(claim_ids(in_order, 9, NOW + 2002), "");
    assert_string_equal(claim_ids(in_order, 9, lease.until_ms), "1");
}

static void one_that_is_dead_holds_up_nothing(void)
{
    change_one(STORE_CHANGE_DEAD, put_of("1", "r", 1), NOW + 1000);
    put_of("2", "r", 2);
    assert_string_equal(claim_ids(in_order, 9, NOW + 2000), "2");
}

static void a_claimed_one_holds_up_even_an_older_one(void)
{
    put_of("2", "r", 2);
    struct store_lease lease = claim_one(NOW + 2000);
    put_of("1", "r", 1);
    assert_string_equal(claim_ids(in_order, 9, NOW + 2001), "");
    ack(lease, NOW + 2002);
    assert_string_equal(claim_ids(in_order, 9, NOW + 2003), "1");
}

static void of_the_same_age_the_first_to_arrive_comes_first(void)
{
    put_of("1", "r", 1);
    put_of("2", "r", 1);
    assert_string_equal(claim_ids(in_order, 9, NOW + 2000), "1");
}

static void what_has_no_resource_or_that_of_another_kind_or_endpoint_is_not_held_up(void)
{
    put((struct sample){.id = "1", .created_ms = NOW + 1}, NOW + 1000);
    put((struct sample){.id = "2", .created_ms = NOW + 2}, NOW + 1000);
    put_of("3", "r", 3);
    put((struct sample){.id = "4", .resource_type = "client", .resource = "r", .created_ms = NOW + 4}, NOW + 1000);
    put((struct sample){.id = "5", .resource = "r", .created_ms = NOW + 5}, NOW + 1000);
    record_at(SANDBOX, body_of((struct sample){.id = "0", .resource_type = "check", .resource = "r"}), NOW + 1000);
    assert_string_equal(claim_ids(in_order, 9, NOW + 2000), "1 2 3 4 5");
}

static void a_type_that_is_not_asked_for_holds_up_nothing_unless_it_is_claimed(void)
{
    static const char *const types[] = {"u"};
    const struct store_want u = {.types = types, .n_types = 1, .ordered = true};
    put_of("1", "r", 1);
    put((struct sample){.id = "2", .type = "u", .resource_type = "check", .resource = "r", .created_ms = NOW + 2},
        NOW + 1000);
    assert_string_equal(claim_ids(u, 9, NOW + 2000), "2");
    assert_string_equal(claim_ids((struct store_want){.n_types = 0}, 9, NOW + 2000), "1");
    assert_string_equal(claim_ids(u, 9, NOW + 2000 + LEASE_MS), "2");
    struct store_lease lease = claim_one(NOW + 2000 + LEASE_MS); /* of 1 */
    assert_string_equal(claim_ids(u, 9, lease.until_ms - 1), "");
}

/* ---- ordered: the same if many events of the resource are done ---- */

static void long_history(void)
{
    for (int i = 0; i < 40; i++) {
        char id[8];
        snprintf(id, sizeof id, "h%d", i);
        change_one(STORE_CHANGE_ACK, put_of(id, i % 2 ? "r" : "s", i - 50), NOW + 1000);
    }
}

#define AFTER_A_LONG_HISTORY(f) \
    static void after_a_long_history_##f(void) \
    { \
        long_history(); \
        f(); \
    }

AFTER_A_LONG_HISTORY(of_a_resource_only_the_oldest_is_given_whatever_the_order_of_arrival)
AFTER_A_LONG_HISTORY(the_next_is_given_when_the_one_before_is_done)
AFTER_A_LONG_HISTORY(one_that_is_to_be_tried_again_holds_up_those_after_it)
AFTER_A_LONG_HISTORY(one_that_is_dead_holds_up_nothing)
AFTER_A_LONG_HISTORY(a_claimed_one_holds_up_even_an_older_one)
AFTER_A_LONG_HISTORY(of_the_same_age_the_first_to_arrive_comes_first)
AFTER_A_LONG_HISTORY(what_has_no_resource_or_that_of_another_kind_or_endpoint_is_not_held_up)
AFTER_A_LONG_HISTORY(a_type_that_is_not_asked_for_holds_up_nothing_unless_it_is_claimed)

/* ---- superseded ---- */

static void a_newer_state_supersedes_an_older_one(void)
{
    int64_t newer = put_state("2", "check.completed", 2), old = put_state("1", "check.pending", 1);
    assert_true(event_of(old)->superseded);
    assert_false(event_of(newer)->superseded);
    assert_string_equal(claim_ids(newest_only, 9, NOW + 2000), "2");
    assert_int_equal(state_of(old), DONE);
}

static struct store_related related_to(int64_t seq)
{
    struct store_related related = {-1, -1};
    struct err e = {0};
    assert_int_equal(store_relate(store, seq, &related, &e), 0);
    return related;
}

static void the_newest_of_those_that_supersede_one_is_told(void)
{
    int64_t old = put_state("1", "check.pending", 1);
    put_state("2", "check.updating", 2);
    int64_t newest = put_state("3", "check.completed", 3);
    assert_int_equal(related_to(old).newer, newest);
    assert_int_equal(related_to(newest).newer, 0);
    assert_int_equal(related_to(newest + 100).newer, 0);
}

static void the_first_of_those_that_tell_of_the_same_change_is_told(void)
{
    const struct sample first = {.id = "1", .type = "check.completed", .resource_type = "check", .resource = "r"};
    struct sample second = first;
    second.id = "2", second.type = "check.completed.clear";
    int64_t one = put(first, NOW), other = put(second, NOW);
    assert_int_equal(related_to(other).same, one);
    assert_int_equal(related_to(one).same, 0);
}

static void one_that_was_passed_over_says_so(void)
{
    int64_t old = put_state("1", "check.pending", 1);
    put_state("2", "check.completed", 2);
    claim_ids(newest_only, 9, NOW + 2000);
    assert_text(event_of(old)->error, "superseded");
    assert_int_equal(event_of(old)->done_ms, NOW + 2000);
}

static void who_does_not_ask_to_skip_them_gets_them_all(void)
{
    put_state("1", "check.pending", 1);
    put_state("2", "check.completed", 2);
    assert_string_equal(claim_ids((struct store_want){.n_types = 0}, 9, NOW + 2000), "1 2");
}

static void where_only_superseded_ones_are_at_hand_the_claim_goes_on_behind_them(void)
{
    put_state("1", "check.pending", 1);
    put_state("2", "check.updating", 2);
    put_state("3", "check.completed", 3);
    assert_string_equal(claim_ids(newest_only, 1, NOW + 2000), "3");
}

static void equal_times_and_partial_updates_never_supersede(void)
{
    int64_t first = put_state("1", "check.pending", 1), second = put_state("2", "check.completed", 1);
    int64_t part = put_state("3", "check.updated", 3);
    assert_false(event_of(first)->superseded);
    assert_false(event_of(second)->superseded);
    assert_false(event_of(part)->superseded);
    assert_string_equal(claim_ids(newest_only, 9, NOW + 2000), "1 2 3");
}

static void nor_does_one_without_a_status_or_of_another_resource(void)
{
    put_state("1", "check.pending", 1);
    put(
        (struct sample){
            .id = "2", .type = "check.completed", .resource_type = "check", .resource = "r", .created_ms = NOW + 2},
        NOW + 1000);
    put((struct sample){.id = "3",
                        .type = "check.completed",
                        .resource_type = "check",
                        .resource = "s",
                        .status = "complete",
                        .created_ms = NOW + 3},
        NOW + 1000);
    assert_string_equal(claim_ids(newest_only, 9, NOW + 2000), "1 2 3");
}

static void nor_one_that_has_no_readable_time_of_its_own(void)
{
    int64_t old = put_state("1", "check.pending", 1);
    const struct sample s = {.id = "2",
                             .type = "check.completed",
                             .resource_type = "check",
                             .resource = "r",
                             .status = "complete",
                             .created_ms = -1};
    put(s, NOW + 1000);
    assert_false(event_of(old)->superseded);
}

static void a_deletion_supersedes_whatever_came_before_it(void)
{
    int64_t old = put(
        (struct sample){
            .id = "1", .type = "client.created", .resource_type = "client", .resource = "c", .created_ms = NOW + 1},
        NOW + 1000);
    put(
        (struct sample){
            .id = "2", .type = "client.deleted", .resource_type = "client", .resource = "c", .created_ms = NOW + 2},
        NOW + 1000);
    assert_true(event_of(old)->superseded);
    assert_string_equal(claim_ids(newest_only, 9, NOW + 2000), "2");
}

static void what_supersedes_must_be_worked_on_itself(void)
{
    static const char *const types[] = {"check.pending"};
    int64_t newer;
    put_state("1", "check.pending", 1);
    newer = put_state("2", "check.completed", 2);
    assert_string_equal(
        claim_ids((struct store_want){.types = types, .n_types = 1, .skip_superseded = true}, 9, NOW + 2000), "1");
    change_one(STORE_CHANGE_DEAD, newer, NOW + 2000);
    assert_string_equal(claim_ids(newest_only, 9, NOW + 2000 + LEASE_MS), "1");
}

static void in_order_and_without_the_superseded_the_newest_is_the_last(void)
{
    put_state("3", "check.completed", 3);
    put_state("1", "check.pending", 1);
    put_state("2", "check.updating", 2);
    assert_string_equal(claim_ids((struct store_want){.ordered = true, .skip_superseded = true}, 1, NOW + 2000), "3");
}

int main(void)
{
    static const struct suite_test tests[] = {
        TEST(of_a_resource_only_the_oldest_is_given_whatever_the_order_of_arrival),
        TEST(the_next_is_given_when_the_one_before_is_done),
        TEST(one_that_is_to_be_tried_again_holds_up_those_after_it),
        TEST(one_that_is_dead_holds_up_nothing),
        TEST(a_claimed_one_holds_up_even_an_older_one),
        TEST(of_the_same_age_the_first_to_arrive_comes_first),
        TEST(what_has_no_resource_or_that_of_another_kind_or_endpoint_is_not_held_up),
        TEST(a_type_that_is_not_asked_for_holds_up_nothing_unless_it_is_claimed),
        TEST(after_a_long_history_of_a_resource_only_the_oldest_is_given_whatever_the_order_of_arrival),
        TEST(after_a_long_history_the_next_is_given_when_the_one_before_is_done),
        TEST(after_a_long_history_one_that_is_to_be_tried_again_holds_up_those_after_it),
        TEST(after_a_long_history_one_that_is_dead_holds_up_nothing),
        TEST(after_a_long_history_a_claimed_one_holds_up_even_an_older_one),
        TEST(after_a_long_history_of_the_same_age_the_first_to_arrive_comes_first),
        TEST(after_a_long_history_what_has_no_resource_or_that_of_another_kind_or_endpoint_is_not_held_up),
        TEST(after_a_long_history_a_type_that_is_not_asked_for_holds_up_nothing_unless_it_is_claimed),
        TEST(a_newer_state_supersedes_an_older_one),
        TEST(the_newest_of_those_that_supersede_one_is_told),
        TEST(the_first_of_those_that_tell_of_the_same_change_is_told),
        TEST_IF(one_that_was_passed_over_says_so, NEEDS_WORK_TOLD),
        TEST(who_does_not_ask_to_skip_them_gets_them_all),
        TEST(where_only_superseded_ones_are_at_hand_the_claim_goes_on_behind_them),
        TEST(equal_times_and_partial_updates_never_supersede),
        TEST(nor_does_one_without_a_status_or_of_another_resource),
        TEST(nor_one_that_has_no_readable_time_of_its_own),
        TEST(a_deletion_supersedes_whatever_came_before_it),
        TEST(what_supersedes_must_be_worked_on_itself),
        TEST(in_order_and_without_the_superseded_the_newest_is_the_last),
    };
    return SUITE_RUN(tests);
}
