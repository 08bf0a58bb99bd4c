/* SPDX-License-Identifier: MIT
 * html: foreign text is no markup, whatever it holds; and what a query may ask for. */
#include "page/chart.h"
#include "page/html.h"
#include "page/page_request.h"
#include "page/words.h"
#include "unit.h"

#include <time.h>

static char shown[4096];

/* What was written, and begin anew. */
static const char *written(struct html *h)
{
    snprintf(shown, sizeof shown, "%.*s", (int)h->out.len, h->out.at ? h->out.at : "");
    html_release(h);
    return shown;
}

static const char *text(struct span foreign)
{
    struct html h = {.failed = false};
    html_text(&h, foreign);
    return written(&h);
}

static void what_is_markup_becomes_references(void **state)
{
    (void)state;
    assert_string_equal(text(TEXT("<b a=\"1\" c='2'>&amp;")), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;");
    assert_string_equal(text(TEXT("plain, \xc3\xa9 and \xf0\x9f\x98\x80")), "plain, \xc3\xa9 and \xf0\x9f\x98\x80");
}

static void what_nobody_sees_is_shown_as_replaced(void **state)
{
    (void)state;
    assert_string_equal(text(TEXT("a\0b")), "a\xef\xbf\xbd"
                                            "b");
    assert_string_equal(text(TEXT("a\x1b[31m")), "a\xef\xbf\xbd[31m");
    assert_string_equal(text(TEXT("\xff\xc3")), "\xef\xbf\xbd\xef\xbf\xbd");
    assert_string_equal(text(TEXT("\xe2\x80\xae"
                                  "evil")),
                        "\xef\xbf\xbd"
                        "evil"); /* turns the direction */
    assert_string_equal(text(TEXT("two\nlines")), "two\nlines");
}

/* No byte sequence of three gives one of the characters that begin or end markup. */
static void no_three_bytes_make_markup(void **state)
{
    (void)state;
    static const unsigned char odd[] = {0,    '<',  '>',  '"',  '\'', '&',  '\n', 0x7f, 0x80,
                                        0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xff, 'a',  ' '};
    for (size_t i = 0; i < sizeof odd; i++)
        for (size_t j = 0; j < sizeof odd; j++)
            for (size_t k = 0; k < sizeof odd; k++) {
                const char bytes[] = {(char)odd[i], (char)odd[j], (char)odd[k]};
                const char *out = text((struct span){bytes, 3});
                assert_null(strpbrk(out, "<>\"'"));
            }
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct html h = {.failed = false};
    html_cut_text(&h, TEXT("ab\xc3\xa9\xc3\xa9"), 3);
    assert_string_equal(written(&h), "ab\xc3\xa9\xe2\x80\xa6");
    html_cut_text(&h, TEXT("ab"), 3);
    assert_string_equal(written(&h), "ab");
}

static void a_page_ends_at_its_limit(void **state)
{
    (void)state;
    struct html h = {.failed = false};
    static char much[100000];
    memset(much, 'x', sizeof much);
    for (int i = 0; i < 100; i++)
        html_text(&h, (struct span){much, sizeof much});
    assert_true(h.failed);
    assert_true(h.out.len <= HTML_MAX);
    html_release(&h);
}

static void numbers_times_and_queries(void **state)
{
    (void)state;
    struct html h = {.failed = false};
    html_number(&h, 41020);
    assert_string_equal(written(&h), "41\xe2\x80\xaf"
                                     "020");
    html_number(&h, -1234567);
    assert_string_equal(written(&h), "-1\xe2\x80\xaf"
                                     "234\xe2\x80\xaf"
                                     "567");
    html_number(&h, INT64_MIN);
    html_time(&h, INT64_MAX, 0);
    html_time(&h, INT64_MIN, INT64_MAX);
    html_span(&h, INT64_MAX);
    assert_false(h.failed);
    html_release(&h);
    html_query(&h, "type", TEXT("a b&c=\"<\xc3\xa9"));
    assert_string_equal(written(&h), "type=a%20b%26c%3D%22%3C%C3%A9");
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    html_time(&h, INT64_C(1770000000000), INT64_C(1770000001000));
    assert_string_equal(written(&h), "<time datetime=\"2026-02-02T03:40:00+01:00\">today\xc2\xa0"
                                     "03:40:00</time>");
}

static void yesterday_is_the_day_before_when_the_clocks_change_too(void **state)
{
    (void)state;
    struct html h = {.failed = false};
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    html_time(&h, INT64_C(1774724400000),
              INT64_C(1774822200000)); /* Saturday; Monday, 0:10, after 23 hours of Sunday */
    assert_null(strstr(written(&h), "yesterday"));
    html_time(&h, INT64_C(1774800000000), INT64_C(1774822200000)); /* Sunday */
    assert_non_null(strstr(written(&h), "yesterday"));
    html_time(&h, INT64_C(1792879800000),
              INT64_C(1792967400000)); /* Sunday, 0:10; Sunday, 23:30, which has 25 hours */
    assert_non_null(strstr(written(&h), "today"));
    html_time(&h, INT64_C(1792875000000), INT64_C(1792967400000)); /* Saturday, 22:50 */
    assert_non_null(strstr(written(&h), "yesterday"));
}

static const char *words(void (*write)(struct html *h, struct span s), struct span s)
{
    struct html h = {.failed = false};
    write(&h, s);
    return written(&h);
}

static void words_are_plain(void **state)
{
    (void)state;
    assert_string_equal(words(words_type, TEXT("check.completed.clear")), "Check completed: clear");
    assert_string_equal(words(words_type, TEXT("check.pending")), "Check pending");
    assert_string_equal(words(words_type, TEXT("workflow.session.completed")), "Workflow session completed");
    assert_string_equal(words(words_type, TEXT("check.completed.not_processed")), "Check completed: not processed");
    assert_string_equal(words(words_of, TEXT("workflowSession")), "Workflow session");
    assert_string_equal(words(words_of, TEXT("<script>")), "&lt;script&gt;");
    assert_string_equal(words(words_id, TEXT("697abc12020007b9a3e89bc6")), "\xe2\x80\xa6"
                                                                           "a3e89bc6");
    assert_string_equal(words(words_id, TEXT("cli-1")), "cli-1");
}

static void no_chart_divides_by_nothing(void **state)
{
    (void)state;
    struct chart_hour hour[CHART_HOURS] = {{0, {0}}};
    struct html h = {.failed = false};
    chart_hours(&h, hour, 1);
    hour[3].n[0] = 1;
    chart_hours(&h, hour, 1);
    hour[4].n[3] = INT32_MAX;
    chart_hours(&h, hour, 1);
    struct chart_hour less[CHART_HOURS] = {{0, {0}}};
    less[5].n[1] = -5;
    chart_hours(&h, less, 1);
    const struct chart_dot dot = {.lane = 0, .kind = 1, .at_ms = 5, .type = TEXT("a<b")};
    const struct chart_line line = {.lane = {{TEXT("<i>"), TEXT("1")}}, .n_lanes = 1, .dot = &dot, .n_dots = 1};
    chart_time_line(&h, &line);
    chart_time_line(&h, &(struct chart_line){.n_dots = 0});
    assert_false(h.failed);
    html_release(&h);
}

static void a_query_has_known_names_once_each_with_values_of_their_kind(void **state)
{
    (void)state;
    struct page_query q;
    static const char *const refused[] = {"x=1",
                                          "view=events&view=events",
                                          "view=Events",
                                          "view=../x",
                                          "seq=0",
                                          "seq=-1",
                                          "seq=1x",
                                          "seq=99999999999999999999",
                                          "state=all",
                                          "day=2026-02-30",
                                          "day=2026-13-01",
                                          "day=20260101",
                                          "endpoint=a%20b",
                                          "find=%00",
                                          "find=%1b",
                                          "find=%",
                                          "find=%4",
                                          "find=%zz",
                                          "find=%e2%80%ae",
                                          "refresh=1",
                                          "&",
                                          "view=events&&seq=1"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (page_query_read(&q, span_of(refused[i])) == 0)
            fail_msg("%s", refused[i]);
    assert_int_equal(page_query_read(&q, TEXT("")), 0);
    assert_int_equal(q.state, PAGE_ANY);
    assert_int_equal(page_query_read(&q, TEXT("view=events&state=claimed&type=&day=2026-02-28&before=17")), 0);
    assert_true(q.claimed && q.state == STORE_STATE_WAITING && q.before == 17 && !*q.type);
    assert_int_equal(page_query_read(&q, TEXT("find=+a%2Bb%C3%A9+")), 0);
    assert_string_equal(q.find, "a+b\xc3\xa9");
    char longest[PAGE_QUERY_MAX + 2] = "find=";
    memset(longest + 5, 'a', PAGE_VALUE_MAX);
    assert_int_equal(page_query_read(&q, span_of(longest)), 0);
    longest[5 + PAGE_VALUE_MAX] = 'a';
    assert_int_equal(page_query_read(&q, span_of(longest)), -1);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(what_is_markup_becomes_references),
        cmocka_unit_test(what_nobody_sees_is_shown_as_replaced),
        cmocka_unit_test(no_three_bytes_make_markup),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(a_page_ends_at_its_limit),
        cmocka_unit_test(numbers_times_and_queries),
        cmocka_unit_test(yesterday_is_the_day_before_when_the_clocks_change_too),
        cmocka_unit_test(words_are_plain),
        cmocka_unit_test(no_chart_divides_by_nothing),
        cmocka_unit_test(a_query_has_known_names_once_each_with_values_of_their_kind),
    };
    return UNIT_RUN(all);
}
