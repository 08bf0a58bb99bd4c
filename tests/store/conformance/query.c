/* SPDX-License-Identifier: MIT
 * query: reading events: which, in which order, in how many calls. */
#include "suite/suite.h"

/* Five events that differ in one thing each; "5" is ignored. */
static void put_five(void)
{
    const struct sample base = {.id = "1", .type = "t", .resource_type = "check", .resource = "r", .client = "c"};
    struct sample s = base;
    put(s, NOW + 10);
    s.id = "2", s.type = "u";
    put(s, NOW + 20);
    s = base, s.id = "3", s.resource = "s";
    put(s, NOW + 30);
    s = base, s.id = "4", s.client = "d";
    record_at(SANDBOX, body_of(s), NOW + 40);
    s = base, s.id = "5";
    record_ignored(s, NOW + 50);
}

static const char *newest(struct store_query q) { return ids_of(read_all(q)); }

/* The same in each order. */
static void asks(struct store_query q, const char *newest_first, const char *oldest_first)
{
    assert_string_equal(newest(q), newest_first);
    q.oldest_first = true;
    assert_string_equal(newest(q), oldest_first);
    q.log_only = true;
    if (q.state < 0 || !(subject->lacks & NEEDS_WORK_TOLD))
        assert_string_equal(newest(q), oldest_first);
}

static void each_field_of_a_query_counts(void)
{
    put_five();
    asks((struct store_query){ANY}, "5 4 3 2 1", "1 2 3 4 5");
    asks((struct store_query){ANY, .endpoint = "live"}, "5 3 2 1", "1 2 3 5");
    asks((struct store_query){ANY, .endpoint = "sandbox"}, "4", "4");
    asks((struct store_query){ANY, .type = "t"}, "5 4 3 1", "1 3 4 5");
    asks((struct store_query){ANY, .resource_id = "r"}, "5 4 2 1", "1 2 4 5");
    asks((struct store_query){ANY, .client_id = "c"}, "5 3 2 1", "1 2 3 5");
    asks((struct store_query){ANY, .since_ms = NOW + 20}, "5 4 3 2", "2 3 4 5");
    asks((struct store_query){ANY, .before_ms = NOW + 20}, "1", "1");
    asks((struct store_query){ANY, .since_ms = NOW + 20, .before_ms = NOW + 41}, "4 3 2", "2 3 4");
    asks((struct store_query){ANY, .endpoint = "none"}, "", "");
}

static void the_secret_that_signed_counts(void)
{
    put_id("1", NOW);
    record_at(LIVE_NEXT, body_of((struct sample){.id = "2"}), NOW + 10);
    record_at(SANDBOX, body_of((struct sample){.id = "3"}), NOW + 20);
    asks((struct store_query){ANY, .secret = "main"}, "3 1", "1 3");
    asks((struct store_query){ANY, .secret = "next"}, "2", "2");
    asks((struct store_query){ANY, .secret = "main", .since_ms = NOW + 1}, "3", "3");
    asks((struct store_query){ANY, .secret = "none"}, "", "");
}

static void all_that_are_given_count_together(void)
{
    put_five();
    const struct store_query q = {ANY, .endpoint = "live", .type = "t", .resource_id = "r", .client_id = "c"};
    asks(q, "5 1", "1 5");
    struct store_query narrower = q;
    narrower.state = WAITING;
    asks(narrower, "1", "1");
    narrower.since_ms = NOW + 11;
    asks(narrower, "", "");
}

static void a_query_may_ask_for_a_state(void)
{
    put_five();
    change_one(STORE_CHANGE_DEAD, read_all((struct store_query){ANY, .type = "u"}).v->seq, NOW);
    ack(claim_one(NOW + 100), NOW + 101);
    asks((struct store_query){.state = WAITING, .limit = -1}, "4 3", "3 4");
    asks((struct store_query){.state = DONE, .limit = -1}, "1", "1");
    asks((struct store_query){.state = DEAD, .limit = -1}, "2", "2");
    asks((struct store_query){.state = IGNORED, .limit = -1}, "5", "5");
    asks((struct store_query){.state = WAITING, .limit = -1, .endpoint = "live"}, "3", "3");
}

static void of_the_newest_a_limit_at_most(void)
{
    put_five();
    assert_string_equal(newest((struct store_query){.state = -1, .limit = 2}), "5 4");
    assert_string_equal(newest((struct store_query){.state = -1, .limit = 9}), "5 4 3 2 1");
    assert_string_equal(newest((struct store_query){.state = WAITING, .limit = 2}), "4 3");
    assert_string_equal(newest((struct store_query){.state = -1, .limit = 2, .endpoint = "live"}), "5 3");
    assert_string_equal(newest((struct store_query){.state = -1, .limit = 1, .resource_id = "r", .type = "u"}), "2");
}

static void the_newest_up_to_a_number_are_those_before_it_and_itself(void)
{
    put_five();
    const int64_t fourth = read_all((struct store_query){ANY}).v[1].seq;
    assert_string_equal(newest((struct store_query){ANY, .to = fourth}), "4 3 2 1");
    assert_string_equal(newest((struct store_query){.state = -1, .limit = 2, .to = fourth}), "4 3");
    assert_string_equal(newest((struct store_query){.state = WAITING, .limit = -1, .to = fourth}), "4 3 2 1");
    assert_string_equal(newest((struct store_query){ANY, .to = fourth, .resource_id = "r"}), "4 2 1");
    assert_string_equal(newest((struct store_query){ANY, .to = fourth, .endpoint = "live"}), "3 2 1");
    assert_string_equal(newest((struct store_query){ANY, .to = fourth + 100}), "5 4 3 2 1");
}

static void one_that_a_worker_holds_is_claimed(void)
{
    put_five();
    struct store_lease lease = claim_one(NOW + 100);
    assert_true(event_of(lease.seq)->claimed);
    assert_false(event_of(lease.seq + 1)->claimed);
    ack(lease, NOW + 101);
    assert_false(event_of(lease.seq)->claimed);
}

static void a_range_of_numbers_is_open_below_and_closed_above(void)
{
    put_five();
    struct seen all = read_all((struct store_query){ANY, .oldest_first = true});
    const int64_t second = all.v[1].seq, fourth = all.v[3].seq;
    const struct store_query from = {ANY, .oldest_first = true, .after = second};
    const struct store_query both = {ANY, .oldest_first = true, .after = second, .to = fourth};
    const struct store_query past = {ANY, .oldest_first = true, .after = all.v[4].seq};
    assert_string_equal(newest(from), "3 4 5");
    assert_string_equal(newest(both), "3 4");
    assert_string_equal(newest(past), "");
}

static void reading_on_where_it_ended_gives_what_came_since(void)
{
    put_five();
    struct store_query q = {ANY, .oldest_first = true};
    while (read_once(&q).more)
        ;
    put_id("6", NOW + 60);
    assert_string_equal(ids_of(read_once(&q)), "6");
}

static void named_numbers_are_read_in_their_order_and_unknown_ones_passed_over(void)
{
    put_five();
    struct seen all = read_all((struct store_query){ANY, .oldest_first = true});
    const int64_t seqs[] = {all.v[3].seq, 99, all.v[0].seq, all.v[4].seq, all.v[0].seq};
    const struct store_query any = {ANY, .seqs = seqs, .n_seqs = 5},
                             waiting = {.state = WAITING, .limit = -1, .seqs = seqs, .n_seqs = 5};
    assert_string_equal(newest(any), "4 1 5 1");
    assert_string_equal(newest(waiting), "4 1 1");
}

static void a_thousand_are_read_in_calls_of_500_at_most_each_once(void)
{
    enum { MANY = 1010 };
    struct record r[STORE_BATCH_MAX], *batch[STORE_BATCH_MAX];
    for (int done = 0, n; done < MANY; done += n) {
        n = MANY - done < STORE_BATCH_MAX ? MANY - done : STORE_BATCH_MAX;
        for (int i = 0; i < n; i++)
            batch[i] = arrive(LIVE, body_of((struct sample){.id = printed("%d", done + i).at}), &r[i]);
        record_all(batch, (size_t)n, NOW);
    }
    struct store_query q = {ANY, .oldest_first = true};
    size_t n = 0, calls = 0;
    for (bool more = true; more; calls++) {
        struct seen some = read_once(&q);
        assert_true(some.n <= 500 && calls < 10);
        for (size_t i = 0; i < some.n; i++)
            assert_text(some.v[i].id, printed("%zu", n++).at);
        more = some.more;
    }
    assert_int_equal(n, MANY);
    assert_true(calls >= 3);
}

static void large_ones_are_read_in_calls_of_about_4_MB(void)
{
    char *note = kept((1 << 20) + 1);
    memset(note, 'x', 1 << 20);
    for (int i = 0; i < 7; i++)
        put((struct sample){.id = printed("%d", i).at, .note = note}, NOW);
    struct store_query q = {ANY, .oldest_first = true};
    struct seen some = read_once(&q);
    assert_true(some.more);
    assert_true(some.n >= 1 && some.n <= 5);
    size_t n = some.n;
    while (some.more) {
        some = read_once(&q);
        n += some.n;
    }
    assert_int_equal(n, 7);
}

static void an_empty_store_is_read_to_its_end_at_once(void) { asks((struct store_query){ANY}, "", ""); }

/* ---- choosing by number ---- */

static const char *chosen(enum store_set set, struct store_query q)
{
    int64_t *seqs;
    struct err e = {0};
    int64_t n = store_select(store, set, &q, &seqs, &e);
    const char *ids = "";
    assert_string_equal(e.msg, "");
    assert_true(n >= 0);
    for (int64_t i = 0; i < n; i++)
        ids = printed("%s%s%s", ids, i ? " " : "", text_of(event_of(seqs[i])->id)).at;
    free(seqs);
    return ids;
}

static void matching_numbers_are_those_of_a_query_the_oldest_first(void)
{
    put_five();
    assert_string_equal(chosen(STORE_MATCHING, (struct store_query){ANY}), "1 2 3 4 5");
    assert_string_equal(chosen(STORE_MATCHING, (struct store_query){.state = -1, .limit = 2}), "4 5");
    assert_string_equal(chosen(STORE_MATCHING, (struct store_query){.state = WAITING, .limit = 2}), "3 4");
    assert_string_equal(chosen(STORE_MATCHING, (struct store_query){ANY, .type = "u"}), "2");
    assert_string_equal(chosen(STORE_MATCHING, (struct store_query){ANY, .resource_id = "r", .client_id = "c"}),
                        "1 2 5");
    assert_string_equal(chosen(STORE_MATCHING, (struct store_query){ANY, .type = "none"}), "");
}

static void of_a_client_are_also_events_of_its_resources_that_do_not_name_it(void)
{
    put((struct sample){.id = "1", .resource_type = "document", .resource = "d", .client = "c"}, NOW + 10);
    put((struct sample){.id = "2", .resource_type = "document", .resource = "d"}, NOW + 20);
    put((struct sample){.id = "3", .resource_type = "check", .resource = "d"}, NOW + 30);
    put((struct sample){.id = "4", .resource_type = "document", .resource = "e"}, NOW + 40);
    put((struct sample){.id = "5", .client = "c"}, NOW + 50);
    put((struct sample){.id = "6", .client = "other"}, NOW + 60);
    record_at(SANDBOX, body_of((struct sample){.id = "7", .resource_type = "document", .resource = "d"}), NOW + 70);
    assert_string_equal(chosen(STORE_OF_CLIENT, (struct store_query){ANY, .client_id = "c"}), "1 2 5");
    assert_string_equal(chosen(STORE_OF_CLIENT, (struct store_query){ANY, .client_id = "c", .since_ms = NOW + 20}),
                        "2 5");
    assert_string_equal(chosen(STORE_OF_CLIENT, (struct store_query){ANY, .client_id = "c", .resource_id = "d"}),
                        "1 2");
    assert_string_equal(chosen(STORE_OF_CLIENT, (struct store_query){ANY, .client_id = "c", .endpoint = "sandbox"}),
                        "");
}

enum { DAY_MS = 86400000 };

/* An event of a resource that is done on a day. */
static int64_t put_done(const char *id, const char *resource, int created, int day)
{
    int64_t seq = put(
        (struct sample){.id = id, .resource_type = "check", .resource = resource, .created_ms = NOW + created}, NOW);
    ack(claim_one(NOW + 1), NOW + (int64_t)day * DAY_MS);
    return seq;
}

static const char *prunable(int day)
{
    return chosen(STORE_PRUNABLE, (struct store_query){ANY, .before_ms = NOW + (int64_t)day * DAY_MS});
}

static void prunable_is_what_was_done_or_ignored_before_and_is_not_empty_yet(void)
{
    int64_t first = put_done("1", "r", 1, 10);
    put_done("2", "s", 1, 20);
    record_ignored((struct sample){.id = "3", .resource_type = "check", .resource = "t"}, NOW);
    put((struct sample){.id = "4", .resource_type = "check", .resource = "u"}, NOW);
    assert_string_equal(prunable(5), "3");
    assert_string_equal(prunable(15), "1 3");
    assert_string_equal(prunable(30), "1 2 3");
    erase_one(STORE_PRUNE, first, NOW);
    assert_string_equal(prunable(30), "2 3");
}

static void while_an_older_event_of_its_resource_stays_it_stays_too(void)
{
    int64_t waits = put((struct sample){.id = "1", .resource_type = "check", .resource = "r"}, NOW);
    struct store_lease lease = claim_one(NOW);
    put_done("2", "r", 1, 10);
    put_done("3", "s", 2, 20);
    put_done("4", "s", 3, 10);
    put_done("5", "s", 1, 10);
    assert_string_equal(prunable(15), "5");
    settle(&lease, STORE_RELEASE, NOW + 2);
    change_one(STORE_CHANGE_DEAD, waits, NOW);
    assert_string_equal(prunable(30), "3 4 5");
    change_one(STORE_CHANGE_ACK, waits, NOW);
    assert_string_equal(prunable(30), "1 2 3 4 5");
}

/* ---- finding ---- */

static void add(void *ctx, const struct store_event *v)
{
    const char **ids = ctx;
    *ids = printed("%s%s/%s ", *ids, text_of(v->id), text_of(v->type)).at;
}

static const char *found(const char *key)
{
    const char *ids = "";
    struct err e = {0};
    if (store_find(store, span_of(key), add, &ids, &e) != 0)
        assert_int_equal(e.code, ERR_NOT_FOUND);
    return ids;
}

static void an_event_is_found_by_its_number_or_by_its_id_and_so_is_each_that_has_it(void)
{
    int64_t seq = put((struct sample){.id = "ev", .type = "t"}, NOW);
    put((struct sample){.id = "ev", .type = "u"}, NOW);
    put((struct sample){.id = "777", .type = "t"}, NOW);
    assert_string_equal(found("ev"), "ev/t ev/u ");
    assert_string_equal(found(printed("%lld", (long long)seq).at), "ev/t ");
    assert_string_equal(found("777"), "777/t ");
    assert_string_equal(found("EV"), "");
    assert_string_equal(found("778"), "");
    assert_string_equal(found(""), "");
    assert_string_equal(found("99999999999999999999999"), "");
}

int main(void)
{
    static const struct suite_test tests[] = {
        TEST(each_field_of_a_query_counts),
        TEST(the_secret_that_signed_counts),
        TEST(all_that_are_given_count_together),
        TEST(a_query_may_ask_for_a_state),
        TEST(of_the_newest_a_limit_at_most),
        TEST(the_newest_up_to_a_number_are_those_before_it_and_itself),
        TEST(one_that_a_worker_holds_is_claimed),
        TEST(a_range_of_numbers_is_open_below_and_closed_above),
        TEST(reading_on_where_it_ended_gives_what_came_since),
        TEST(named_numbers_are_read_in_their_order_and_unknown_ones_passed_over),
        TEST(a_thousand_are_read_in_calls_of_500_at_most_each_once),
        TEST(large_ones_are_read_in_calls_of_about_4_MB),
        TEST(an_empty_store_is_read_to_its_end_at_once),
        TEST(matching_numbers_are_those_of_a_query_the_oldest_first),
        TEST(of_a_client_are_also_events_of_its_resources_that_do_not_name_it),
        TEST(prunable_is_what_was_done_or_ignored_before_and_is_not_empty_yet),
        TEST(while_an_older_event_of_its_resource_stays_it_stays_too),
        TEST(an_event_is_found_by_its_number_or_by_its_id_and_so_is_each_that_has_it),
    };
    return SUITE_RUN(tests);
}
