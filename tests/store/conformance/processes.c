/* SPDX-License-Identifier: MIT
 * processes: several have the same store open, write, claim, and die. Each opens it for itself. */
#include "suite/suite.h"
#include "store/store_file.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { PROCESSES = 4, EACH = 30, WAIT_MS = 20000, EXIT_PIPE = 9 };

/* ---- the writers' lock ---- */

static void a_store_that_was_just_made_is_ready_and_may_be_written(void)
{
    struct err e = {0};
    assert_int_equal(store_ready(store, &e), 0);
    assert_int_equal(store_try(store, 100, &e), 0);
    assert_int_equal(record_at(LIVE, body_of((struct sample){.id = "1"}), NOW), STORE_NEW);
}

static void while_one_holds_it_another_may_open_it_and_is_ready_but_does_not_write(void)
{
    struct store *other;
    struct err e = {0};
    struct record r, *batch[] = {arrive(LIVE, body_of((struct sample){.id = "1"}), &r)};
    assert_int_equal(store_hold(store, 100, &e), 0);
    assert_int_equal(open_again(&other, 20), 0);
    assert_int_equal(store_ready(other, &e), 0);
    assert_int_equal(store_try(other, 20, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(store_hold(other, 20, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(store_record(other, batch, 1, NOW, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(r.outcome, STORE_UNSET);
    record_all(batch, 1, NOW); /* who holds it may */
    assert_int_equal(r.outcome, STORE_NEW);
    store_unhold(store);
    assert_int_equal(store_try(other, 100, &e), 0);
    store_close(other);
}

static void trying_changes_nothing(void)
{
    struct err e = {0};
    put((struct sample){.id = "1"}, NOW);
    assert_int_equal(store_try(store, 100, &e), 0);
    assert_int_equal(facts_at(NOW).events, 1);
}

static void a_store_may_be_probed_before_it_is_opened(void) { assert_int_equal(probe_again(), 0); }

static void a_store_on_a_server_is_neither_copied_nor_put_back(void)
{
    struct store_backup made;
    struct err e = {0};
    assert_false(store_is_file(store));
    assert_int_equal(store_backup(store, "/nowhere", NULL, NOW, &made, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_true(store_in_place(store));
    assert_int_equal(store_flush(store, &e), 0);
}

/* ---- many processes ---- */

/* Does work(i) in so many processes, each with a store of its own in place of ours; reads[i] is what it writes. */
static void in_processes(int n, void (*work)(int i, int out), int *reads, pid_t *pids)
{
    store_close(store); /* a child must not carry it along */
    for (int i = 0; i < n; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
            alarm(60);
            close(ends[0]);
            if (open_again(&store, WAIT_MS) != 0)
                _exit(1);
            work(i, ends[1]);
            store_close(store);
            _exit(0);
        }
        close(ends[1]);
        reads[i] = ends[0];
    }
    assert_int_equal(open_again(&store, WAIT_MS), 0);
}

static void wait_for(int n, const pid_t *pids, int killed)
{
    for (int i = 0; i < n; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(i == killed ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static void tell(int out, const void *bytes, size_t size)
{
    if (write(out, bytes, size) != (ssize_t)size)
        _exit(EXIT_PIPE);
}

/* Half of what each writes all others write, too; an outcome each. */
static void write_events(int i, int out)
{
    for (int k = 0; k < 2 * EACH; k++) {
        const char *id = k % 2 ? printed("of all %d", k).at : printed("of %d: %d", i, k).at;
        int outcome = (int)record_at(LIVE, body_of((struct sample){.id = id}), NOW + k);
        tell(out, &outcome, sizeof outcome);
    }
}

static void of_four_writers_each_event_is_recorded_once(void)
{
    int reads[PROCESSES], count[STORE_OUTCOMES] = {0}, outcome;
    pid_t pids[PROCESSES];
    in_processes(PROCESSES, write_events, reads, pids);
    for (int i = 0; i < PROCESSES; i++)
        while (read(reads[i], &outcome, sizeof outcome) == (ssize_t)sizeof outcome)
            count[outcome]++;
    wait_for(PROCESSES, pids, -1);
    assert_int_equal(count[STORE_NEW], PROCESSES * EACH + EACH);
    assert_int_equal(count[STORE_DUPLICATE], (PROCESSES - 1) * EACH);
    struct seen all = read_all((struct store_query){ANY, .oldest_first = true});
    assert_int_equal(all.n, PROCESSES * EACH + EACH);
    for (size_t i = 1; i < all.n; i++)
        assert_true(all.v[i].seq > all.v[i - 1].seq);
    for (int i = 0; i < PROCESSES; i++)
        close(reads[i]);
}

static void claim_events(int i, int out)
{
    (void)i;
    for (const struct claimed *c = claim(3, NOW + 1000); c->n; c = claim(3, NOW + 1000))
        for (int k = 0; k < c->n; k++) {
            tell(out, &c->lease[k].seq, sizeof c->lease[k].seq);
            ack(c->lease[k], NOW + 1001);
        }
}

static void of_four_claimers_each_event_is_given_to_one(void)
{
    enum { MANY = PROCESSES * EACH };
    int reads[PROCESSES], n = 0;
    int64_t seq, seen[MANY + 1] = {0};
    pid_t pids[PROCESSES];
    for (int i = 0; i < MANY; i++)
        assert_true(put_id(printed("%d", i).at, NOW) <= MANY);
    in_processes(PROCESSES, claim_events, reads, pids);
    for (int i = 0; i < PROCESSES; i++)
        for (; read(reads[i], &seq, sizeof seq) == (ssize_t)sizeof seq; n++)
            assert_int_equal(seen[seq]++, 0);
    wait_for(PROCESSES, pids, -1);
    assert_int_equal(n, MANY);
    assert_int_equal(read_all((struct store_query){.state = DONE, .limit = -1}).n, MANY);
    for (int i = 0; i < PROCESSES; i++)
        close(reads[i]);
}

static void claim_and_wait(int i, int out)
{
    struct store_lease lease = claim_one(NOW + 1);
    (void)i;
    tell(out, &lease, sizeof lease);
    for (;;)
        pause();
}

static void what_a_killed_claimer_had_comes_again_after_its_lease(void)
{
    struct store_lease lease;
    int reads;
    pid_t pid;
    int64_t seq = put_id("1", NOW);
    in_processes(1, claim_and_wait, &reads, &pid);
    assert_int_equal(read(reads, &lease, sizeof lease), sizeof lease);
    close(reads);
    assert_int_equal(kill(pid, SIGKILL), 0);
    wait_for(1, &pid, 0);
    assert_int_equal(lease.seq, seq);
    assert_int_equal(claim(1, lease.until_ms - 1)->n, 0);
    assert_int_equal(claim_one(lease.until_ms).attempts, 2);
    assert_int_equal(settle(&lease, STORE_ACK, lease.until_ms + 1), 0);
}

static void hold_and_wait(int i, int out)
{
    struct err e = {0};
    (void)i;
    if (store_hold(store, WAIT_MS, &e) != 0)
        _exit(1);
    tell(out, "", 1);
    for (;;)
        pause();
}

static void the_lock_of_a_killed_writer_is_free(void)
{
    struct err e = {0};
    char byte;
    int reads;
    pid_t pid;
    in_processes(1, hold_and_wait, &reads, &pid);
    assert_int_equal(read(reads, &byte, 1), 1);
    close(reads);
    assert_int_equal(store_try(store, 20, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(kill(pid, SIGKILL), 0);
    wait_for(1, &pid, 0);
    assert_int_equal(store_try(store, 1000, &e), 0);
    put((struct sample){.id = "1"}, NOW);
}

int main(void)
{
    static const struct suite_test tests[] = {
        TEST(a_store_that_was_just_made_is_ready_and_may_be_written),
        TEST(while_one_holds_it_another_may_open_it_and_is_ready_but_does_not_write),
        TEST(trying_changes_nothing),
        TEST(a_store_may_be_probed_before_it_is_opened),
        TEST_IF(a_store_on_a_server_is_neither_copied_nor_put_back, NEEDS_SERVER),
        TEST(of_four_writers_each_event_is_recorded_once),
        TEST(of_four_claimers_each_event_is_given_to_one),
        TEST(what_a_killed_claimer_had_comes_again_after_its_lease),
        TEST(the_lock_of_a_killed_writer_is_free),
    };
    return SUITE_RUN(tests);
}
