/* SPDX-License-Identifier: MIT
 * api: requests, one after the other, at the pace that the account may have. */
#include "api.h"

#include "api_answer.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/http_call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    TIMEOUT_S = 60,
    SECOND_MS = 1000,
    BUSY_TRIES = 5,
    BUSY_MS = 30000, /* and twice that, and so on */
    FAILED_TRIES = 4,
    FAILED_MS = 1000, /* likewise */
    URL_MAX = 4096
};

struct api {
    struct api_options o;
    struct http_caller *http;
    char header[sizeof "Authorization: " + API_KEY_MAX];
    struct http_reply reply;
    size_t rate;
    int64_t ended_ms[API_RATE_LIVE]; /* of the latest requests, `rate` of them, in a ring */
    int64_t sent, answered;
    struct api_limits limits;
    int64_t waited_ms;            /* for API_BUSY and API_FAILS */
    int64_t ahead_min, ahead_max; /* between which the API's clock is ahead of ours; min > max: not known */
};

int api_open(struct api **a, const struct api_options *o, const struct api_key *key, struct err *e)
{
    *a = NULL;
    if (!http_call_is_private(o->url))
        return err_set(
            e, ERR_CONFIG,
            "the key is not sent to %.200s: api must be an https:// URL, or http:// of a loopback address, "
            "without a user name",
            o->url);
    struct api *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    made->o = *o;
    made->rate = strcmp(api_key_world(key), "live") == 0 ? API_RATE_LIVE : API_RATE_TEST;
    if (o->rate > 0 && (size_t)o->rate < made->rate)
        made->rate = (size_t)o->rate;
    made->ahead_min = 1;
    snprintf(made->header, sizeof made->header, "Authorization: %s", key->key_text);
    if (http_caller_open(&made->http, o->ca_file, o->timeout_s ? o->timeout_s : TIMEOUT_S, e) != 0) {
        api_close(made);
        return -1;
    }
    *a = made;
    return 0;
}

static void wipe_reply(struct http_reply *r)
{
    if (r->body.at)
        explicit_bzero(r->body.at, r->body.len);
    r->body.len = 0;
}

void api_close(struct api *a)
{
    if (!a)
        return;
    http_caller_close(a->http);
    wipe_reply(&a->reply);
    buf_release(&a->reply.body);
    explicit_bzero(a, sizeof *a);
    free(a);
}

/* ---- waiting ---- */

static int wait_for(struct api *a, enum api_why why, int64_t ms, struct err *e)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)};
    if (why != API_RATE)
        a->waited_ms += ms;
    if (!a->o.pause) {
        nanosleep(&t, NULL);
        return 0;
    }
    return a->o.pause(a->o.ctx, why, ms) == 0 ? 0 : err_set(e, ERR_BUSY, "the wait for the API was broken off");
}

/*
 * A request begins a second after the answer to the request `rate` places before it, or later. So the API never sees
 * more than `rate` of them within a second, however long each is on its way.
 */
static int keep_rate(struct api *a, struct err *e)
{
    int64_t ended_ms = a->ended_ms[(size_t)a->sent % a->rate], now_ms = clock_ms();
    if (!ended_ms || now_ms > ended_ms + SECOND_MS)
        return 0;
    return wait_for(a, API_RATE, ended_ms + SECOND_MS + 1 - now_ms, e);
}

/* Processes that got a 429 at the same moment do not try again at the same moment. */
static int64_t with_jitter(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return ms + t.tv_nsec / 1000 % (ms / 5 + 1);
}

/* The API wrote its Date, which is cut to a second, between these two moments of ours. */
static void read_clock(struct api *a, int64_t begun_ms, int64_t ended_ms)
{
    if (!a->reply.date_ms)
        return;
    int64_t min = a->reply.date_ms - ended_ms, max = a->reply.date_ms + SECOND_MS - begun_ms;
    bool agrees = a->ahead_min <= a->ahead_max && min <= a->ahead_max && max >= a->ahead_min;
    a->ahead_min = agrees && a->ahead_min > min ? a->ahead_min : min;
    a->ahead_max = agrees && a->ahead_max < max ? a->ahead_max : max;
}

/* ---- a request ---- */

static int make_url(const struct api *a, const struct api_request *q, char *url, struct err *e)
{
    char id[3 * API_ID_MAX + 1] = "", value[1024];
    if (q->id && (!*q->id || http_call_encode(q->id, id, sizeof id) != 0))
        return err_set(e, ERR_USAGE, "\"%.100s\" is no id of an object", q->id);
    int used = snprintf(url, URL_MAX, "%s%s%s%s", a->o.url, q->path, q->id ? "/" : "", id);
    for (size_t i = 0; i < q->n_params && used < URL_MAX; i++) {
        if (http_call_encode(q->params[i].value, value, sizeof value) != 0)
            return err_set(e, ERR_USAGE, "the value of %s is too long", q->params[i].name);
        used += snprintf(url + used, (size_t)(URL_MAX - used), "%c%s=%s", i ? '&' : '?', q->params[i].name, value);
    }
    return used < URL_MAX ? 0 : err_set(e, ERR_USAGE, "the request for %s is too long", q->path);
}

/* May it be sent again, and after how long? A POST that broke off may have been obeyed. */
static int64_t try_again_ms(const struct api *a, bool get, int refused, int failed)
{
    const struct http_reply *r = &a->reply;
    bool answered = r->fate == HTTP_CALL_ANSWERED;
    if (answered && r->status == 429)
        return refused >= BUSY_TRIES   ? 0
               : r->retry_after_ms > 0 ? r->retry_after_ms
                                       : with_jitter((int64_t)BUSY_MS << refused);
    bool passes = answered ? r->status == 500 || (r->status >= 502 && r->status <= 504)
                           : r->fate == HTTP_CALL_BROKEN || (r->fate == HTTP_CALL_UNSENT && a->answered > 0);
    return get && passes && failed < FAILED_TRIES ? (int64_t)FAILED_MS << failed : 0;
}

static void note_limits(struct api *a)
{
    const struct http_reply *r = &a->reply;
    bool refused = r->fate == HTTP_CALL_ANSWERED && r->status == 429;
    a->limits.refused += refused;
    a->limits.with_retry_after += refused && r->retry_after_ms > 0;
    if (*r->limits)
        memcpy(a->limits.headers, r->limits, sizeof a->limits.headers);
}

static int send_once(struct api *a, const struct http_request *q, struct err *e)
{
    if (keep_rate(a, e) != 0)
        return -1;
    wipe_reply(&a->reply);
    int64_t begun_ms = clock_time_ms();
    if (http_call(a->http, q, &a->reply, e) != 0)
        return -1;
    a->ended_ms[(size_t)a->sent++ % a->rate] = clock_ms();
    a->answered += a->reply.fate == HTTP_CALL_ANSWERED;
    read_clock(a, begun_ms, clock_time_ms());
    note_limits(a);
    return 0;
}

static int ask_api(struct api *a, const char *method, const struct api_request *q, struct err *e)
{
    char url[URL_MAX];
    struct http_request request = {
        .method = method, .url = url, .secret_header = a->header, .body = q->body, .limit = API_ANSWER_MAX};
    int refused = 0, failed = 0;
    if (make_url(a, q, url, e) != 0)
        return -1;
    for (;;) {
        if (send_once(a, &request, e) != 0)
            return -1;
        int64_t ms = try_again_ms(a, strcmp(method, "GET") == 0, refused, failed);
        if (ms == 0 || (a->o.patience_ms && a->waited_ms + ms > a->o.patience_ms))
            break;
        bool busy = a->reply.fate == HTTP_CALL_ANSWERED && a->reply.status == 429;
        refused += busy;
        failed += !busy;
        if (wait_for(a, busy ? API_BUSY : API_FAILS, ms, e) != 0)
            return -1;
    }
    const struct api_asked asked = {a->o.whose, q->path, a->header + strlen("Authorization: "), q->id != NULL};
    return api_answer_judge(&asked, &a->reply, e);
}

static int answered_object(struct api *a, const char *path, struct span *object, struct err *e)
{
    *object = (struct span){a->reply.body.at, a->reply.body.len};
    const char *why = json_pick(*object, NULL, 0);
    return why ? err_set(e, ERR_REMOTE, "the API's answer to %s cannot be read: it is no object of JSON (%s)", path,
                         why)
               : 0;
}

int api_get(struct api *a, const struct api_request *q, struct span *object, struct err *e)
{
    return ask_api(a, "GET", q, e) == 0 ? answered_object(a, q->path, object, e) : -1;
}

int api_post(struct api *a, const struct api_request *q, struct span *object, struct err *e)
{
    return ask_api(a, "POST", q, e) == 0 ? answered_object(a, q->path, object, e) : -1;
}

int api_delete(struct api *a, const struct api_request *q, struct err *e) { return ask_api(a, "DELETE", q, e); }

bool api_may_have_obeyed(const struct api *a)
{
    const struct http_reply *r = &a->reply;
    return r->fate == HTTP_CALL_BROKEN || r->fate == HTTP_CALL_LONG ||
           (r->fate == HTTP_CALL_ANSWERED && (r->status < 300 || r->status >= 500));
}

/* ---- lists ---- */

struct items {
    api_item *visit;
    void *ctx;
    struct err *e;
    size_t n;
};

static const char *visit_item(void *ctx, const struct json_member *m)
{
    static const char stopped[] = "stopped";
    struct items *all = ctx;
    all->n++;
    if (m->value.len == 0 || *m->value.at != '{') {
        err_set(all->e, ERR_REMOTE, "the API's answer cannot be read: an item of the list is no object");
        return stopped;
    }
    return all->visit(all->ctx, m->value, all->e) == 0 ? NULL : stopped;
}

int api_list(struct api *a, const struct api_request *q, api_item *visit, void *ctx, struct api_page *page,
             struct err *e)
{
    struct span object;
    struct json_wanted wanted[] = {{.name = "totalItems"}, {.name = "items"}};
    struct items all = {visit, ctx, e, 0};
    if (api_get(a, q, &object, e) != 0)
        return -1;
    json_pick(object, wanted, sizeof wanted / sizeof *wanted);
    page->total = api_number(wanted[0].value);
    if (page->total < 0 || wanted[1].value.len == 0 || *wanted[1].value.at != '[')
        return err_set(e, ERR_REMOTE, "the API's answer to %s cannot be read: it has no totalItems, or no items",
                       q->path);
    const char *stopped = json_each(wanted[1].value, visit_item, &all);
    page->n = all.n;
    return stopped ? -1 : 0;
}

int api_list_all(struct api *a, const struct api_request *q, int page_size, api_item *visit, void *ctx,
                 struct api_page *page, struct err *e)
{
    enum { PARAMS_MAX = 8 };
    struct api_param params[PARAMS_MAX + 2];
    char number[24], size[24];
    struct api_page one = {0};
    size_t n = q->n_params;
    assert(n <= PARAMS_MAX);
    if (n)
        memcpy(params, q->params, n * sizeof *params);
    params[n] = (struct api_param){"page", number};
    params[n + 1] = (struct api_param){"pageSize", size};
    snprintf(size, sizeof size, "%d", page_size);
    *page = (struct api_page){0};
    for (int i = 1; i == 1 || one.n >= (size_t)page_size; i++) {
        snprintf(number, sizeof number, "%d", i);
        const struct api_request ask_page = {.path = q->path, .id = q->id, .params = params, .n_params = n + 2};
        if (api_list(a, &ask_page, visit, ctx, &one, e) != 0)
            return -1;
        page->total = one.total;
        page->n += one.n;
    }
    return 0;
}

bool api_offset_ms(const struct api *a, int64_t *offset_ms)
{
    *offset_ms = (a->ahead_min + a->ahead_max) / 2;
    return a->ahead_min <= a->ahead_max;
}

int64_t api_requests(const struct api *a) { return a->sent; }

const struct api_limits *api_limits(const struct api *a) { return &a->limits; }
