/* SPDX-License-Identifier: MIT
 * figures: what a person is told of the whole: facts, tallies, counts, history, schema. */
#include "base/clock.h"
#include "suite/suite.h"

enum { HOUR_MS = 3600000 };
#define HOUR (NOW - NOW % HOUR_MS)

static void facts_of_an_empty_store_are_nothing(void)
{
    struct store_facts f = facts_at(NOW);
    const int64_t none[] = {f.waiting, f.dead,      f.quarantined, f.events,  f.leased,
                            f.delayed, f.oldest_ms, f.stranded,    f.orphaned};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(none[i], 0);
    assert_int_equal(f.schema, 1);
    assert_true(*f.journal);
}

static void facts_count_what_waits_is_claimed_comes_later_is_dead_or_in_quarantine(void)
{
    for (int i = 1; i <= 6; i++)
        put_id(printed("%d", i).at, NOW + i);
    record_ignored((struct sample){.id = "7"}, NOW + 7);
    record_at(LIVE, printed("no event"), NOW + 8);
    ack(claim_one(NOW + 10), NOW + 11);
    struct store_lease lease = claim_one(NOW + 12);
    settle(&lease, STORE_NACK, NOW + 13);
    claim_one(NOW + 14);
    change_one(STORE_CHANGE_DEAD, read_all((struct store_query){.state = WAITING, .limit = 1}).v->seq, NOW + 15);
    struct store_facts f = facts_at(NOW + 20);
    assert_int_equal(f.events, 7);
    assert_int_equal(f.waiting, 4);
    assert_int_equal(f.leased, 1);
    assert_int_equal(f.delayed, 1);
    assert_int_equal(f.dead, 1);
    assert_int_equal(f.quarantined, 1);
    assert_int_equal(f.oldest_ms, NOW + 2);
    f = facts_at(NOW + 10 * LEASE_MS);
    assert_int_equal(f.leased + f.delayed, 0);
}

/* ---- the tally ---- */

static void add_tally(void *ctx, const struct store_tally *t)
{
    const char **text = ctx;
    if (t->n)
        *text = t->state >= 0 ? printed("%s%s:%d=%d@%d ", *text, text_of(t->endpoint), t->state, (int)t->n,
                                        t->oldest_ms ? (int)(t->oldest_ms - NOW) : 0)
                                    .at
                              : printed("%s%s:%s=%d ", *text, text_of(t->endpoint), text_of(t->type), (int)t->n).at;
}

static const char *tally(struct store_query f, bool whole)
{
    const char *text = "";
    struct err e = {0};
    assert_int_equal(store_tally(store, &f, whole, add_tally, &text, &e), 0);
    return text;
}

static void a_tally_counts_the_states_of_each_endpoint_and_the_types_the_most_frequent_first(void)
{
    static const char *const types[] = {"t", "u", "t", "u", "t", "u", "u"};
    for (int i = 0; i < 7; i++)
        put((struct sample){.id = printed("%d", i).at, .type = types[i], .created_ms = NOW + i}, NOW + i);
    record_ignored((struct sample){.id = "1", .type = "v"}, NOW + 7);
    record_ignored((struct sample){.id = "2", .type = "v"}, NOW + 8);
    record_at(SANDBOX, body_of((struct sample){.id = "1"}), NOW + 9);
    record_at(LIVE, printed("no event"), NOW + 10);
    ack(claim_one(NOW + 20), NOW + 21);
    const struct store_query any = {ANY}, sandbox = {ANY, .endpoint = "sandbox"},
                             later = {ANY, .endpoint = "live", .since_ms = NOW + 3, .before_ms = NOW + 7};
    assert_string_equal(tally(any, true),
                        "live:0=6@1 live:1=1@0 live:3=2@0 live:4=1@0 sandbox:0=1@9 live:u=4 live:t=3 "
                        "live:v=2 sandbox:t=1 ");
    assert_string_equal(tally(any, false), "live:0=6@1 live:3=2@0 live:4=1@0 sandbox:0=1@9 ");
    assert_string_equal(tally(sandbox, true), "sandbox:0=1@9 sandbox:t=1 ");
    assert_string_equal(tally(later, true), "live:0=4@3 live:u=3 live:t=1 ");
}

static void add_held(void *ctx, const struct store_tally *t)
{
    const char **text = ctx;
    if (t->leased || t->delayed)
        *text = printed("%s%s:%d+%d ", *text, text_of(t->endpoint), (int)t->leased, (int)t->delayed).at;
}

/* A tally asks a clock which claims have ended. */
static void a_tally_tells_what_is_claimed_and_what_is_to_be_tried_again_later(void)
{
    const char *text = "";
    const int64_t now_ms = clock_time_ms();
    struct err e = {0};
    for (int i = 0; i < 4; i++)
        put_id(printed("%d", i).at, now_ms);
    struct store_lease lease = claim_one(now_ms);
    settle(&lease, STORE_NACK, now_ms);
    claim_one(now_ms);
    claim_one(now_ms);
    const struct store_query any = {ANY};
    assert_int_equal(store_tally(store, &any, false, add_held, &text, &e), 0);
    assert_string_equal(text, "live:2+1 ");
}

/* ---- counts ---- */

static void add_count(void *ctx, const struct store_count *c)
{
    const char **text = ctx;
    *text = printed("%s%d:%s/%s:%s=%d@%d ", *text, (int)((c->hour_ms - HOUR) / HOUR_MS), text_of(c->endpoint),
                    text_of(c->secret), text_of(c->outcome), (int)c->n, (int)(c->last_ms - c->hour_ms))
                .at;
}

static const char *counted(int64_t since_ms)
{
    const char *text = "";
    struct err e = {0};
    assert_int_equal(store_counts(store, since_ms, add_count, &text, &e), 0);
    return text;
}

static void what_came_is_counted_by_the_hour_with_each_outcome(void)
{
    struct span body = body_of((struct sample){.id = "1"});
    record_at(LIVE, body, HOUR + 1);
    record_at(LIVE, body, HOUR + 2);
    record_at(LIVE, body, HOUR + 3);
    record_at(LIVE, printed("no event"), HOUR + HOUR_MS);
    record_at(LIVE_NEXT, body_of((struct sample){.id = "2"}), HOUR + 2 * HOUR_MS + 4);
    assert_string_equal(counted(0), "0:live/main:duplicate=2@3 0:live/main:stored=1@1 1:live/main:quarantined=1@0 "
                                    "2:live/next:stored=1@4 ");
    assert_string_equal(counted(HOUR + HOUR_MS), "1:live/main:quarantined=1@0 2:live/next:stored=1@4 ");
    assert_string_equal(counted(HOUR + 2 * HOUR_MS - 1), "1:live/main:quarantined=1@0 2:live/next:stored=1@4 ");
}

static void add_total(void *ctx, const struct store_count *c)
{
    const char **text = ctx;
    *text = printed("%s%s/%s:%s=%d@%d ", *text, text_of(c->endpoint), text_of(c->secret), text_of(c->outcome),
                    (int)c->n, (int)(c->last_ms - HOUR))
                .at;
}

static void totals_are_the_counts_of_all_hours_with_the_latest_time_that_may_be(void)
{
    const char *text = "";
    struct err e = {0};
    record_at(LIVE, body_of((struct sample){.id = "1"}), HOUR + 1);
    record_at(LIVE, body_of((struct sample){.id = "2"}), HOUR + 5 * HOUR_MS);
    record_at(LIVE, body_of((struct sample){.id = "2"}), HOUR + 5 * HOUR_MS + 1);
    record_at(LIVE_NEXT, body_of((struct sample){.id = "3"}), HOUR + 2);
    assert_int_equal(store_totals(store, HOUR + 5 * HOUR_MS, add_total, &text, &e), 0);
    assert_string_equal(
        text,
        printed("live/main:stored=2@%d live/main:duplicate=1@%d live/next:stored=1@2 ", 5 * HOUR_MS, (int)-HOUR).at);
}

static void a_batch_is_counted_member_by_member(void)
{
    struct record r[4], *batch[4];
    for (int i = 0; i < 4; i++)
        batch[i] = arrive(LIVE, body_of((struct sample){.id = i == 3 ? "0" : printed("%d", i).at}), &r[i]);
    r[1].ignored = true;
    record_all(batch, 4, HOUR + 9);
    assert_string_equal(counted(0), "0:live/main:duplicate=1@9 0:live/main:ignored=1@9 0:live/main:stored=2@9 ");
}

static void what_was_spooled_counts_in_the_hour_in_which_it_came_and_once(void)
{
    for (int i = 0; i < 2; i++) {
        struct record r, *batch[] = {arrive(LIVE, body_of((struct sample){.id = "1"}), &r)};
        r.spooled_ms = HOUR + 5;
        record_all(batch, 1, HOUR + 3 * HOUR_MS);
    }
    assert_string_equal(counted(0), "0:live/main:stored=1@5 ");
}

static void add_ignored(void *ctx, const struct store_count *c)
{
    const char **text = ctx;
    *text = printed("%s%s:%s=%d ", *text, text_of(c->endpoint), text_of(c->outcome), (int)c->n).at;
}

static void ignored_types_are_told_the_most_frequent_first_and_twenty_at_most(void)
{
    const char *text = "", *all = "";
    struct err e = {0};
    for (int i = 0; i < 6; i++)
        record_ignored((struct sample){.id = printed("%d", i).at, .type = i % 3 ? "often" : "rare"}, NOW + i);
    put((struct sample){.id = "9", .type = "asked.for"}, NOW);
    assert_int_equal(store_ignored(store, 0, add_ignored, &text, &e), 0);
    assert_string_equal(text, "live:often=4 live:rare=2 ");
    text = "";
    assert_int_equal(store_ignored(store, NOW + 4, add_ignored, &text, &e), 0);
    assert_string_equal(text, "live:often=2 ");
    for (int i = 0; i < 30; i++)
        record_ignored((struct sample){.id = "x", .type = printed("t%d", i).at}, NOW);
    assert_int_equal(store_ignored(store, 0, add_ignored, &all, &e), 0);
    int rows = 0;
    for (const char *at = all; (at = strchr(at, '=')); at++)
        rows++;
    assert_int_equal(rows, STORE_IGNORED_MAX);
}

/* ---- history ---- */

static void a_note_stands_for_many(void)
{
    struct err e = {0};
    assert_int_equal(store_add_history(store, "prune", 17, "before a day", &by_hand, NOW + 3, &e), 0);
    struct pasts p = history_of(0);
    assert_int_equal(p.n, 1);
    assert_text(p.v->action, "prune");
    assert_text(p.v->detail, "before a day");
    assert_text(p.v->user, "operator");
    assert_int_equal(p.v->n, 17);
    assert_int_equal(p.v->at_ms, NOW + 3);
    assert_int_equal(p.v->from, -1);
    assert_int_equal(p.v->to, -1);
    assert_null(p.v->event_id.at);
}

static void an_actor_need_not_be_known(void)
{
    struct err e = {0};
    assert_int_equal(store_add_history(store, "import", 1, NULL, &(struct store_actor){0}, NOW, &e), 0);
    struct pasts p = history_of(0);
    assert_null(p.v->user.at);
    assert_null(p.v->reason.at);
    assert_null(p.v->detail.at);
}

static void add_past(void *ctx, const struct store_past *p)
{
    const char **text = ctx;
    *text = printed("%s%s ", *text, text_of(p->action)).at;
}

static void history_is_read_the_newest_first_of_a_time_and_a_limit_at_most(void)
{
    static const struct {
        int64_t since_ms, before_ms, limit;
        const char *expected;
    } asked[] = {{0, 0, 9, "c b a "},
                 {0, 0, 2, "c b "},
                 {NOW + 1, 0, 9, "c b "},
                 {0, NOW + 2, 9, "b a "},
                 {NOW + 1, NOW + 2, 9, "b "}};
    struct err e = {0};
    for (int i = 0; i < 3; i++)
        store_add_history(store, (const char *[]){"a", "b", "c"}[i], 1, NULL, &by_hand, NOW + i, &e);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        const char *text = "";
        assert_int_equal(
            store_history(store, 0, asked[i].since_ms, asked[i].before_ms, asked[i].limit, add_past, &text, &e), 0);
        assert_string_equal(text, asked[i].expected);
    }
}

/* ---- its schema ---- */

static void a_new_store_lacks_nothing(void)
{
    struct store_step step;
    struct err e = {0};
    assert_int_equal(store_missing(store, NULL, NULL, &e), 0);
    assert_int_equal(store_migrate(store, &by_hand, NOW, &step, &e), 0);
}

int main(void)
{
    static const struct suite_test tests[] = {
        TEST(facts_of_an_empty_store_are_nothing),
        TEST(facts_count_what_waits_is_claimed_comes_later_is_dead_or_in_quarantine),
        TEST_IF(a_tally_counts_the_states_of_each_endpoint_and_the_types_the_most_frequent_first, NEEDS_FIGURES),
        TEST_IF(a_tally_tells_what_is_claimed_and_what_is_to_be_tried_again_later, NEEDS_FIGURES),
        TEST_IF(what_came_is_counted_by_the_hour_with_each_outcome, NEEDS_FIGURES),
        TEST_IF(totals_are_the_counts_of_all_hours_with_the_latest_time_that_may_be, NEEDS_FIGURES),
        TEST_IF(a_batch_is_counted_member_by_member, NEEDS_FIGURES),
        TEST_IF(what_was_spooled_counts_in_the_hour_in_which_it_came_and_once, NEEDS_FIGURES),
        TEST_IF(ignored_types_are_told_the_most_frequent_first_and_twenty_at_most, NEEDS_FIGURES),
        TEST_IF(a_note_stands_for_many, NEEDS_HISTORY),
        TEST_IF(an_actor_need_not_be_known, NEEDS_HISTORY),
        TEST_IF(history_is_read_the_newest_first_of_a_time_and_a_limit_at_most, NEEDS_HISTORY),
        TEST(a_new_store_lacks_nothing),
    };
    return SUITE_RUN(tests);
}
