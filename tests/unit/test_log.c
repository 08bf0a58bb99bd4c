/* SPDX-License-Identifier: MIT
 * log: no value from outside can forge a line or hide in one. */
#include "base/log.h"
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

static void a_line_is_key_value_pairs(void **state)
{
    (void)state;
    struct log_line l;
    log_begin(&l, 1769718742004, LEVEL_WARNING, "signature");
    log_number(&l, "status", 400);
    log_text(&l, "remote", TEXT("127.0.0.1"));
    log_text(&l, "absent", (struct span){0});
    log_text(&l, "msg", TEXT("two words"));
    log_end(&l);
    assert_string_equal(l.text,
                        "complycube-webhook: time=2026-01-29T20:32:22Z level=warning code=signature status=400 "
                        "remote=127.0.0.1 msg=\"two words\"\n");
}

static void foreign_bytes_are_escaped(void **state)
{
    (void)state;
    struct log_line l;
    log_begin(&l, 0, LEVEL_INFO, "stored");
    size_t before = l.len;
    log_text(&l, "event", TEXT("a\nlevel=error \"x\" \x1b[31m\xc3\xa9\\\0z"));
    log_text(&l, "type", TEXT(""));
    log_end(&l);
    assert_string_equal(l.text + before,
                        " event=\"a\\x0alevel=error \\x22x\\x22 \\x1b[31m\\xc3\\xa9\\x5c\\x00z\" type=\"\"\n");
}

static void what_does_not_fit_is_left_out(void **state)
{
    (void)state;
    struct log_line l;
    char huge[2000];
    memset(huge, 1, sizeof huge);
    log_begin(&l, 0, LEVEL_INFO, "stored");
    log_text(&l, "event", (struct span){huge, sizeof huge});
    log_text(&l, "msg", TEXT("later"));
    log_end(&l);
    assert_true(l.len < sizeof l.text);
    assert_int_equal(l.text[l.len - 1], '\n');
    assert_ptr_equal(strchr(l.text, '\n'), l.text + l.len - 1);
}

static void a_fifo_in_place_of_the_log_is_not_waited_for(void **state)
{
    (void)state;
    char folder[64], path[80];
    struct log log;
    struct err e = {0};
    snprintf(path, sizeof path, "%s/log", unit_folder(folder));
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(10); /* it would wait for a reader */
    assert_int_equal(log_open(&log, path, &e), -1);
    alarm(0);
    assert_int_equal(e.code, ERR_CONFIG);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest log[] = {
        cmocka_unit_test(a_line_is_key_value_pairs),
        cmocka_unit_test(foreign_bytes_are_escaped),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(a_fifo_in_place_of_the_log_is_not_waited_for),
    };
    return UNIT_RUN(log);
}
