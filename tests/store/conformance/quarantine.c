/* SPDX-License-Identifier: MIT
 * quarantine: what is no event, or a known one with another payload, is kept until a person decides. */
#include "suite/suite.h"

static struct sample conflict = {.id = "1", .note = "another payload"};

/* An event of this id and a row of quarantine that is in conflict with it: the number of the event. */
static int64_t put_conflict(int64_t *id)
{
    int64_t seq = put_id("1", NOW);
    assert_int_equal(record_at(LIVE, body_of(conflict), NOW + 1), STORE_QUARANTINED);
    *id = quarantine_of(NULL).v->id;
    return seq;
}

static int64_t put_no_event(void)
{
    assert_int_equal(record_at(LIVE, printed("no event"), NOW), STORE_QUARANTINED);
    return quarantine_of(NULL).v->id;
}

static void another_payload_of_a_known_event_is_kept_with_the_reason(void)
{
    int64_t seq = put_id("1", NOW);
    struct record r, *batch[] = {arrive(LIVE_NEXT, body_of(conflict), &r)};
    record_all(batch, 1, NOW + 1);
    assert_int_equal(r.outcome, STORE_QUARANTINED);
    assert_int_equal(r.err.code, ERR_CONFLICT);
    struct rows rows = quarantine_of(NULL);
    assert_int_equal(rows.n, 1);
    assert_text(rows.v->reason, r.err.msg);
    assert_text(rows.v->event_id, "1");
    assert_text(rows.v->body, text_of(body_of(conflict)));
    assert_text(rows.v->endpoint, "live");
    assert_text(rows.v->secret, "next");
    assert_int_equal(rows.v->signature.len, 64);
    assert_text(event_of(seq)->body, text_of(body_of((struct sample){.id = "1"})));
    assert_int_equal(read_all((struct store_query){ANY}).n, 1);
}

static void a_payload_in_place_of_none_is_another_one(void)
{
    assert_int_equal(record_at(LIVE, printed("{\"id\":\"1\",\"type\":\"t\"}"), NOW), STORE_NEW);
    assert_int_equal(record_at(LIVE, body_of(conflict), NOW), STORE_QUARANTINED);
    assert_int_equal(record_at(LIVE, printed("{\"id\":\"1\", \"type\":\"t\"}"), NOW), STORE_DUPLICATE);
}

static void what_is_no_event_is_kept_to_the_byte(void)
{
    static const char bytes[] = "no\0event\xff\n";
    struct record r, *batch[] = {arrive(SANDBOX, (struct span){bytes, sizeof bytes}, &r)};
    assert_non_null(r.reason);
    record_all(batch, 1, NOW);
    struct rows rows = quarantine_of(NULL);
    assert_int_equal(rows.n, 1);
    assert_true(span_equal(rows.v->body, (struct span){bytes, sizeof bytes}));
    assert_text(rows.v->reason, r.reason);
    assert_text(rows.v->endpoint, "sandbox");
    assert_null(rows.v->event_id.at);
    assert_int_equal(rows.v->first_ms, NOW);
    assert_int_equal(rows.v->last_ms, NOW);
    assert_int_equal(rows.v->times, 1);
    assert_int_equal(read_all((struct store_query){ANY}).n, 0);
}

static void the_same_delivery_again_is_counted(void)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(record_at(LIVE, printed("no event"), NOW + i), STORE_QUARANTINED);
    assert_int_equal(record_at(SANDBOX, printed("no event"), NOW + 9), STORE_QUARANTINED);
    struct rows rows = quarantine_of("live");
    assert_int_equal(rows.n, 1);
    assert_int_equal(rows.v->times, 3);
    assert_int_equal(rows.v->first_ms, NOW);
    assert_int_equal(rows.v->last_ms, NOW + 2);
}

static void see_id(void *ctx, const struct store_quarantined *row)
{
    int64_t *id = ctx;
    *id = row->id;
}

static void it_is_read_the_newest_first_by_endpoint_or_by_its_number(void)
{
    int64_t id = 0;
    struct err e = {0};
    for (int i = 0; i < 3; i++)
        record_at(i == 1 ? SANDBOX : LIVE, printed("no event %d", i), NOW + i);
    struct rows rows = quarantine_of(NULL);
    assert_int_equal(rows.n, 3);
    assert_true(rows.v[0].id > rows.v[1].id && rows.v[1].id > rows.v[2].id);
    assert_text(rows.v[0].body, "no event 2");
    assert_int_equal(quarantine_of("live").n, 2);
    assert_int_equal(quarantine_of("sandbox").n, 1);
    assert_int_equal(store_list_quarantine(store, rows.v[1].id, NULL, see_id, &id, &e), 0);
    assert_int_equal(id, rows.v[1].id);
    assert_int_equal(store_list_quarantine(store, rows.v[0].id + 1, NULL, see_id, &id, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void collect_ids(void *ctx, const struct store_quarantined *row)
{
    struct {
        int64_t id[1000];
        size_t n;
    } *all = ctx;
    all->id[all->n++] = row->id;
}

static void all_of_it_is_read_the_oldest_first_in_parts(void)
{
    struct {
        int64_t id[1000];
        size_t n;
    } all = {.n = 0};
    struct err e = {0};
    for (int i = 0; i < 510; i++)
        record_at(LIVE, printed("no event %d", i), NOW + i);
    int calls = 0;
    for (int64_t after = INT64_MIN; after != INT64_MAX; calls++) {
        assert_true(calls < 10);
        assert_int_equal(store_walk_quarantine(store, &after, 0, collect_ids, &all, &e), 0);
        assert_true(after == INT64_MAX || after == all.id[all.n - 1]);
    }
    assert_true(calls > 1);
    assert_int_equal(all.n, 510);
    for (size_t i = 1; i < all.n; i++)
        assert_true(all.id[i] > all.id[i - 1]);
}

static void what_is_dropped_is_gone_and_may_come_again(void)
{
    struct err e = {0};
    int64_t id = put_no_event();
    assert_int_equal(store_drop(store, id, &by_hand, NOW, &e), 0);
    assert_int_equal(quarantine_of(NULL).n, 0);
    assert_int_equal(store_drop(store, id, &by_hand, NOW, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    put_no_event();
    assert_int_equal(quarantine_of(NULL).v->times, 1);
}

static void a_drop_is_in_the_history(void)
{
    struct err e = {0};
    assert_int_equal(store_drop(store, put_no_event(), &by_hand, NOW + 5, &e), 0);
    struct pasts p = history_of(0);
    assert_int_equal(p.n, 1);
    assert_text(p.v->action, "drop");
    assert_text(p.v->user, "operator");
    assert_int_equal(p.v->at_ms, NOW + 5);
}

/* Accept the body of a row. */
static int accept_row(int64_t id, struct span body, int64_t now_ms, int64_t *seq, struct err *e)
{
    struct record r;
    return store_accept(store, id, arrive(LIVE, body, &r), &by_hand, now_ms, seq, e);
}

static void what_is_accepted_waits_as_an_event(void)
{
    int64_t seq = put_no_event(), now_ms = NOW + 9;
    struct err e = {0};
    struct record r; /* as a later version reads the body that this one could not */
    arrive(LIVE, printed("no event"), &r);
    struct event *event = kept(sizeof *event);
    *event = (struct event){.id = span_of("1"), .type = span_of("t"), .created_ms = NOW};
    r.event = event;
    r.reason = NULL;
    assert_int_equal(store_accept(store, seq, &r, &by_hand, now_ms, &seq, &e), 0);
    assert_int_equal(quarantine_of(NULL).n, 0);
    const struct store_event *v = event_of(seq);
    assert_text(v->source, "accepted");
    assert_text(v->body, "no event");
    assert_int_equal(v->received_ms, now_ms);
    assert_int_equal(v->state, WAITING);
    assert_string_equal(claimed_ids(claim(9, now_ms + 1)), "1");
}

static void what_is_accepted_for_a_known_event_takes_its_place_and_that_one_goes_into_quarantine(void)
{
    int64_t id, accepted, seq = put_conflict(&id);
    struct err e = {0};
    ack(claim_one(NOW + 2), NOW + 3);
    assert_int_equal(accept_row(id, body_of(conflict), NOW + 9, &accepted, &e), 0);
    assert_int_equal(accepted, seq);
    assert_text(event_of(seq)->body, text_of(body_of(conflict)));
    assert_int_equal(state_of(seq), WAITING);
    assert_int_equal(claim(9, NOW + 10)->n, 1);
    struct rows rows = quarantine_of(NULL);
    assert_int_equal(rows.n, 1);
    assert_text(rows.v->body, text_of(body_of((struct sample){.id = "1"})));
    assert_int_equal(accept_row(rows.v->id, body_of((struct sample){.id = "1"}), NOW + 11, &accepted, &e), 0);
    assert_text(event_of(seq)->body, text_of(body_of((struct sample){.id = "1"}))); /* and back again */
}

static void a_worker_that_holds_the_known_event_has_lost_its_lease(void)
{
    int64_t id, seq;
    struct err e = {0};
    put_conflict(&id);
    struct store_lease lease = claim_one(NOW + 2);
    assert_int_equal(accept_row(id, body_of(conflict), NOW + 9, &seq, &e), 0);
    assert_int_equal(settle(&lease, STORE_ACK, NOW + 10), 0);
    assert_int_equal(state_of(seq), WAITING);
}

static void nothing_takes_the_place_of_an_event_that_was_erased(void)
{
    int64_t id, accepted, seq = put_conflict(&id);
    struct err e = {0};
    assert_int_equal(erase_one(STORE_ERASE, seq, NOW), STORE_CHANGED);
    assert_int_equal(accept_row(id, body_of(conflict), NOW + 9, &accepted, &e), -1);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_int_equal(quarantine_of(NULL).n, 1);
    assert_int_equal(event_of(seq)->body.len, 0);
}

static void only_what_is_in_quarantine_is_accepted(void)
{
    int64_t seq, id = put_no_event();
    struct err e = {0};
    assert_int_equal(accept_row(id + 1, body_of((struct sample){.id = "1"}), NOW, &seq, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(read_all((struct store_query){ANY}).n, 0);
}

static void what_is_erased_is_read_no_more_and_known_when_it_comes_again(void)
{
    int64_t ids[] = {put_no_event(), 0};
    struct err e = {0};
    ids[1] = ids[0] + 1; /* nothing */
    assert_int_equal(store_erase_quarantined(store, ids, 2, &by_hand, NOW, &e), 2);
    assert_int_equal(quarantine_of(NULL).n, 0);
    assert_int_equal(facts_at(NOW).quarantined, 0);
    assert_int_equal(record_at(LIVE, printed("no event"), NOW + 5), STORE_QUARANTINED);
    assert_int_equal(quarantine_of(NULL).n, 0);
    assert_int_equal(store_drop(store, ids[0], &by_hand, NOW, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void see_erased(void *ctx, const struct store_quarantined *row)
{
    bool *erased = ctx;
    *erased = row->erased;
}

static void a_row_tells_that_its_event_was_erased_at_the_time_in_question(void)
{
    int64_t id, seq = put_conflict(&id);
    struct err e = {0};
    erase_one(STORE_ERASE, seq, NOW + 77);
    for (int i = 0; i < 2; i++) {
        int64_t after = INT64_MIN;
        bool erased = !i;
        assert_int_equal(store_walk_quarantine(store, &after, NOW + 76 + i, see_erased, &erased, &e), 0);
        assert_int_equal(erased, i);
    }
}

int main(void)
{
    static const struct suite_test tests[] = {
        TEST(another_payload_of_a_known_event_is_kept_with_the_reason),
        TEST(a_payload_in_place_of_none_is_another_one),
        TEST(what_is_no_event_is_kept_to_the_byte),
        TEST(the_same_delivery_again_is_counted),
        TEST(it_is_read_the_newest_first_by_endpoint_or_by_its_number),
        TEST(all_of_it_is_read_the_oldest_first_in_parts),
        TEST(what_is_dropped_is_gone_and_may_come_again),
        TEST_IF(a_drop_is_in_the_history, NEEDS_HISTORY),
        TEST_IF(what_is_accepted_waits_as_an_event, NEEDS_ACCEPT),
        TEST_IF(what_is_accepted_for_a_known_event_takes_its_place_and_that_one_goes_into_quarantine, NEEDS_ACCEPT),
        TEST_IF(a_worker_that_holds_the_known_event_has_lost_its_lease, NEEDS_ACCEPT),
        TEST_IF(nothing_takes_the_place_of_an_event_that_was_erased, NEEDS_ACCEPT),
        TEST_IF(only_what_is_in_quarantine_is_accepted, NEEDS_ACCEPT),
        TEST(what_is_erased_is_read_no_more_and_known_when_it_comes_again),
        TEST(a_row_tells_that_its_event_was_erased_at_the_time_in_question),
    };
    return SUITE_RUN(tests);
}
