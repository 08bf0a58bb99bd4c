/* SPDX-License-Identifier: MIT
 * http_call: a request and its whole answer. */
#include "http_call.h"

#include "http_impl.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOW_S = 30 /* without a byte */ };

struct http_caller {
    CURL *easy; /* kept, and with it its connection */
    char *ca_file;
    char error[CURL_ERROR_SIZE];
};

/* What is being received. */
struct answer {
    struct http_reply *reply;
    size_t limit;
    bool too_long;
};

int http_caller_open(struct http_caller **c, const char *ca_file, int timeout_s, struct err *e)
{
    struct http_caller *made = calloc(1, sizeof *made);
    *c = NULL;
    if (made && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        made->easy = http_handle(ca_file, timeout_s);
    if (made && ca_file)
        made->ca_file = strdup(ca_file);
    if (!made || !made->easy || (ca_file && !made->ca_file)) {
        http_caller_close(made);
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    }
    *c = made;
    return 0;
}

void http_caller_close(struct http_caller *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->easy);
    free(c->ca_file);
    free(c);
}

static size_t keep_answer(char *at, size_t size, size_t n, void *ctx)
{
    struct answer *a = ctx;
    struct buf *body = &a->reply->body;
    size_t len = size * n;
    a->too_long = body->len + len > a->limit;
    if (a->too_long || (len && buf_room(body, len, a->limit + len) < len))
        return 0; /* libcurl ends it */
    memcpy(body->at + body->len, at, len);
    body->len += len;
    return len;
}

/* Its name, if that tells of a rate; an answer may have several. */
static void note_limit(struct http_reply *r, const char *at, size_t len)
{
    char name[64];
    const char *colon = memchr(at, ':', len);
    if (!colon || (size_t)(colon - at) >= sizeof name)
        return;
    snprintf(name, sizeof name, "%.*s", (int)(colon - at), at);
    size_t used = strlen(r->limits);
    if (strcasestr(name, "rate") || strcasestr(name, "limit") || strcasestr(name, "quota"))
        snprintf(r->limits + used, sizeof r->limits - used, "%s%s", used ? " " : "", name);
}

static size_t take_header(char *at, size_t size, size_t n, void *ctx)
{
    struct answer *a = ctx;
    char text[64];
    note_limit(a->reply, at, size * n);
    if (size * n > 5 && size * n < sizeof text && strncasecmp(at, "Date:", 5) == 0) {
        snprintf(text, sizeof text, "%.*s", (int)(size * n - 5), at + 5);
        text[strcspn(text, "\r\n")] = '\0';
        time_t date = curl_getdate(text, NULL);
        a->reply->date_ms = date > 0 ? (int64_t)date * 1000 : 0;
    }
    return size * n;
}

static void judge_call(CURL *easy, CURLcode code, const char *error, const struct answer *a)
{
    struct http_reply *r = a->reply;
    long status = 0;
    double sent_s = 0;
    char *to = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME, &sent_s);
    snprintf(r->why, sizeof r->why, "%.199s", *error ? error : curl_easy_strerror(code));
    if (a->too_long)
        r->fate = HTTP_CALL_LONG;
    else if (code == CURLE_OK) {
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &to);
        r->fate = HTTP_CALL_ANSWERED;
        r->status = (int)status;
        r->retry_after_ms = http_retry_after_ms(easy);
        if (to)
            http_show_redirect(r->redirect, sizeof r->redirect, to);
    } else
        r->fate = sent_s <= 0 ? HTTP_CALL_UNSENT : HTTP_CALL_BROKEN;
}

static struct curl_slist *make_headers(const struct http_request *q)
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json"), *longer = list;
    if (longer && q->body.at)
        longer = curl_slist_append(list, "Content-Type: application/json");
    if (longer && q->body.at)
        longer = curl_slist_append(list, "Expect:");
    if (longer && q->secret_header)
        longer = curl_slist_append(list, q->secret_header);
    if (longer)
        return list;
    curl_slist_free_all(list);
    return NULL;
}

static void wipe_headers(struct curl_slist *list)
{
    for (struct curl_slist *h = list; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(list);
}

static void prepare_call(struct http_caller *c, const struct http_request *q, struct answer *a,
                         struct curl_slist *headers)
{
    CURL *easy = c->easy;
    curl_easy_setopt(easy, CURLOPT_URL, q->url);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (q->body.at) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, q->body.at);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
    /* On a connection that was used before and breaks, libcurl sends a request again by itself, a POST too. */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, strcmp(q->method, "GET") == 0 ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* a proxy gets none of them */
    curl_easy_setopt(easy, CURLOPT_PROXY, strncasecmp(q->url, "http:", 5) == 0 ? "" : NULL);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)SLOW_S);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->error);
}

int http_call(struct http_caller *c, const struct http_request *q, struct http_reply *r, struct err *e)
{
    struct buf body = r->body;
    *r = (struct http_reply){.body = body};
    buf_clear(&r->body, q->limit);
    if (http_check_url(q->url, e) != 0 || http_check_authorities(q->url, c->ca_file, e) != 0)
        return -1;
    struct curl_slist *headers = make_headers(q);
    if (!headers)
        return err_set(e, ERR_MEMORY, "sending a request: out of memory");
    struct answer a = {.reply = r, .limit = q->limit};
    *c->error = '\0';
    prepare_call(c, q, &a, headers);
    judge_call(c->easy, curl_easy_perform(c->easy), c->error, &a);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
    wipe_headers(headers);
    return 0;
}

static bool is_loopback(const char *host)
{
    struct in_addr four;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return strcmp(host, "[::1]") == 0;
}

bool http_call_is_private(const char *url)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL;
    bool good = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_NO_USER &&
                (strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && is_loopback(host)));
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(parts);
    return good;
}

int http_call_encode(const char *text, char *out, size_t size)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t used = 0;
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0) /* a path would be resolved */
        return -1;
    for (; *text; text++) {
        int n = snprintf(out + used, used < size ? size - used : 0, strchr(plain, *text) ? "%c" : "%%%02X",
                         (unsigned char)*text);
        used += (size_t)n;
        if (used >= size)
            return -1;
    }
    if (size)
        out[used] = '\0';
    return size ? 0 : -1;
}
