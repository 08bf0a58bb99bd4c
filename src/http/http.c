/* SPDX-License-Identifier: MIT
 * http: posts bodies to one URL, and looks closely at one answer. */
#include "http_impl.h"

#include "base/clock.h"
#include "base/version.h"

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
    const char *url, *ca_file;
    int64_t timeout_s;
    bool ended; /* something has, since http_wait */
    CURLM *multi;
    struct transfer transfer[HTTP_SLOTS_MAX];
};

int http_check_url(const char *url, struct err *e)
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

int http_open(struct http **h, const char *url, const char *ca_file, int64_t timeout_s, struct err *e)
{
    *h = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    if (http_check_url(url, e) != 0 || http_check_authorities(url, ca_file, e) != 0)
        return -1;
    struct http *made = calloc(1, sizeof *made);
    if (!made || !(made->multi = curl_multi_init())) {
        free(made);
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    }
    made->url = url;
    made->ca_file = ca_file;
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

int64_t http_retry_after_ms(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x074200
    curl_off_t seconds = 0;
    if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0)
        return seconds < 3600 ? (int64_t)seconds * 1000 : 3600000;
#else
    (void)easy;
#endif
    return 0;
}

void http_show_redirect(char *out, size_t size, const char *to)
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
    r->retry_after_ms = http_retry_after_ms(easy);
    if (to) /* what stands behind the path is the application's own */
        http_show_redirect(r->redirect, sizeof r->redirect, to);
}

/* A failure before anything could be sent is not about the event, nor one to replace a connection that is gone. */
static void judge_curl(const struct http *h, struct transfer *t, CURLcode code)
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

static void end_transfer(struct http *h, struct transfer *t)
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
        judge_curl(h, t, m->data.result);
        end_transfer(h, t);
    }
}

/* ---- a transfer ---- */

static size_t discard(char *at, size_t size, size_t n, void *ctx)
{
    (void)at, (void)ctx;
    return size * n;
}

CURL *http_handle(const char *ca_file, int64_t timeout_s)
{
    const char *authorities = http_authorities(ca_file);
    CURL *c = curl_easy_init();
    if (!c)
        return NULL;
    if (authorities)
        curl_easy_setopt(c, CURLOPT_CAINFO, authorities);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(c, CURLOPT_USERAGENT, "complycube-inbox/" VERSION);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_S * 1000);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)timeout_s * 1000);
    return c;
}

static CURL *make_handle(const struct http *h, struct transfer *t)
{
    CURL *c = http_handle(h->ca_file, h->timeout_s);
    if (!c)
        return NULL;
    curl_easy_setopt(c, CURLOPT_URL, h->url);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
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
        end_transfer(h, t);
        return;
    }
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, body.len ? body.at : "");
    CURLMcode bad = curl_multi_add_handle(h->multi, t->easy);
    if (bad) {
        say(&t->result, HTTP_UNSENT, "%s", curl_multi_strerror(bad));
        end_transfer(h, t);
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
    end_transfer(h, t);
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
            end_transfer(h, &h->transfer[i]);
        curl_easy_cleanup(h->transfer[i].easy);
    }
    if (h)
        curl_multi_cleanup(h->multi);
    free(h);
}

/* ---- one request, looked at closely ---- */

static size_t keep_body(char *at, size_t size, size_t n, void *ctx)
{
    struct http_seen *seen = ctx;
    size_t have = strlen(seen->body), room = sizeof seen->body - 1 - have, len = size * n < room ? size * n : room;
    for (size_t i = 0; i < len; i++)
        seen->body[have + i] = at[i] ? at[i] : '?';
    seen->body[have + len] = '\0';
    return size * n;
}

static size_t keep_header(char *at, size_t size, size_t n, void *ctx)
{
    struct http_seen *seen = ctx;
    size_t len = size * n;
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)(len < 120 ? len : 120), at);
    text[strcspn(text, "\r\n")] = '\0';
    if (strncasecmp(text, "Date:", 5) == 0)
        seen->date_ms = (int64_t)curl_getdate(text + 5, NULL) * 1000;
    else if (strncasecmp(text, "Server:", 7) == 0)
        snprintf(seen->server, sizeof seen->server, "%.60s", text + 7 + strspn(text + 7, " "));
    return len;
}

/* The first certificate is the server's own. Gives how many were sent. */
static int read_certificate(CURL *easy, struct http_seen *seen)
{
    struct curl_certinfo *info = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &info) != CURLE_OK || !info || info->num_of_certs < 1)
        return 0;
    for (const struct curl_slist *l = info->certinfo[0]; l; l = l->next)
        if (strncmp(l->data, "Subject:", 8) == 0)
            snprintf(seen->subject, sizeof seen->subject, "%.190s", l->data + 8);
        else if (strncmp(l->data, "Issuer:", 7) == 0)
            snprintf(seen->issuer, sizeof seen->issuer, "%.190s", l->data + 7);
        else if (strncmp(l->data, "Expire date:", 12) == 0)
            seen->expires_ms = (int64_t)curl_getdate(l->data + 12, NULL) * 1000;
    if (seen->expires_ms < 0)
        seen->expires_ms = 0;
    return info->num_of_certs;
}

/* Nothing but the handshake, whatever the name; strict: the chain and its dates must be good. */
static bool shakes_hands(CURL *easy, bool strict)
{
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, strict ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    return curl_easy_perform(easy) == CURLE_OK;
}

/*
 * What is wrong with the certificate. libcurl has one code for all of it: what OpenSSL's verdict does not say is found by
 * another try, and by the dates.
 * source: openssl's x509_vfy.h, X509_V_ERR_*; another TLS library gives no such number
 */
static enum http_tls judge_tls(CURL *easy, CURLcode code, long verdict, struct http_seen *seen)
{
    int sent = shakes_hands(easy, false) ? read_certificate(easy, seen) : 0;
    bool self = *seen->subject && strcmp(seen->subject, seen->issuer) == 0;
    if (code == CURLE_SSL_CACERT_BADFILE)
        return HTTP_TLS_NO_LIST;
    if (verdict == 10)
        return HTTP_TLS_EXPIRED;
    if (verdict == 9)
        return HTTP_TLS_EARLY;
    if (verdict == 18 || (self && code == CURLE_PEER_FAILED_VERIFICATION && verdict != 0))
        return HTTP_TLS_SELF_SIGNED;
    if (verdict == 20 || verdict == 21 || verdict == 2)
        return sent == 1 ? HTTP_TLS_CHAIN : HTTP_TLS_ISSUER;
    if (verdict == 19)
        return HTTP_TLS_ISSUER;
    if (verdict == 62 || (code == CURLE_PEER_FAILED_VERIFICATION && shakes_hands(easy, true)))
        return HTTP_TLS_NAME;
    return seen->expires_ms && seen->expires_ms < clock_time_ms() ? HTTP_TLS_EXPIRED : HTTP_TLS_OTHER;
}

static void judge_seen(CURL *easy, CURLcode code, const char *error, struct http_seen *seen)
{
    long verdict = 0, status = 0;
    double took_s = 0;
    char *to = NULL;
    curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME, &took_s);
    seen->took_ms = (int64_t)(took_s * 1000);
    snprintf(seen->why, sizeof seen->why, "%.199s", *error ? error : curl_easy_strerror(code));
    switch (code) {
    case CURLE_OK:
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &to);
        seen->status = (int)status;
        snprintf(seen->redirect, sizeof seen->redirect, "%s", to ? to : "");
        read_certificate(easy, seen);
        return;
    case CURLE_COULDNT_RESOLVE_HOST: seen->trouble = HTTP_NO_NAME; return;
    case CURLE_COULDNT_CONNECT: seen->trouble = HTTP_NOBODY; return;
    case CURLE_OPERATION_TIMEDOUT: seen->trouble = HTTP_SLOW; return;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
        seen->trouble = HTTP_BAD_TLS;
        curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
        seen->tls = judge_tls(easy, code, verdict, seen);
        return;
    default: seen->trouble = HTTP_TORN; return;
    }
}

int http_see(const struct http_ask *ask, struct http_seen *seen, struct err *e)
{
    struct transfer t = {.headers = NULL};
    struct http h = {.url = ask->url, .ca_file = ask->ca_file, .timeout_s = ask->timeout_s};
    char header[128];
    struct err none;
    *seen = (struct http_seen){.trouble = HTTP_FINE};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || http_check_url(ask->url, e) != 0)
        return -1;
    if (http_check_authorities(ask->url, ask->ca_file, &none) != 0) {
        seen->trouble = HTTP_BAD_TLS;
        seen->tls = HTTP_TLS_NO_LIST;
        snprintf(seen->why, sizeof seen->why, "%.199s", ask->ca_file ? none.msg : "no CA bundle on this host");
        return 0;
    }
    snprintf(header, sizeof header, "ComplyCube-Signature: %.*s", (int)ask->signature.len,
             ask->signature.len ? ask->signature.at : "");
    CURL *easy = t.easy = make_handle(&h, &t);
    if (!easy || (ask->post && (!add_header(&t, "Content-Type: application/json") || !add_header(&t, header) ||
                                !add_header(&t, "Expect:")))) {
        curl_slist_free_all(t.headers);
        curl_easy_cleanup(easy);
        return err_set(e, ERR_MEMORY, "trying the URL: out of memory");
    }
    if (ask->post) {
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t.headers);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, ask->body.at);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, seen);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, keep_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, seen);
    judge_seen(easy, curl_easy_perform(easy), t.error, seen);
    curl_slist_free_all(t.headers);
    curl_easy_cleanup(easy);
    return 0;
}
