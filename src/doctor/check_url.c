/* SPDX-License-Identifier: MIT
 * check_url: the webhook as ComplyCube meets it: name, certificate, redirects, and signed probes, which are answered and
 * never stored.
 *
 * source: docs.complycube.com, "Webhooks": 20x within 15 s, the certificate is validated */
#include "base/clock.h"
#include "base/hex.h"
#include "base/when.h"
#include "doctor.h"
#include "event/verify.h"
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>

enum { TIMEOUT_S = 20, SLOW_MS = 5000, LATE_MS = 15000, CLOCK_MS = 300000, DAYS_LOW = 21 };
enum { LONG = 200000, LARGEST = 4 << 20 /* bytes of a probe */, SECRETS_TRIED = 64 };
#define DAY_MS INT64_C(86400000)

static const char retried[] = "ComplyCube tries again ten times, and then disables the webhook";

struct tried {
    struct doctor *d;
    struct http_ask ask;
    struct verifier *verifier;
    struct verify_named secret[SECRETS_TRIED];
    size_t n, good; /* good: the number of one that was accepted */
};

/* ---- what keeps a request from being answered ---- */

static const struct {
    enum http_tls tls;
    const char *finding, *cure;
} tls_rows[] = {
    {HTTP_TLS_EXPIRED, "its certificate has expired",
     "by hand: renew the certificate (certbot renew), and restart the "
     "web server"},
    {HTTP_TLS_EARLY, "its certificate is not valid yet", "by hand: set this host's clock, or wait"},
    {HTTP_TLS_SELF_SIGNED, "its certificate is signed by nobody but itself",
     "by hand: get a certificate of a known authority (certbot), and restart the web server"},
    {HTTP_TLS_CHAIN,
     "it sends its own certificate alone, or one of an authority that is not known: the chain is "
     "incomplete",
     "by hand: give the web server the whole chain, fullchain.pem and not cert.pem, and restart it"},
    {HTTP_TLS_ISSUER, "the authority of its certificate is not a known one",
     "by hand: get a certificate of a known authority (certbot), and restart the web server"},
    {HTTP_TLS_NAME, "its certificate is of another host",
     "by hand: register the URL with the name that stands in the "
     "certificate, or get one for this name"},
    {HTTP_TLS_NO_LIST, "its certificate cannot be checked", DOCTOR_BUNDLE_CURE},
    {HTTP_TLS_OTHER, "its certificate, or TLS itself, is no good", "by hand: mend the certificate of the web server"},
};

static void tell_tls(struct doctor *d, const struct http_seen *seen)
{
    size_t i = 0;
    while (tls_rows[i].tls != seen->tls && tls_rows[i].tls != HTTP_TLS_OTHER)
        i++;
    char until[48] = "", of[260] = "";
    struct finding f =
        finding_of(FINDING_WRONG, "certificate", "ComplyCube sends nothing to a host whose certificate is not valid");
    if (seen->expires_ms)
        when_time(seen->expires_ms, until);
    if (*seen->subject)
        snprintf(of, sizeof of, " (%.80s, by %.80s%s%s)", seen->subject, seen->issuer, *until ? ", until " : "",
                 until);
    finding_step(&f, "%s", tls_rows[i].cure);
    doctor_tell(d, &f, "%s%s: %s", tls_rows[i].finding, of, seen->why);
}

static void tell_trouble(struct doctor *d, const struct http_seen *seen)
{
    struct finding f = finding_of(FINDING_WRONG, "url", retried);
    switch (seen->trouble) {
    case HTTP_BAD_TLS: tell_tls(d, seen); return;
    case HTTP_NO_NAME:
        f.what = "name";
        finding_step(
            &f, "by hand: make a DNS record for this name, or correct the URL, here and in ComplyCube's dashboard");
        break;
    case HTTP_NOBODY:
        f.what = "connection";
        finding_step(&f, "by hand: start the web server, and let its port through the firewall");
        break;
    case HTTP_SLOW:
        f.what = "time";
        finding_step(&f, "by hand: look into the web server's error log; a firewall may drop what it gets");
        break;
    default: finding_step(&f, "by hand: look into the web server's error log");
    }
    doctor_tell(d, &f, "%s: %s", d->url, seen->why);
}

/* ---- an answer that is not the receiver's ---- */

static const struct {
    int status;
    const char *finding, *cure;
} status_rows[] = {
    {401, "the web server asks for a password",
     "by hand: leave this URL out of it; the signature is what protects it"},
    {403, "the web server or a filter forbids it",
     "by hand: allow this URL; a filter of requests (WAF, ModSecurity) must leave it alone"},
    {404, "the web server knows no such URL",
     "by hand: compare the URL with the one in the web server's configuration"},
    {405, "the web server allows no POST here",
     "by hand: compare the URL with the one in the web server's configuration"},
    {411, "the web server wants a length", "by hand: lighttpd: server.stream-request-body = 0"},
    {413, "the web server takes no body of this length",
     "by hand: raise its limit: LimitRequestBody (Apache), server.max-request-size (lighttpd), client_max_body_size (nginx)"},
    {500, "the web server cannot run the receiver, or takes no body of this length",
     "by hand: look into its error log; under mod_fcgid raise FcgidMaxRequestLen"},
    {502, "the web server cannot reach the receiver", "by hand: start the receiver; see the web server's error log"},
    {503, "the web server cannot reach the receiver", "by hand: start the receiver; see the web server's error log"},
    {504, "the receiver does not answer the web server", "by hand: see the web server's error log"},
    {0, "another program answers", "by hand: compare the URL with the one in the web server's configuration"},
};

static void tell_foreign(struct doctor *d, const struct http_seen *seen, const char *of)
{
    size_t i = 0;
    while (status_rows[i].status != seen->status && status_rows[i].status != 0)
        i++;
    bool taken = seen->status / 100 == 2;
    struct finding f =
        finding_of(FINDING_WRONG, "answer",
                   taken ? "ComplyCube takes it for delivered: each event that is posted there is lost, "
                           "in silence, and does not come again"
                         : retried);
    finding_step(&f, "%s", status_rows[i].cure);
    doctor_tell(d, &f, "%s: %d, not from the receiver: %s%s%s%s", of, seen->status, status_rows[i].finding,
                *seen->server ? " (" : "", seen->server, *seen->server ? ")" : "");
}

static void tell_redirect(struct doctor *d, const struct http_seen *seen)
{
    struct finding f =
        finding_of(FINDING_WRONG, "redirect", "ComplyCube follows no redirect: it takes it for a failure");
    finding_step(&f, "by hand: in ComplyCube's dashboard, register %s", seen->redirect);
    doctor_tell(d, &f, "%s answers %d and points elsewhere", d->url, seen->status);
}

/* ---- the first look: a GET ---- */

static void check_certificate(struct doctor *d, const struct http_seen *seen, int64_t now_ms)
{
    char until[32];
    if (strncasecmp(d->url, "https:", 6) != 0) {
        struct finding f = finding_of(FINDING_WARNING, "certificate",
                                      "whoever stands between reads personal data, and may replay it");
        finding_step(&f, "by hand: give the web server a certificate (certbot), and register the URL with https://");
        doctor_tell(d, &f, "http:// is not encrypted");
        return;
    }
    if (!seen->expires_ms)
        return;
    int64_t days = (seen->expires_ms - now_ms) / DAY_MS;
    struct finding f = finding_of(days < DAYS_LOW ? FINDING_WARNING : FINDING_OK, "certificate",
                                  "when it has expired nothing comes any more");
    if (days < DAYS_LOW)
        finding_step(&f, "by hand: renew the certificate (certbot renew), and see to it that it is done by itself");
    doctor_tell(d, &f, "valid for %lld days more, until %s", (long long)days, when_time(seen->expires_ms, until));
}

static void check_clock(struct doctor *d, const struct http_seen *seen, int64_t now_ms)
{
    int64_t off_ms = seen->date_ms - now_ms;
    if (!seen->date_ms)
        return;
    if (off_ms > CLOCK_MS || off_ms < -CLOCK_MS) {
        struct finding f =
            finding_of(FINDING_WARNING, "clock", "leases, retries and what is shown go by this host's clock");
        finding_step(&f, "timedatectl set-ntp true");
        doctor_tell(d, &f, "the web server's Date is %lld s %s this host's clock", (long long)llabs(off_ms / 1000),
                    off_ms > 0 ? "ahead of" : "behind");
    } else {
        doctor_ok(d, "clock", "within %d minutes of the web server's Date", CLOCK_MS / 60000);
    }
}

static void check_time(struct doctor *d, const struct http_seen *seen, const char *of)
{
    if (seen->took_ms < SLOW_MS)
        return;
    struct finding f = finding_of(seen->took_ms >= LATE_MS ? FINDING_WRONG : FINDING_WARNING, "time",
                                  "ComplyCube waits for 15 s, and takes what is later for a failure");
    finding_step(&f, "by hand: look what the host is busy with; complycube-webhook itself takes milliseconds");
    doctor_tell(d, &f, "%s: answered after %lld ms", of, (long long)seen->took_ms);
}

/* Did a request end here, before any probe? */
static bool tell_early(struct doctor *d, const struct http_seen *seen, const char *of)
{
    if (seen->trouble != HTTP_FINE)
        tell_trouble(d, seen);
    else if (seen->status >= 300 && seen->status < 400)
        tell_redirect(d, seen);
    else if (strncmp(seen->body, "{\"received\":", 12) == 0 || strncmp(seen->body, "ready", 5) == 0 ||
             strncmp(seen->body, "not ready: ", 11) == 0)
        return false;
    else
        tell_foreign(d, seen, of);
    return true;
}

static bool look_at_url(struct tried *t, struct err *e)
{
    struct doctor *d = t->d;
    struct http_seen seen;
    t->ask.post = false;
    if (http_see(&t->ask, &seen, e) != 0) {
        struct finding f = finding_of(FINDING_WRONG, "url", "");
        finding_step(&f, "by hand: give --url the webhook's whole URL, as it stands in ComplyCube's dashboard");
        doctor_tell(d, &f, "%s: %s", d->url, e->msg);
        return false;
    }
    int64_t now_ms = clock_time_ms();
    if (seen.trouble == HTTP_FINE) {
        check_certificate(d, &seen, now_ms);
        check_clock(d, &seen, now_ms);
    }
    if (tell_early(d, &seen, "a GET"))
        return false;
    if (strncmp(seen.body, "not ready: ", 11) == 0) {
        struct finding f = finding_of(FINDING_WRONG, "receiver", retried);
        finding_step(
            &f, "by hand: mend what is wrong above; if nothing is, the receiver runs with another configuration");
        doctor_tell(d, &f, "it says %.40s", seen.body);
    } else {
        doctor_ok(d, "url", "the receiver answers a GET");
    }
    return true;
}

/* ---- signed probes ---- */

/* Post a body with this secret's signature. */
static int post(struct tried *t, size_t secret, struct span body, struct http_seen *seen)
{
    uint8_t digest[VERIFY_DIGEST];
    char text[2 * VERIFY_DIGEST + 1];
    verify_sign(t->verifier, secret, body, digest);
    hex_encode(digest, sizeof digest, text);
    t->ask.post = true;
    t->ask.body = body;
    t->ask.signature = span_of(text);
    return http_see(&t->ask, seen, NULL);
}

static bool body_has(const struct http_seen *seen, const char *text) { return strstr(seen->body, text) != NULL; }

static bool accepted(const struct http_seen *seen)
{
    return seen->trouble == HTTP_FINE && seen->status == 200 && body_has(seen, "\"probe\":true");
}

/* A refusal by the receiver itself, but for that of a signature. */
static void tell_refusal(struct doctor *d, const struct http_seen *seen, const char *of)
{
    struct finding f = finding_of(FINDING_WRONG, "answer", retried);
    if (seen->status == 413)
        finding_step(&f, "by hand: raise max_body in the receiver's configuration; it is not the one of this run");
    else
        finding_step(&f, "by hand: mend what is wrong above; if nothing is, look into the receiver's log");
    doctor_tell(d, &f, "%s: the receiver answers %d %.120s", of, seen->status, seen->body);
}

static const char plain[] = "{\"id\":\"doctor\",\"type\":\"complycube-inbox.probe\"}";

/* Each secret by itself: 1 accepted, 0 refused, -1 it was told why nothing can be tried. */
static int try_secret(struct tried *t, size_t i, bool *refused)
{
    struct http_seen seen;
    char of[200];
    snprintf(of, sizeof of, "endpoint %s, secret %s", t->secret[i].endpoint, t->secret[i].name);
    *refused = false;
    if (post(t, i, span_of(plain), &seen) != 0 || tell_early(t->d, &seen, of))
        return -1;
    check_time(t->d, &seen, of);
    if (accepted(&seen)) {
        doctor_ok(t->d, "probe", "%s: accepted after %lld ms", of, (long long)seen.took_ms);
        return 1;
    }
    *refused = seen.status == 400 && body_has(&seen, err_text(ERR_SIGNATURE));
    if (*refused)
        return 0;
    tell_refusal(t->d, &seen, of);
    return -1;
}

static void report_refused_url(struct tried *t, const bool *refused, size_t n_good)
{
    struct doctor *d = t->d;
    if (n_good == 0) {
        struct finding f = finding_of(FINDING_WRONG, "signature", "every event is refused like this");
        finding_step(
            &f, "by hand: look for a line that removes or renames request headers (Apache: RequestHeader, a proxy's "
                "or firewall's list of headers): ComplyCube-Signature must pass");
        finding_step(
            &f,
            "by hand: compare %s with the file that the receiver is given, and restart the receiver if that is "
            "older",
            d->config->path);
        doctor_tell(d, &f,
                    "the receiver answers, but takes no "
                    "probe: the header is lost on the way, or the receiver has other secrets");
        return;
    }
    for (size_t i = 0; i < t->n; i++)
        if (refused[i]) {
            struct finding f = finding_of(FINDING_WRONG, "signature",
                                          "the receiver has an older secret file, or another one: what this "
                                          "webhook sends is refused");
            finding_step(&f,
                         "by hand: restart the receiver; if it is refused again, compare %s with the file that the "
                         "receiver is given",
                         d->config->path);
            doctor_tell(d, &f, "endpoint %s: the receiver does not know the secret %s", t->secret[i].endpoint,
                        t->secret[i].name);
        }
}

static bool try_secrets(struct tried *t)
{
    bool refused[SECRETS_TRIED] = {false}, any = false;
    size_t n_good = 0;
    for (size_t i = 0; i < t->n; i++) {
        int result = try_secret(t, i, &refused[i]);
        if (result < 0)
            return false;
        any |= refused[i];
        if (result > 0 && n_good++ == 0)
            t->good = i;
    }
    if (any)
        report_refused_url(t, refused, n_good);
    return n_good > 0;
}

/* ---- what a body may be like ---- */

/* Bytes that are not as a program would write them again. */
static const char odd[] = "{ \"id\":\"doctor\",  \"type\":\"complycube-inbox.probe\",\r\n\"payload\":{\"note\":"
                          "\"Zo\xc3\xab Zo\\u00eb \\/ 1.0 \xf0\x9f\x98\x80\"}}\n";
/* What a filter takes for an attack, and a person may have typed. */
static const char alarming[] =
    "{\"id\":\"doctor\",\"type\":\"complycube-inbox.probe\",\"payload\":{\"note\":\"' OR 1=1; SELECT * FROM users; "
    "<script>alert(1)</script> ../../etc/passwd\"}}";

static void try_body(struct tried *t, struct span body, const char *of, const char *words, const char *cure)
{
    struct http_seen seen;
    if (post(t, t->good, body, &seen) != 0)
        return;
    if (accepted(&seen)) {
        doctor_ok(t->d, "probe", "%s: accepted", of);
        check_time(t->d, &seen, of);
    } else if (seen.trouble == HTTP_FINE && seen.status == 400 && body_has(&seen, "\"received\":")) {
        struct finding f = finding_of(FINDING_WRONG, "body", "the signature is over the exact bytes");
        finding_step(&f, "%s", cure);
        doctor_tell(t->d, &f, "%s: %s", of, words);
    } else if (seen.trouble == HTTP_FINE && *cure && seen.status < 500 && seen.status != 413 &&
               !body_has(&seen, "\"received\":")) {
        struct finding f = finding_of(FINDING_WRONG, "body", retried);
        finding_step(&f, "%s", cure);
        doctor_tell(t->d, &f, "%s: %d, not from the receiver: %s", of, seen.status, words);
    } else if (!tell_early(t->d, &seen, of)) {
        tell_refusal(t->d, &seen, of);
    }
}

/* A probe of exactly so many bytes. */
static void try_length(struct tried *t, size_t len)
{
    static const char head[] = "{\"id\":\"doctor\",\"type\":\"complycube-inbox.probe\",\"payload\":{\"note\":\"",
                      tail[] = "\"}}";
    char of[64], *body = len > sizeof head + sizeof tail ? malloc(len) : NULL;
    if (!body)
        return;
    memset(body, 'x', len);
    memcpy(body, head, sizeof head - 1);
    memcpy(body + len - (sizeof tail - 1), tail, sizeof tail - 1);
    snprintf(of, sizeof of, "a body of %zu bytes", len);
    try_body(t, (struct span){body, len}, of, "it arrives cut, or changed",
             "by hand: Apache: no LimitRequestBody beside mod_fcgid; else look what stands before the web server");
    free(body);
}

static void try_bodies(struct tried *t)
{
    size_t largest = t->d->config->max_body < LARGEST ? t->d->config->max_body : LARGEST;
    try_body(
        t, span_of(odd), "a body with odd blanks and letters", "something on the way writes it anew",
        "by hand: look what stands before the web server, a proxy or a firewall, and let it pass bodies as they are");
    try_body(
        t, span_of(alarming), "a body that looks like an attack", "a filter looks into bodies",
        "by hand: switch the filter off for this URL (ModSecurity: SecRuleEngine Off in its Location); the signature "
        "is what protects it");
    if (largest > LONG)
        try_length(t, LONG);
    try_length(t, largest);
}

/* ---- all of it ---- */

static void collect_answer(struct tried *t, const struct config *c)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t k = 0; k < c->endpoint[i].secrets.n; k++) {
            const struct secret *s = &c->endpoint[i].secrets.list[k];
            if (!s->retired && t->n < SECRETS_TRIED)
                t->secret[t->n++] = (struct verify_named){c->endpoint[i].name, s->name, &s->key};
        }
}

void doctor_url(struct doctor *d)
{
    struct err e = {0};
    struct tried t = {.d = d, .ask = {.url = d->url, .timeout_s = TIMEOUT_S, .ca_file = cmd_ca_file(d->cmd)}};
    if (!look_at_url(&t, &e))
        return;
    if (!d->sound) {
        struct finding f = finding_of(FINDING_WARNING, "probe", "without a secret nothing can be signed");
        finding_step(&f, "by hand: mend the secrets first, and run this as a user who may read them");
        doctor_tell(d, &f, "none was sent");
        return;
    }
    collect_answer(&t, d->config);
    if (verify_open(&t.verifier, t.secret, t.n, &e) != 0) {
        struct finding f = finding_of(FINDING_WRONG, err_word(e.code), "");
        doctor_tell(d, &f, "%s", e.msg);
        return;
    }
    if (try_secrets(&t))
        try_bodies(&t);
    verify_close(t.verifier);
}
