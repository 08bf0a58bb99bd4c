/* SPDX-License-Identifier: MIT
 * cmd_forward: posts each event, as it came, to an application's own endpoint. The only user of libcurl. */
#include "cmd.h"
#include "pool.h"
#include "version.h"
#include "web.h"

#include <curl/curl.h>
#include <stdlib.h>

enum { TIMEOUT_S = 60, CONNECT_MS = 10000 };

struct transfer {
    CURL *easy; /* kept, and with it its connection */
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
    struct pool_outcome outcome;
};

struct forward {
    const struct cmd *cmd;
    int64_t timeout_s;
    CURLM *multi;
    struct transfer transfer[POOL_SLOTS_MAX];
};

/* ---- the URL ---- */

static int check_url(const char *url, struct err *e)
{
    CURLU *parts = curl_url();
    char *scheme = NULL;
    CURLUcode bad = parts ? curl_url_set(parts, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
    bool good = bad == CURLUE_OK && curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return good ? 0 : err_set(e, ERR_USAGE, "forward takes a URL that begins with http:// or https://");
}

/* ---- what came of a transfer ---- */

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

static void judge_status(CURL *easy, struct pool_outcome *o)
{
    long status = 0;
    char *to = NULL;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &to);
    if (status >= 200 && status <= 299) {
        o->result = POOL_DONE;
    } else if (status == 429 || (status >= 502 && status <= 504)) {
        pool_say(o, POOL_DOWN, "status %ld", status);
        o->retry_ms = retry_after_ms(easy);
    } else if (to) { /* what stands behind the path is the application's own */
        pool_say(o, POOL_FAILED, "status %ld, a redirect to %.*s: redirects are not followed", status,
                 (int)strcspn(to, "?#"), to);
    } else {
        pool_say(o, POOL_FAILED, "status %ld", status);
    }
}

/* A failure before anything could be sent is not about the event, nor one to replace a connection that is gone. */
static void judge(const struct forward *f, struct transfer *t, CURLcode code)
{
    double sent_s = 0;
    curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME, &sent_s);
    if (code == CURLE_OK)
        judge_status(t->easy, &t->outcome);
    else if (sent_s <= 0 || code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        pool_say(&t->outcome, POOL_DOWN, "%s", *t->error ? t->error : curl_easy_strerror(code));
    else if (code == CURLE_OPERATION_TIMEDOUT)
        pool_say(&t->outcome, POOL_FAILED, "took longer than %lld s", (long long)f->timeout_s);
    else
        pool_say(&t->outcome, POOL_FAILED, "%s", *t->error ? t->error : curl_easy_strerror(code));
}

static void end(struct forward *f, struct transfer *t)
{
    curl_multi_remove_handle(f->multi, t->easy);
    curl_slist_free_all(t->headers);
    t->headers = NULL;
}

static void perform(struct forward *f)
{
    int running, left;
    const CURLMsg *m;
    curl_multi_perform(f->multi, &running);
    while ((m = curl_multi_info_read(f->multi, &left)) != NULL) {
        struct transfer *t = NULL;
        if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t) != CURLE_OK)
            continue;
        judge(f, t, m->data.result);
        end(f, t);
    }
}

/* ---- a transfer ---- */

static size_t discard(char *at, size_t size, size_t n, void *ctx)
{
    (void)at, (void)ctx;
    return size * n;
}

static CURL *make_handle(const struct forward *f, struct transfer *t)
{
    CURL *c = curl_easy_init();
    if (!c)
        return NULL;
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(c, CURLOPT_URL, f->cmd->operand);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "complycube-inbox/" VERSION);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)f->timeout_s * 1000);
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

static void start(void *ctx, int slot, const struct pool_event *v)
{
    struct forward *f = ctx;
    struct transfer *t = &f->transfer[slot];
    char signature[128];
    t->outcome = (struct pool_outcome){.result = POOL_RUNNING};
    *t->error = '\0';
    snprintf(signature, sizeof signature, "ComplyCube-Signature: %.*s", (int)v->signature.len,
             v->signature.len ? v->signature.at : "");
    if (!t->easy)
        t->easy = make_handle(f, t);
    if (!t->easy || !add_header(t, "Content-Type: application/json") || !add_header(t, signature) ||
        !add_header(t, "Expect:")) {
        pool_say(&t->outcome, POOL_DOWN, "out of memory");
        end(f, t);
        return;
    }
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)v->body.len);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, v->body.len ? v->body.at : "");
    CURLMcode bad = curl_multi_add_handle(f->multi, t->easy);
    if (bad) {
        pool_say(&t->outcome, POOL_DOWN, "%s", curl_multi_strerror(bad));
        end(f, t);
        return;
    }
    perform(f);
}

static void look(void *ctx, int slot, struct pool_outcome *o)
{
    *o = ((struct forward *)ctx)->transfer[slot].outcome;
}

static void cancel(void *ctx, int slot)
{
    struct forward *f = ctx;
    struct transfer *t = &f->transfer[slot];
    if (t->outcome.result != POOL_RUNNING)
        return;
    end(f, t);
    pool_say(&t->outcome, POOL_FAILED, "cancelled");
}

static void wait_for(void *ctx, int fd, int ms)
{
    struct forward *f = ctx;
    struct curl_waitfd also = {.fd = fd, .events = CURL_WAIT_POLLIN};
    curl_multi_wait(f->multi, &also, 1, ms, NULL);
    perform(f);
}

static const struct pool_ops ops = {start, look, cancel, wait_for};

int cmd_forward(const struct cmd *cmd, struct err *e)
{
    struct forward *f = calloc(1, sizeof *f);
    int result = -1;
    if (!f || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(f->multi = curl_multi_init())) {
        err_set(e, ERR_MEMORY, "starting: out of memory");
    } else if (check_url(cmd->operand, e) == 0) {
        f->cmd = cmd;
        f->timeout_s = cmd->timeout_s ? cmd->timeout_s : TIMEOUT_S;
        result = pool_run(cmd, &ops, f, e);
        for (int i = 0; i < POOL_SLOTS_MAX; i++) {
            curl_slist_free_all(f->transfer[i].headers);
            curl_easy_cleanup(f->transfer[i].easy);
        }
    }
    if (f)
        curl_multi_cleanup(f->multi);
    free(f);
    return result;
}
