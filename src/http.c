/* SPDX-License-Identifier: MIT
 * http: posts bodies to one URL. The only user of libcurl. */
#include "http.h"

#include "version.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct transfer {
    CURL *easy; /* kept, and with it its connection */
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
    struct http_result result;
};

struct http {
    const char *url;
    int64_t timeout_s;
    bool ended; /* something has, since http_wait */
    CURLM *multi;
    struct transfer transfer[HTTP_SLOTS_MAX];
};

static int check_url(const char *url, struct err *e)
{
    CURLU *parts = curl_url();
    char *scheme = NULL;
    CURLUcode bad = parts ? curl_url_set(parts, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
    bool good = bad == CURLUE_OK && curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return good ? 0 : err_set(e, ERR_USAGE, "the URL must begin with http:// or https://");
}

int http_open(struct http **h, const char *url, int64_t timeout_s, struct err *e)
{
    *h = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    if (check_url(url, e) != 0)
        return -1;
    struct http *made = calloc(1, sizeof *made);
    if (!made || !(made->multi = curl_multi_init())) {
        free(made);
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    }
    made->url = url;
    made->timeout_s = timeout_s;
    *h = made;
    return 0;
}

/* ---- what came of a transfer ---- */

static void say(struct http_result *r, enum http_end end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct http_result *r, enum http_end end, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(r->why, sizeof r->why, format, ap);
    va_end(ap);
    r->end = end;
}

static int64_t retry_after_ms(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x074200
    curl_off_t seconds = 0;
    if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0)
        return seconds < 3600 ? (int64_t)seconds * 1000 : 3600 * 1000;
#else
    (void)easy;
#endif
    return 0;
}

/* Where a redirect points to, without what may be secret in it: user, password, query. */
static void show_redirect(char *out, size_t size, const char *to)
{
    CURLU *parts = curl_url();
    char *shown = NULL;
    if (parts && curl_url_set(parts, CURLUPART_URL, to, 0) == CURLUE_OK) {
        static const CURLUPart secret[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT};
        for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
            curl_url_set(parts, secret[i], NULL, 0);
        curl_url_get(parts, CURLUPART_URL, &shown, 0);
    }
    snprintf(out, size, "%s", shown ? shown : "somewhere");
    curl_free(shown);
    curl_url_cleanup(parts);
}

static void read_answer(CURL *easy, struct http_result *r)
{
    long status = 0;
    char *to = NULL;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &to);
    r->end = HTTP_ANSWERED;
    r->status = (int)status;
    r->retry_after_ms = retry_after_ms(easy);
    if (to) /* what stands behind the path is the application's own */
        show_redirect(r->redirect, sizeof r->redirect, to);
}

/* A failure before anything could be sent is not about the event, nor one to replace a connection that is gone. */
static void judge(const struct http *h, struct transfer *t, CURLcode code)
{
    double sent_s = 0, took_s = 0;
    curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME, &sent_s);
    curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME, &took_s);
    t->result.took_us = (int64_t)(took_s * 1e6);
    const char *error = *t->error ? t->error : curl_easy_strerror(code);
    if (code == CURLE_OK)
        read_answer(t->easy, &t->result);
    else if (sent_s <= 0 || code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        say(&t->result, HTTP_UNSENT, "%s", error);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        say(&t->result, HTTP_LATE, "took longer than %lld s", (long long)h->timeout_s);
    else
        say(&t->result, HTTP_BROKEN, "%s", error);
}

static void end(struct http *h, struct transfer *t)
{
    curl_multi_remove_handle(h->multi, t->easy);
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    h->ended = true;
}

static void perform(struct http *h)
{
    int running, left;
    const CURLMsg *m;
    curl_multi_perform(h->multi, &running);
    while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
        struct transfer *t = NULL;
        if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t) != CURLE_OK)
            continue;
        judge(h, t, m->data.result);
        end(h, t);
    }
}

/* ---- a transfer ---- */

static size_t discard(char *at, size_t size, size_t n, void *ctx)
{
    (void)at, (void)ctx;
    return size * n;
}

static CURL *make_handle(const struct http *h, struct transfer *t)
{
    CURL *c = curl_easy_init();
    if (!c)
        return NULL;
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(c, CURLOPT_URL, h->url);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "complycube-inbox/" VERSION);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_S * 1000);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)h->timeout_s * 1000);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(c, CURLOPT_PRIVATE, (char *)t);
    return c;
}

static bool add_header(struct transfer *t, const char *text)
{
    struct curl_slist *longer = curl_slist_append(t->headers, text);
    if (longer)
        t->headers = longer;
    return longer != NULL;
}

void http_post(struct http *h, int slot, struct span signature, struct span body)
{
    struct transfer *t = &h->transfer[slot];
    char header[128];
    t->result = (struct http_result){.end = HTTP_RUNNING};
    *t->error = '\0';
    snprintf(header, sizeof header, "ComplyCube-Signature: %.*s", (int)signature.len,
             signature.len ? signature.at : "");
    if (!t->easy)
        t->easy = make_handle(h, t);
    if (!t->easy || !add_header(t, "Content-Type: application/json") || !add_header(t, header) ||
        !add_header(t, "Expect:")) {
        say(&t->result, HTTP_UNSENT, "out of memory");
        end(h, t);
        return;
    }
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, body.len ? body.at : "");
    CURLMcode bad = curl_multi_add_handle(h->multi, t->easy);
    if (bad) {
        say(&t->result, HTTP_UNSENT, "%s", curl_multi_strerror(bad));
        end(h, t);
        return;
    }
    perform(h);
}

const struct http_result *http_look(const struct http *h, int slot) { return &h->transfer[slot].result; }

void http_cancel(struct http *h, int slot)
{
    struct transfer *t = &h->transfer[slot];
    if (t->result.end != HTTP_RUNNING)
        return;
    end(h, t);
    say(&t->result, HTTP_CANCELLED, "cancelled");
}

void http_wait(struct http *h, int fd, int ms)
{
    struct curl_waitfd also = {.fd = fd, .events = CURL_WAIT_POLLIN};
    curl_multi_wait(h->multi, &also, 1, h->ended ? 0 : ms, NULL);
    perform(h);
    h->ended = false;
}

void http_close(struct http *h)
{
    for (int i = 0; h && i < HTTP_SLOTS_MAX; i++) {
        if (h->transfer[i].headers) /* it runs */
            end(h, &h->transfer[i]);
        curl_easy_cleanup(h->transfer[i].easy);
    }
    if (h)
        curl_multi_cleanup(h->multi);
    free(h);
}
