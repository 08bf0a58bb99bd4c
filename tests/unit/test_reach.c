/* SPDX-License-Identifier: MIT
 * reach: an address of this machine's own, or one that others find. */
#include "web/exposure.h"
#include "unit.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void loopback_is_for_this_machine(void **state)
{
    (void)state;
    const char *const machine[] = {"127.0.0.1", "127.255.0.9", "localhost", "LOCALHOST", "::1"};
    const char *const network[] = {"0.0.0.0", "::", "192.168.1.1",      "128.0.0.1", "fe80::1",
                                   "backend", "",   "127.0.0.1.example"};
    for (size_t i = 0; i < sizeof machine / sizeof *machine; i++)
        assert_int_equal(exposure_address(machine[i]), EXPOSURE_MACHINE);
    for (size_t i = 0; i < sizeof network / sizeof *network; i++)
        assert_int_equal(exposure_address(network[i]), EXPOSURE_NETWORK);
}

static void a_socket_says_where_it_is(void **state)
{
    (void)state;
    char name[64];
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(exposure_socket(fd, name, sizeof name), EXPOSURE_MACHINE);
    assert_int_equal(strncmp(name, "127.0.0.1:", 10), 0);
    close(fd);
    struct sockaddr_un un = {.sun_family = AF_UNIX}; /* the kernel chooses an abstract name */
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un.sun_family), 0);
    assert_int_equal(exposure_socket(fd, name, sizeof name), EXPOSURE_MACHINE);
    assert_int_equal(name[0], '@');
    assert_true(strlen(name) > 1);
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(exposure_socket(fd, name, sizeof name), EXPOSURE_NARROW);
    assert_string_equal(name, "");
    close(fd);
    assert_int_equal(exposure_socket(-1, name, sizeof name), EXPOSURE_NARROW);
}

static void what_is_no_socket_is_not_judged(void **state)
{
    (void)state;
    const char *const paths[] = {"", "/", "/dev/null", "relative", "/nowhere/at/all"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(exposure_file(paths[i]), EXPOSURE_NARROW);
}

int main(void)
{
    const struct CMUnitTest reach[] = {
        cmocka_unit_test(loopback_is_for_this_machine),
        cmocka_unit_test(a_socket_says_where_it_is),
        cmocka_unit_test(what_is_no_socket_is_not_judged),
    };
    return UNIT_RUN(reach);
}
