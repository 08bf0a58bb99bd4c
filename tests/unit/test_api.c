/* SPDX-License-Identifier: MIT
 * api: what is asked again and after how long, what each answer means, and the key in none of the messages. */
#include "api/api.h"
#include "base/clock.h"
#include "base/json.h"
#include "unit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { ANSWERS_MAX = 16, REQUEST_MAX = 4096 };

static const char key_text[] = "live_0123456789abcdef0123456789abcdef";

/* A server that gives these answers, one for each request, and closes; what it was asked is in memory that is shared. */
static struct seen {
    int n;
    char request[ANSWERS_MAX][REQUEST_MAX];
    int64_t at_ms[ANSWERS_MAX];
} * seen;

struct client {
    struct api *api;
    pid_t server;
    char url[64];
    int n_pauses;
    enum api_why why[ANSWERS_MAX * 2];
    int64_t ms[ANSWERS_MAX * 2];
    int give_up; /* after so many pauses; 0: never */
};

static _Noreturn void serve(int listening, const char *const *answers)
{
    for (; *answers; answers++) {
        int s = accept(listening, NULL, NULL);
        size_t len = 0;
        char *request = seen->request[seen->n];
        while (len < REQUEST_MAX - 1 && !strstr(request, "\r\n\r\n")) {
            ssize_t n = read(s, request + len, REQUEST_MAX - 1 - len);
            if (n <= 0)
                break;
            len += (size_t)n;
        }
        seen->at_ms[seen->n++] = clock_ms();
        if (write(s, *answers, strlen(*answers)) < 0)
            _exit(1);
        shutdown(s, SHUT_WR);
        while (read(s, &(char){0}, 1) > 0) {
        }
        close(s);
    }
    _exit(0);
}

static int note_pause(void *ctx, enum api_why why, int64_t ms)
{
    struct client *c = ctx;
    c->why[c->n_pauses] = why;
    c->ms[c->n_pauses++] = ms;
    if (why == API_RATE)
        usleep((useconds_t)ms * 1000);
    return c->give_up && c->n_pauses == c->give_up;
}

static void begin(struct client *c, const char *const *answers, struct api_options o)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    struct api_key key;
    struct err e = {0};
    *c = (struct client){.server = 0};
    memset(seen, 0, sizeof *seen);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listening, 16), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &size), 0);
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%d/v1", ntohs(at.sin_port));
    c->server = fork();
    assert_true(c->server >= 0);
    if (c->server == 0)
        serve(listening, answers);
    close(listening);
    o.url = o.url ? o.url : c->url;
    o.whose = "endpoint live (key)";
    o.pause = note_pause;
    o.ctx = c;
    assert_int_equal(api_key_take(&key, key_text, "the test", &e), 0);
    assert_int_equal(api_open(&c->api, &o, &key, &e), 0);
}

static void end(struct client *c)
{
    api_close(c->api);
    kill(c->server, SIGKILL);
    waitpid(c->server, NULL, 0);
}

#define ANSWER(status, more, body) "HTTP/1.1 " status " S\r\nConnection: close\r\n" more "\r\n" body
#define ERROR_BODY "{\"type\":\"a_type\",\"message\":\"The words\",\"param\":\"events\"}"

static const struct api_request webhooks = {.path = "/webhooks"}, one = {.path = "/webhooks", .id = "5ed1/?"};

/* ---- what an answer means ---- */

struct meaning {
    const char *answer;
    enum err_code code;
    const char *says;
};

static void an_answer_has_one_meaning(void **state)
{
    static const struct meaning table[] = {
        {ANSWER("200", "", "{\"id\":\"x\"}"), ERR_NONE, ""},
        {ANSWER("401", "", ERROR_BODY), ERR_SECRETS,
         "does not know the key of endpoint live (key) (a_type: The words"},
        {ANSWER("402", "", ERROR_BODY), ERR_REMOTE, "plan does not allow it (a_type: The words: events)"},
        {ANSWER("403", "", ERROR_BODY), ERR_REMOTE, "plan does not allow it"},
        {ANSWER("404", "", ERROR_BODY), ERR_NOT_FOUND, "not found (a_type"},
        {ANSWER("404", "", "<html>"), ERR_REMOTE, "answers 404, in no form of the API"},
        {ANSWER("400", "", ERROR_BODY), ERR_USAGE, "refuses the request (a_type: The words: events)"},
        {ANSWER("422", "", ERROR_BODY), ERR_USAGE, "refuses the request"},
        {ANSWER("413", "", ERROR_BODY), ERR_REMOTE, "answers 413 (a_type"},
        {ANSWER("301", "Location: https://elsewhere.example/x?key=1\r\n", ""), ERR_REMOTE,
         "points to https://elsewhere.example/x; the key"},
        {ANSWER("200", "", "<!DOCTYPE html>"), ERR_REMOTE, "no object of JSON"},
        {ANSWER("200", "", "[]"), ERR_REMOTE, "no object of JSON"},
        {ANSWER("200", "", ""), ERR_REMOTE, "no object of JSON"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct client c;
        struct span object;
        struct err e = {0};
        begin(&c, (const char *const[]){table[i].answer, NULL}, (struct api_options){0});
        assert_int_equal(api_get(c.api, &one, &object, &e), table[i].code == ERR_NONE ? 0 : -1);
        assert_int_equal(e.code, table[i].code);
        if (!strstr(e.msg, table[i].says))
            fail_msg("\"%s\" lacks \"%s\"", e.msg, table[i].says);
        assert_int_equal(seen->n, 1);
        end(&c);
    }
}

static void a_request_has_the_key_and_an_encoded_path(void **state)
{
    static const struct api_param params[] = {{"updatedAfter", "2026-01-29T20:31:42.375Z"},
                                              {"url", "a b&c=\xc3\xab"}};
    const struct api_request q = {.path = "/checks", .params = params, .n_params = 2};
    struct client c;
    struct span object;
    struct err e = {0};
    (void)state;
    begin(&c, (const char *const[]){ANSWER("200", "", "{}"), ANSWER("200", "", "{}"), NULL}, (struct api_options){0});
    assert_int_equal(api_get(c.api, &one, &object, &e), 0);
    assert_int_equal(api_get(c.api, &q, &object, &e), 0);
    assert_non_null(strstr(seen->request[0], "GET /v1/webhooks/5ed1%2F%3F HTTP/1.1\r\n"));
    assert_non_null(strstr(seen->request[0], "\r\nAuthorization: live_0123456789abcdef0123456789abcdef\r\n"));
    assert_non_null(
        strstr(seen->request[1],
               "GET /v1/checks?updatedAfter=2026-01-29T20%3A31%3A42.375Z&url=a%20b%26c%3D%C3%AB HTTP/1.1\r\n"));
    const struct api_request none = {.path = "/webhooks", .id = ""}, above = {.path = "/webhooks", .id = ".."};
    assert_int_equal(api_delete(c.api, &none, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_int_equal(api_delete(c.api, &above, &e), -1);
    assert_int_equal(seen->n, 2);
    end(&c);
}

static void the_key_is_in_no_message(void **state)
{
    struct client c;
    struct span object;
    struct err e = {0};
    (void)state;
    begin(&c,
          (const char *const[]){ANSWER("403", "",
                                       "{\"type\":\"t\",\"message\":\"l\\u0069ve_0123456789abcdef0123456789abcdef is "
                                       "wrong, live_0123456789abcdef0123456789abcdef\"}"),
                                NULL},
          (struct api_options){0});
    assert_int_equal(api_get(c.api, &one, &object, &e), -1);
    assert_null(strstr(e.msg, "0123456789"));
    assert_non_null(strstr(e.msg, "* is wrong, *"));
    end(&c);
}

static void no_more_than_200_bytes_of_the_words_are_told(void **state)
{
    static char answer[2048];
    struct client c;
    struct span object;
    struct err e = {0};
    (void)state;
    snprintf(answer, sizeof answer, ANSWER("403", "", "{\"type\":\"t\",\"message\":\""));
    for (int i = 0; i < 300; i++)
        strcat(answer, "\xc3\xab");
    strcat(answer, "\"}");
    begin(&c, (const char *const[]){answer, NULL}, (struct api_options){0});
    assert_int_equal(api_get(c.api, &one, &object, &e), -1);
    const char *words = strstr(e.msg, "(t: ");
    assert_non_null(words);
    assert_int_equal(strlen(words), 2 + 199); /* no half of a character */
    end(&c);
}

/* ---- what is asked again ---- */

static void a_get_that_fails_is_asked_for_again(void **state)
{
    struct client c;
    struct span object;
    struct err e = {0};
    (void)state;
    begin(&c,
          (const char *const[]){ANSWER("500", "", ERROR_BODY), ANSWER("503", "", ""),
                                "HTTP/1.1 200 S\r\nContent-Length: 9\r\n\r\n{", ANSWER("504", "", ""),
                                ANSWER("200", "", "{\"a\":1}"), NULL},
          (struct api_options){0});
    assert_int_equal(api_get(c.api, &one, &object, &e), 0);
    assert_true(span_equal(object, span_of("{\"a\":1}")));
    assert_int_equal(c.n_pauses, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(c.why[i], API_FAILS);
        assert_int_equal(c.ms[i], 1000 << i);
    }
    assert_int_equal(api_requests(c.api), 5);
    end(&c);
}

static void after_five_tries_it_is_a_failure(void **state)
{
    const char *const bad = ANSWER("502", "", "");
    struct client c;
    struct span object;
    struct err e = {0};
    (void)state;
    begin(&c, (const char *const[]){bad, bad, bad, bad, bad, bad, NULL}, (struct api_options){0});
    assert_int_equal(api_get(c.api, &one, &object, &e), -1);
    assert_int_equal(e.code, ERR_REMOTE);
    assert_int_equal(seen->n, 5);
    end(&c);
}

static void a_429_is_waited_for(void **state)
{
    const char *const busy = ANSWER("429", "", ERROR_BODY);
    struct client c;
    struct span object;
    struct err e = {0};
    (void)state;
    begin(&c,
          (const char *const[]){ANSWER("429", "Retry-After: 7\r\n", ERROR_BODY), busy, busy, busy, busy, busy, busy,
                                NULL},
          (struct api_options){0});
    assert_int_equal(api_get(c.api, &one, &object, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(seen->n, 6);
    assert_int_equal(c.n_pauses, 5);
    assert_int_equal(c.ms[0], 7000);
    for (int i = 1; i < 5; i++) { /* 60, 120, 240, 480 s, and up to a fifth more */
        assert_int_equal(c.why[i], API_BUSY);
        assert_true(c.ms[i] >= 30000 << i && c.ms[i] <= (30000 << i) * 6 / 5);
    }
    end(&c);
}

static void patience_ends_the_waiting(void **state)
{
    struct client c;
    struct span object;
    struct err e = {0};
    (void)state;
    begin(&c, (const char *const[]){ANSWER("429", "Retry-After: 7\r\n", ERROR_BODY), NULL},
          (struct api_options){.patience_ms = 5000});
    assert_int_equal(api_get(c.api, &one, &object, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(c.n_pauses, 0);
    end(&c);
}

static void a_pause_may_end_the_request(void **state)
{
    struct client c;
    struct span object;
    struct err e = {0};
    (void)state;
    begin(&c, (const char *const[]){ANSWER("500", "", ERROR_BODY), NULL}, (struct api_options){0});
    c.give_up = 1;
    assert_int_equal(api_get(c.api, &one, &object, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(seen->n, 1);
    end(&c);
}

static void a_post_is_sent_again_after_a_429_only(void **state)
{
    static const char *const ends[] = {ANSWER("500", "", ERROR_BODY), "HTTP/1.1 200 S\r\nContent-Length: 9\r\n\r\n{",
                                       ""};
    const struct api_request q = {.path = "/webhooks", .body = {"{}", 2}};
    struct client c;
    struct span object;
    struct err e = {0};
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        begin(&c, (const char *const[]){ends[i], ANSWER("200", "", "{}"), NULL}, (struct api_options){0});
        assert_int_equal(api_post(c.api, &q, &object, &e), -1);
        assert_int_equal(e.code, ERR_REMOTE);
        assert_true(api_may_have_obeyed(c.api));
        assert_int_equal(seen->n, 1);
        end(&c);
    }
    begin(&c,
          (const char *const[]){ANSWER("429", "Retry-After: 1\r\n", ERROR_BODY), ANSWER("400", "", ERROR_BODY), NULL},
          (struct api_options){0});
    assert_int_equal(api_post(c.api, &q, &object, &e), -1);
    assert_int_equal(seen->n, 2);
    assert_false(api_may_have_obeyed(c.api));
    end(&c);
}

static void the_rate_is_kept(void **state)
{
    const char *answers[ANSWERS_MAX + 1] = {NULL};
    struct client c;
    struct span object;
    struct err e = {0};
    (void)state;
    for (int i = 0; i < 7; i++)
        answers[i] = ANSWER("200", "", "{}");
    begin(&c, answers, (struct api_options){.rate = 3});
    for (int i = 0; i < 7; i++)
        assert_int_equal(api_get(c.api, &one, &object, &e), 0);
    for (int i = 3; i < 7; i++)
        assert_true(seen->at_ms[i] - seen->at_ms[i - 3] >= 1000);
    end(&c);
}

/* ---- lists, clocks, URLs ---- */

struct items {
    int n, stop_at;
    char text[256];
};

static int take_item(void *ctx, struct span item, struct err *e)
{
    struct items *all = ctx;
    struct json_wanted id = {.name = "id"};
    char text[32];
    assert_null(json_pick(item, &id, 1));
    assert_true(api_text(id.value, text, sizeof text));
    strcat(all->text, text);
    return ++all->n == all->stop_at ? err_set(e, ERR_FULL, "no more") : 0;
}

static void a_list_is_read_item_by_item(void **state)
{
    struct client c;
    struct err e = {0};
    struct api_page page;
    struct items all = {0};
    (void)state;
    begin(
        &c,
        (const char *const[]){
            ANSWER("200", "",
                   "{\"totalItems\":3,\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"x\":{\"items\":[{\"id\":\"n\"}]}}"),
            ANSWER("200", "", "{\"totalItems\":3,\"items\":[{\"id\":\"c\"}]}"), NULL},
        (struct api_options){0});
    assert_int_equal(api_list_all(c.api, &webhooks, 2, take_item, &all, &page, &e), 0);
    assert_string_equal(all.text, "abc");
    assert_int_equal(page.total, 3);
    assert_int_equal(page.n, 3);
    assert_non_null(strstr(seen->request[1], "GET /v1/webhooks?page=2&pageSize=2 "));
    end(&c);
}

static void a_list_of_another_form_is_none(void **state)
{
    static const char *const odd[] = {"{\"items\":[]}",
                                      "{\"totalItems\":1}",
                                      "{\"totalItems\":\"1\",\"items\":[]}",
                                      "{\"totalItems\":1,\"items\":{}}",
                                      "{\"totalItems\":1,\"items\":[1]}",
                                      "{\"totalItems\":-1,\"items\":[]}",
                                      "[]"};
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char answer[256];
        struct client c;
        struct err e = {0};
        struct api_page page;
        struct items all = {0};
        snprintf(answer, sizeof answer, ANSWER("200", "", "%s"), odd[i]);
        begin(&c, (const char *const[]){answer, NULL}, (struct api_options){0});
        assert_int_equal(api_list(c.api, &webhooks, take_item, &all, &page, &e), -1);
        assert_int_equal(e.code, ERR_REMOTE);
        end(&c);
    }
}

static void a_visitor_ends_the_list_with_its_own_error(void **state)
{
    struct client c;
    struct err e = {0};
    struct api_page page;
    struct items all = {.stop_at = 1};
    (void)state;
    begin(&c,
          (const char *const[]){ANSWER("200", "", "{\"totalItems\":2,\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]}"),
                                NULL},
          (struct api_options){0});
    assert_int_equal(api_list(c.api, &webhooks, take_item, &all, &page, &e), -1);
    assert_int_equal(e.code, ERR_FULL);
    assert_int_equal(all.n, 1);
    end(&c);
}

static void the_clock_of_the_api_is_known(void **state)
{
    char answer[256], date[64];
    time_t then = time(NULL) + 3600;
    struct client c;
    struct span object;
    struct err e = {0};
    int64_t ahead_ms;
    (void)state;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&then));
    snprintf(answer, sizeof answer, ANSWER("200", "Date: %s\r\n", "{}"), date);
    begin(&c, (const char *const[]){answer, NULL}, (struct api_options){0});
    assert_false(api_offset_ms(c.api, &ahead_ms));
    assert_int_equal(api_get(c.api, &one, &object, &e), 0);
    assert_true(api_offset_ms(c.api, &ahead_ms));
    assert_true(ahead_ms > 3600000 - 3000 && ahead_ms < 3600000 + 2000);
    end(&c);
}

static void the_key_goes_to_no_other_url(void **state)
{
    static const char *const bad[] = {"http://api.complycube.com/v1",
                                      "http://127.0.0.1@evil.example/v1",
                                      "https://user@api.complycube.com",
                                      "ftp://127.0.0.1/",
                                      "http://128.0.0.1/v1",
                                      "",
                                      "x",
                                      "http://localhost.evil.example/",
                                      "file:///etc/passwd",
                                      "http://127.0.0.1.evil.example"};
    static const char *const good[] = {"https://api.complycube.com/v1", "http://127.0.0.1:1/v1", "http://[::1]/v1"};
    struct api_key key;
    struct api *api;
    struct err e = {0};
    (void)state;
    assert_int_equal(api_key_take(&key, key_text, "the test", &e), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(api_open(&api, &(struct api_options){.url = bad[i]}, &key, &e), -1);
        assert_int_equal(e.code, ERR_CONFIG);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(api_open(&api, &(struct api_options){.url = good[i]}, &key, &e), 0);
        api_close(api);
    }
}

static void a_key_is_one_word(void **state)
{
    static const char *const bad[] = {"",
                                      "\n",
                                      "live_short",
                                      "live_0123456789abcdef 0123456789",
                                      "live_0123456789abcdef\n0123456789",
                                      "live_0123456789abcd\xc3\xab"};
    struct api_key key;
    struct err e = {0};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(api_key_take(&key, bad[i], "the test", &e), -1);
        assert_int_equal(e.code, ERR_SECRETS);
        assert_null(strstr(e.msg, "live_"));
    }
    assert_int_equal(api_key_take(&key, " live_0123456789abcdef \r\n", "the test", &e), 0);
    assert_string_equal(api_key_world(&key), "live");
    assert_int_equal(api_key_take(&key, "test_0123456789abcdef", "the test", &e), 0);
    assert_string_equal(api_key_world(&key), "test");
}

static void times_are_written_as_the_api_writes_them(void **state)
{
    char text[API_TIME];
    (void)state;
    assert_string_equal(api_time(INT64_C(1769718702375), text), "2026-01-29T20:31:42.375Z");
    assert_int_equal(api_number(TEXT("42")), 42);
    assert_int_equal(api_number(TEXT("4e2")), -1);
    assert_int_equal(api_number(TEXT("1234567890123456789")), -1);
}

int main(void)
{
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(seen != MAP_FAILED);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_one_meaning),
        cmocka_unit_test(a_request_has_the_key_and_an_encoded_path),
        cmocka_unit_test(the_key_is_in_no_message),
        cmocka_unit_test(no_more_than_200_bytes_of_the_words_are_told),
        cmocka_unit_test(a_get_that_fails_is_asked_for_again),
        cmocka_unit_test(after_five_tries_it_is_a_failure),
        cmocka_unit_test(a_429_is_waited_for),
        cmocka_unit_test(patience_ends_the_waiting),
        cmocka_unit_test(a_pause_may_end_the_request),
        cmocka_unit_test(a_post_is_sent_again_after_a_429_only),
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(a_list_is_read_item_by_item),
        cmocka_unit_test(a_list_of_another_form_is_none),
        cmocka_unit_test(a_visitor_ends_the_list_with_its_own_error),
        cmocka_unit_test(the_clock_of_the_api_is_known),
        cmocka_unit_test(the_key_goes_to_no_other_url),
        cmocka_unit_test(a_key_is_one_word),
        cmocka_unit_test(times_are_written_as_the_api_writes_them),
    };
    return UNIT_RUN(tests);
}
