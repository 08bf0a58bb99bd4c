/* SPDX-License-Identifier: MIT
 * change: events changed by hand, and emptied. */
#include "suite/suite.h"

static int64_t put_in(int state)
{
    static int n;
    const char *id = printed("%d", ++n).at;
    if (state != IGNORED) {
        int64_t seq = put((struct sample){.id = id}, NOW);
        if (state == DONE)
            change_one(STORE_CHANGE_ACK, seq, NOW);
        if (state == DEAD)
            change_one(STORE_CHANGE_DEAD, seq, NOW);
        return seq;
    }
    int64_t last;
    struct err e = {0};
    assert_int_equal(record_ignored((struct sample){.id = id}, NOW), STORE_IGNORED);
    assert_int_equal(store_newest(store, &last, &e), 0);
    return last;
}

/* What a change makes of each state; -1: nothing. */
static void changes(enum store_change what, const int to[4])
{
    for (int from = WAITING; from <= IGNORED; from++) {
        int64_t seq = put_in(from);
        assert_int_equal(state_of(seq), from);
        assert_int_equal(change_one(what, seq, NOW + 1), to[from] < 0 ? STORE_UNCHANGED : STORE_CHANGED);
        assert_int_equal(state_of(seq), to[from] < 0 ? from : to[from]);
    }
}

static void what_is_done_dead_or_ignored_waits_again(void)
{
    changes(STORE_REQUEUE, (const int[]){-1, WAITING, WAITING, WAITING});
    assert_int_equal(claim(9, NOW + 2)->n, 4);
}

static void what_waits_is_dead_or_ignored_is_done(void)
{
    changes(STORE_CHANGE_ACK, (const int[]){DONE, -1, DONE, DONE});
    assert_int_equal(claim(9, NOW + 2)->n, 0);
}

static void what_waits_or_is_ignored_is_given_up(void)
{
    changes(STORE_CHANGE_DEAD, (const int[]){DEAD, -1, -1, DEAD});
    assert_int_equal(claim(9, NOW + 2)->n, 0);
}

static void what_waits_again_is_as_if_it_were_new(void)
{
    int64_t seq = put_in(WAITING);
    struct store_lease lease = claim_one(NOW + 1);
    settle(&lease, STORE_NACK, NOW + 2);
    change_one(STORE_CHANGE_DEAD, seq, NOW + 3);
    change_one(STORE_REQUEUE, seq, NOW + 4);
    assert_int_equal(event_of(seq)->attempts, 0);
    lease = claim_one(NOW + 4);
    assert_int_equal(lease.attempts, 1);
    assert_int_equal(event_of(seq)->done_ms, 0);
}

static void what_waits_for_its_next_try_is_due_now(void)
{
    int64_t seq = put_in(WAITING);
    struct store_lease lease = claim_one(NOW + 1);
    assert_int_equal(change_one(STORE_REQUEUE, seq, NOW + 2), STORE_UNCHANGED); /* a worker has it */
    settle(&lease, STORE_NACK, NOW + 3);
    assert_int_equal(claim(1, NOW + 4)->n, 0);
    assert_int_equal(change_one(STORE_REQUEUE, seq, NOW + 4), STORE_CHANGED);
    assert_int_equal(change_one(STORE_REQUEUE, seq, NOW + 4), STORE_UNCHANGED);
    lease = claim_one(NOW + 4);
    assert_int_equal(lease.attempts, 1);
}

static void an_event_that_is_not_there_is_missing(void)
{
    assert_int_equal(change_one(STORE_REQUEUE, 77, NOW), STORE_MISSING);
    assert_int_equal(change_one(STORE_CHANGE_ACK, INT64_MAX, NOW), STORE_MISSING);
    assert_int_equal(erase_one(STORE_ERASE, 77, NOW), STORE_MISSING);
}

static void a_worker_that_holds_it_has_lost_its_lease(void)
{
    for (int what = STORE_CHANGE_ACK; what <= STORE_CHANGE_DEAD; what++) {
        int64_t seq = put_in(WAITING);
        struct store_lease lease = claim_one(NOW + 1);
        assert_int_equal(change_one((enum store_change)what, seq, NOW + 2), STORE_CHANGED);
        int state = state_of(seq);
        assert_int_equal(settle(&lease, STORE_NACK, NOW + 3), 0);
        assert_int_equal(state_of(seq), state);
    }
}

struct heard {
    int64_t seq[1100];
    enum store_changed result[1100];
    size_t n;
};

static void hear_all(void *ctx, int64_t seq, enum store_changed result)
{
    struct heard *heard = ctx;
    heard->seq[heard->n] = seq;
    heard->result[heard->n++] = result;
}

static void each_is_told_in_the_order_in_which_they_were_named(void)
{
    int64_t seqs[] = {put_in(DONE), 999, put_in(WAITING), 0};
    struct heard *heard = kept(sizeof *heard);
    struct err e = {0};
    seqs[3] = seqs[2];
    assert_int_equal(store_change(store, STORE_CHANGE_ACK, seqs, 4, &by_hand, NOW, hear_all, heard, &e), 4);
    assert_int_equal(heard->n, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(heard->seq[i], seqs[i]);
    const enum store_changed results[] = {STORE_UNCHANGED, STORE_MISSING, STORE_CHANGED, STORE_UNCHANGED};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(heard->result[i], results[i]);
}

static void many_are_changed_in_several_calls_of_500_at_most(void)
{
    enum { MANY = 1030 };
    int64_t *seqs = kept(MANY * sizeof *seqs), done = 0;
    struct heard *heard = kept(sizeof *heard);
    struct err e = {0};
    for (int i = 0; i < MANY; i++)
        seqs[i] = i == 600 ? put_in(WAITING) : 5000 + i; /* most are not there */
    for (int calls = 0; done < MANY; calls++) {
        int64_t n =
            store_change(store, STORE_CHANGE_DEAD, seqs + done, MANY - done, &by_hand, NOW, hear_all, heard, &e);
        assert_true(n >= 1 && n <= 500 && calls < 50);
        done += n;
    }
    assert_int_equal(heard->n, MANY);
    assert_int_equal(heard->result[600], STORE_CHANGED);
    assert_int_equal(heard->result[1029], STORE_MISSING);
}

static void each_change_is_a_row_of_history_that_says_who_and_why(void)
{
    int64_t seq = put_in(WAITING);
    change_one(STORE_CHANGE_DEAD, seq, NOW + 5);
    change_one(STORE_CHANGE_DEAD, seq, NOW + 6); /* nothing */
    change_one(STORE_REQUEUE, seq, NOW + 7);
    struct pasts p = history_of(seq);
    assert_int_equal(p.n, 2);
    assert_text(p.v[0].action, "requeue");
    assert_text(p.v[1].action, "dead");
    assert_int_equal(p.v[1].at_ms, NOW + 5);
    assert_int_equal(p.v[1].from, WAITING);
    assert_int_equal(p.v[1].to, DEAD);
    assert_int_equal(p.v[1].seq, seq);
    assert_int_equal(p.v[1].n, 1);
    assert_text(p.v[1].user, "operator");
    assert_text(p.v[1].sudo_user, "admin");
    assert_text(p.v[1].host, "host");
    assert_text(p.v[1].reason, "a reason");
    assert_text(p.v[1].endpoint, "live");
    assert_text(p.v[1].type, "t");
}

static void what_workers_do_is_no_history(void)
{
    int64_t seq = put_in(WAITING);
    ack(claim_one(NOW + 1), NOW + 2);
    assert_int_equal(history_of(seq).n, 0);
}

/* ---- erasing ---- */

static struct sample whole(const char *id)
{
    return (struct sample){id, "check.done", "check", "r", "c", "complete", "clear", "personal", NOW};
}

/* With what only the log tells. */
static const struct store_event *logged(int64_t seq)
{
    return read_all((struct store_query){ANY, .log_only = true, .seqs = &seq, .n_seqs = 1}).v;
}

static void of_an_erased_event_stay_its_name_and_its_times(void)
{
    int64_t seq = put(whole("1"), NOW + 1);
    assert_int_equal(erase_one(STORE_ERASE, seq, NOW + 5), STORE_CHANGED);
    const struct store_event *v = logged(seq);
    const struct span gone[] = {v->resource_id, v->client_id, v->status,  v->outcome,
                                v->owner,       v->error,     v->payload, v->body};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        assert_int_equal(gone[i].len, 0);
    assert_int_equal(v->signature.len, 0);
    assert_text(v->id, "1");
    assert_text(v->type, "check.done");
    assert_text(v->endpoint, "live");
    assert_int_equal(v->created_ms, NOW);
    assert_int_equal(v->received_ms, NOW + 1);
    assert_int_equal(v->erased_ms, NOW + 5);
    assert_int_equal(v->payload_sha256.len, VERIFY_DIGEST);
    assert_int_equal(read_all((struct store_query){ANY, .client_id = "c"}).n, 0);
}

static void it_is_done_and_nobody_works_on_it(void)
{
    int64_t seq = put(whole("1"), NOW);
    struct store_lease lease = claim_one(NOW + 1);
    assert_int_equal(erase_one(STORE_ERASE, seq, NOW + 2), STORE_CHANGED);
    assert_int_equal(settle(&lease, STORE_NACK, NOW + 3), 0);
    assert_int_equal(state_of(seq), DONE);
    assert_int_equal(claim(1, NOW + LEASE_MS + 9)->n, 0);
}

static void an_ignored_one_stays_ignored(void)
{
    int64_t seq = put_in(IGNORED);
    assert_int_equal(erase_one(STORE_ERASE, seq, NOW + 2), STORE_CHANGED);
    assert_int_equal(state_of(seq), IGNORED);
}

static void its_replay_is_a_duplicate_and_another_payload_is_quarantined(void)
{
    int64_t seq = put(whole("1"), NOW);
    struct sample other = whole("1");
    other.note = "other";
    erase_one(STORE_ERASE, seq, NOW + 1);
    assert_int_equal(record_at(LIVE, body_of(whole("1")), NOW + 2), STORE_DUPLICATE);
    assert_int_equal(record_at(LIVE, body_of(other), NOW + 2), STORE_QUARANTINED);
    assert_int_equal(event_of(seq)->body.len, 0);
    assert_int_equal(claim(9, NOW + 3)->n, 0);
}

static void without_a_payload_its_replay_is_a_duplicate_too(void)
{
    struct span body = printed("{\"id\":\"1\",\"type\":\"t\"}");
    struct record r, *batch[] = {arrive(LIVE, body, &r)};
    record_all(batch, 1, NOW);
    erase_one(STORE_ERASE, r.seq, NOW + 1);
    assert_int_equal(record_at(LIVE, body, NOW + 2), STORE_DUPLICATE);
    assert_int_equal(record_at(LIVE, printed("{\"id\":\"1\",\"type\":\"t\",\"payload\":{}}"), NOW),
                     STORE_QUARANTINED);
}

static void once_erased_it_is_neither_erased_again_nor_made_to_wait(void)
{
    int64_t seq = put(whole("1"), NOW);
    erase_one(STORE_ERASE, seq, NOW + 1);
    assert_int_equal(erase_one(STORE_ERASE, seq, NOW + 2), STORE_ERASED);
    assert_int_equal(change_one(STORE_REQUEUE, seq, NOW + 3), STORE_ERASED);
    assert_int_equal(state_of(seq), DONE);
    assert_int_equal(logged(seq)->erased_ms, NOW + 1);
}

static void pruning_empties_what_is_done_or_ignored_and_nothing_else(void)
{
    for (int state = WAITING; state <= IGNORED; state++) {
        int64_t seq = put_in(state);
        bool ended = state == DONE || state == IGNORED;
        assert_int_equal(erase_one(STORE_PRUNE, seq, NOW + 1), ended ? STORE_CHANGED : STORE_UNCHANGED);
        assert_int_equal(state_of(seq), state);
        assert_int_equal(event_of(seq)->body.len > 0, !ended);
    }
}

static void an_erasure_is_in_the_history_and_pruning_is_not(void)
{
    int64_t erased = put_in(DONE), pruned = put_in(DONE);
    size_t before = history_of(0).n;
    erase_one(STORE_ERASE, erased, NOW + 1);
    erase_one(STORE_PRUNE, pruned, NOW + 1);
    struct pasts p = history_of(0);
    assert_int_equal(p.n, before + 1);
    assert_text(p.v->action, "erase");
    assert_int_equal(p.v->seq, erased);
}

static void many_are_erased_in_several_calls_of_500_at_most(void)
{
    enum { MANY = 620 };
    int64_t *seqs = kept(MANY * sizeof *seqs), done = 0;
    struct heard *heard = kept(sizeof *heard);
    struct err e = {0};
    for (int i = 0; i < MANY; i++)
        seqs[i] = i == 600 ? put_in(WAITING) : 5000 + i;
    for (int calls = 0; done < MANY; calls++) {
        int64_t n = store_erase(store, STORE_ERASE, seqs + done, MANY - done, &by_hand, NOW, hear_all, heard, &e);
        assert_true(n >= 1 && n <= 500 && calls < 50);
        done += n;
    }
    assert_int_equal(heard->n, MANY);
    assert_int_equal(heard->result[600], STORE_CHANGED);
}

int main(void)
{
    static const struct suite_test tests[] = {
        TEST(what_is_done_dead_or_ignored_waits_again),
        TEST(what_waits_is_dead_or_ignored_is_done),
        TEST(what_waits_or_is_ignored_is_given_up),
        TEST(what_waits_again_is_as_if_it_were_new),
        TEST(what_waits_for_its_next_try_is_due_now),
        TEST(an_event_that_is_not_there_is_missing),
        TEST(a_worker_that_holds_it_has_lost_its_lease),
        TEST(each_is_told_in_the_order_in_which_they_were_named),
        TEST(many_are_changed_in_several_calls_of_500_at_most),
        TEST_IF(each_change_is_a_row_of_history_that_says_who_and_why, NEEDS_HISTORY),
        TEST_IF(what_workers_do_is_no_history, NEEDS_HISTORY),
        TEST(of_an_erased_event_stay_its_name_and_its_times),
        TEST(it_is_done_and_nobody_works_on_it),
        TEST(an_ignored_one_stays_ignored),
        TEST(its_replay_is_a_duplicate_and_another_payload_is_quarantined),
        TEST(without_a_payload_its_replay_is_a_duplicate_too),
        TEST(once_erased_it_is_neither_erased_again_nor_made_to_wait),
        TEST(pruning_empties_what_is_done_or_ignored_and_nothing_else),
        TEST_IF(an_erasure_is_in_the_history_and_pruning_is_not, NEEDS_HISTORY),
        TEST(many_are_erased_in_several_calls_of_500_at_most),
    };
    return SUITE_RUN(tests);
}
