/* SPDX-License-Identifier: MIT
 * fcgi_gather: what comes in pieces is whole in the end, what is too long is drained, what is kept is bounded. */
#include "web/fcgi_gather.h"
#include "unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_BODY = 100000, LITTLE = 4096 };

#define BEGIN \
    "\1\1\0\1\0\10\0\0" \
    "\0\1\0\0\0\0\0\0" \
    "\1\4\0\1\0\0\0\0"
#define END "\1\5\0\1\0\0\0\0"

static struct fcgi_gather gather;
static int ours, theirs;

static int set_up(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ours = pair[0];
    theirs = pair[1];
    gather = (struct fcgi_gather){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fcgi_gather_release(&gather);
    close(ours);
    close(theirs);
    return 0;
}

/* Send bytes and take them, of all no more than `most`. */
static enum fcgi_stop feed_some(const char *bytes, size_t n, size_t most)
{
    assert_int_equal(write(theirs, bytes, n), n);
    return fcgi_gather_read(&gather, ours, MAX_BODY, most);
}

static enum fcgi_stop feed(const char *bytes, size_t n) { return feed_some(bytes, n, SIZE_MAX); }

/* A record of a body: n bytes of content, all the same. */
static enum fcgi_stop feed_body(char c, unsigned n)
{
    static char record[8 + 65535] = "\1\5\0\1";
    record[4] = (char)(n >> 8);
    record[5] = (char)n;
    memset(record + 8, c, n);
    return feed(record, 8 + n);
}

static void a_request_in_pieces_is_whole_in_the_end(void **state)
{
    (void)state;
    const char request[] = BEGIN "\1\5\0\1\0\2\0\0{}" END;
    for (size_t i = 0; i < sizeof request - 1; i++) {
        assert_int_equal(gather.walk.state, FCGI_PARTIAL);
        assert_int_equal(feed(request + i, 1), FCGI_DRY);
    }
    assert_int_equal(gather.walk.state, FCGI_WHOLE);
    int memory = memfd_create("test", 0);
    for (int twice = 0; twice < 2; twice++) {
        char read_back[sizeof request];
        int fd = fcgi_gather_file(&gather, memory);
        assert_int_equal(read(fd, read_back, sizeof read_back), sizeof request - 1);
        assert_memory_equal(read_back, request, sizeof request - 1);
        close(fd);
    }
    close(memory);
}

static void a_body_that_is_too_long_is_drained(void **state)
{
    (void)state;
    assert_int_equal(feed(BEGIN, sizeof BEGIN - 1), FCGI_DRY);
    for (int i = 0; i < 200; i++)
        assert_int_equal(feed_body('x', 50000), FCGI_DRY);
    assert_int_equal(feed(END, sizeof END - 1), FCGI_DRY);
    assert_int_equal(gather.walk.state, FCGI_WHOLE);
    assert_int_equal(gather.walk.body, 200 * 50000);
    assert_true(gather.bytes.len > MAX_BODY);
    assert_true(gather.bytes.cap <= fcgi_gather_limit(MAX_BODY));
    struct fcgi_walk again = {0}; /* what is left is a request still, its body longer than the limit */
    fcgi_record_walk(&again, (struct span){gather.bytes.at, gather.bytes.len});
    assert_int_equal(again.state, FCGI_WHOLE);
    assert_true(again.body > MAX_BODY);
}

static void variables_behind_the_body_are_alien(void **state)
{
    (void)state;
    static const char params[8 + 3000] = "\1\4\0\1\13\270\0\0";
    assert_int_equal(feed(BEGIN, sizeof BEGIN - 1), FCGI_DRY);
    for (int i = 0; i < 3; i++)
        assert_int_equal(feed_body('x', 50000), FCGI_DRY);
    feed(params, sizeof params); /* what is drained must not be counted on later */
    assert_int_equal(gather.walk.state, FCGI_ALIEN);
}

static void a_lower_limit_keeps_what_is_there(void **state)
{
    (void)state;
    assert_int_equal(feed(BEGIN, sizeof BEGIN - 1), FCGI_DRY);
    for (int i = 0; i < 20; i++)
        assert_int_equal(feed_body('x', 4000), FCGI_DRY);
    size_t len = gather.bytes.len;
    assert_int_equal(write(theirs, END, sizeof END - 1), sizeof END - 1);
    assert_int_equal(buf_room(&gather.bytes, 1, len / 2), 0);
    assert_int_equal(gather.bytes.len, len);
}

static void a_body_in_tiny_records_is_bounded(void **state)
{
    (void)state;
    enum fcgi_stop why = feed(BEGIN, sizeof BEGIN - 1);
    for (int i = 0; i < 2 * MAX_BODY && why == FCGI_DRY; i++)
        why = feed_body('x', 1);
    assert_int_equal(why, FCGI_LOST);
    assert_true(gather.bytes.cap <= fcgi_gather_limit(MAX_BODY));
}

static void without_room_it_waits(void **state)
{
    (void)state;
    assert_int_equal(feed_some(BEGIN, sizeof BEGIN - 1, LITTLE), FCGI_DRY);
    for (int i = 0; i < 4; i++) {
        feed_some("\1\5\0\1\7\320\0\0", 8, LITTLE);
        enum fcgi_stop why = feed_some((char[2000]){0}, 2000, LITTLE);
        assert_int_equal(why, i < 2 ? FCGI_DRY : FCGI_FULL);
    }
    assert_int_equal(gather.bytes.cap, LITTLE);
    assert_int_equal(gather.walk.state, FCGI_PARTIAL);
    assert_int_equal(feed(END, sizeof END - 1), FCGI_DRY);
    assert_int_equal(gather.walk.state, FCGI_WHOLE);
    assert_int_equal(gather.walk.body, 8000);
}

/* As fast as it is sent, for as long as it is sent: others have their turns between. */
static void an_endless_body_has_one_turn_at_a_time(void **state)
{
    (void)state;
    static const char record[8 + 60000] = "\1\5\0\1\352\140\0\0";
    assert_int_equal(feed(BEGIN, sizeof BEGIN - 1), FCGI_DRY);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 4000 && write(theirs, record, sizeof record) > 0; i++)
            ;
        _exit(0);
    }
    close(theirs);
    theirs = -1;
    enum fcgi_stop why = FCGI_DRY;
    while (why == FCGI_DRY) /* it may be faster than its writer for a while */
        why = fcgi_gather_read(&gather, ours, MAX_BODY, SIZE_MAX);
    assert_int_equal(why, FCGI_TURN);
    assert_int_equal(gather.walk.state, FCGI_PARTIAL);
    assert_true(gather.bytes.cap <= fcgi_gather_limit(MAX_BODY));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void an_end_before_the_end_is_told(void **state)
{
    (void)state;
    assert_int_equal(feed(BEGIN, sizeof BEGIN - 1), FCGI_DRY);
    shutdown(theirs, SHUT_WR);
    assert_int_equal(fcgi_gather_read(&gather, ours, MAX_BODY, SIZE_MAX), FCGI_LOST);
}

int main(void)
{
#define WITH_SOCKETS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest fcgi_gather[] = {
        WITH_SOCKETS(a_request_in_pieces_is_whole_in_the_end), WITH_SOCKETS(a_body_that_is_too_long_is_drained),
        WITH_SOCKETS(a_body_in_tiny_records_is_bounded),       WITH_SOCKETS(without_room_it_waits),
        WITH_SOCKETS(an_end_before_the_end_is_told),           WITH_SOCKETS(variables_behind_the_body_are_alien),
        WITH_SOCKETS(a_lower_limit_keeps_what_is_there),       WITH_SOCKETS(an_endless_body_has_one_turn_at_a_time),
    };
    return UNIT_RUN(fcgi_gather);
}
