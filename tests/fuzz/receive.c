/* SPDX-License-Identifier: MIT
 * fuzz: the whole pipeline over a store. Parts between lines of "---" are requests; a part's first line is letters:
 *
 *     l live, s sandbox (their signatures), n none, w wrong    who signs it
 *     g GET, h HEAD, p PUT                                     instead of POST
 *     c cut, b too large, t the signature twice                how it arrived
 *     L, S, ... as l, s, ... and a new batch begins here; D: first of all, for the inbox as files
 *
 * A model of ids and payloads says what each answer must be and what must stand in the store. */
#include "event/decode.h"
#include "folder.h"
#include "fuzz.h"
#include "verifier.h"
#include "base/hex.h"
#include "receiver/receive.h"

#include <ctype.h>
#include <dirent.h>
#include <sqlite3.h>

enum { NOW_MS = 1770000000, REQUESTS_MAX = 48 };

static const struct verifier_secret secrets[] = {
    {"live", "main", {FUZZ_SECRET, sizeof FUZZ_SECRET - 1}},
    {"sandbox", "main", {"sandbox-" FUZZ_SECRET, sizeof "sandbox-" FUZZ_SECRET - 1}},
};

/* One receiver, with our own look into its database. */
static struct inbox {
    char folder[FOLDER_PATH];
    struct receiver receiver;
    sqlite3 *db;
} inboxes[2]; /* as a table, as files */

struct sent {
    struct exchange x;
    char signature[2 * VERIFY_DIGEST + 1];
    const char *flags;
    size_t flags_len;
    int signer; /* -1: no secret signs it */
    char *body;
};

static struct verifier *verifier;

static void sql(struct inbox *b, const char *text)
{
    if (sqlite3_exec(b->db, text, NULL, NULL, NULL) != SQLITE_OK)
        fuzz_fail(text, 0, sqlite3_errmsg(b->db));
}

/* How many rows have these bytes; of any when `bytes` is NULL. */
static int64_t rows(struct inbox *b, const char *text, const struct span *bytes)
{
    sqlite3_stmt *q;
    FUZZ_CHECK(sqlite3_prepare_v2(b->db, text, -1, &q, NULL) == SQLITE_OK);
    if (bytes)
        sqlite3_bind_blob(q, 1, bytes->len ? bytes->at : "", (int)bytes->len, SQLITE_STATIC);
    FUZZ_CHECK(sqlite3_step(q) == SQLITE_ROW);
    int64_t n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

/* Files that wait; forget: remove them. */
static int64_t files(struct inbox *b, bool forget)
{
    int64_t n = 0;
    for (int i = 0; i < 2; i++) {
        char path[FOLDER_PATH + 300];
        snprintf(path, sizeof path, "%s/inbox.d/%s/new", b->folder, secrets[i].endpoint);
        DIR *folder = opendir(path);
        for (struct dirent *d; folder && (d = readdir(folder));) {
            n += d->d_name[0] != '.';
            snprintf(path, sizeof path, "%s/inbox.d/%s/new/%s", b->folder, secrets[i].endpoint, d->d_name);
            if (forget && d->d_name[0] != '.')
                unlink(path);
        }
        if (folder)
            closedir(folder);
    }
    return n;
}

static void set_up(struct inbox *b, const char *form)
{
    char path[FOLDER_PATH + 40], text[600];
    struct config_env env = {.config = path};
    struct err e;
    mkdir(folder_path(b->folder, form), 0700);
    snprintf(text, sizeof text,
             "database = \"inbox.db\"\nlog = \"/dev/null\"\ninbox = \"%s\"\ndirectory = \"inbox.d\"\n"
             "endpoint live { secret_file = \"live\" }\n"
             "endpoint sandbox { secret_file = \"sandbox\"\n events = {\"a\", \"b.c\"} }\n",
             form);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", b->folder, secrets[i].endpoint);
        folder_write(path, secrets[i].value, 0600);
    }
    snprintf(path, sizeof path, "%s/complycube-webhook.conf", b->folder);
    folder_write(path, span_of(text), 0600);
    FUZZ_CHECK(receiver_open(&b->receiver, &env, false, NOW_MS, &e) == 0);
    FUZZ_CHECK(b->receiver.config->error.code == ERR_NONE && receiver_store(&b->receiver, &e));
    snprintf(path, sizeof path, "%s/inbox.db", b->folder);
    FUZZ_CHECK(sqlite3_open(path, &b->db) == SQLITE_OK);
    sqlite3_busy_timeout(b->db, 5000);
    sqlite3_stmt *q; /* what they write of a change by hand is not asked about here, and all is removed by hand */
    char drops[4000] = "";
    FUZZ_CHECK(sqlite3_prepare_v2(b->db, "SELECT name FROM sqlite_master WHERE type = 'trigger'", -1, &q, NULL) == 0);
    while (sqlite3_step(q) == SQLITE_ROW)
        snprintf(drops + strlen(drops), sizeof drops - strlen(drops), "DROP TRIGGER %s;", sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    sql(b, drops);
}

static bool flag(const struct sent *s, char c)
{
    for (size_t i = 0; i < s->flags_len; i++)
        if (tolower((unsigned char)s->flags[i]) == c)
            return true;
    return false;
}

static void sign(struct sent *s, struct span body)
{
    uint8_t digest[VERIFY_DIGEST];
    s->signer = flag(s, 'l') ? 0 : flag(s, 's') ? 1 : -1;
    *s->signature = '\0';
    if (s->signer < 0 && !flag(s, 'w'))
        return;
    verify_sign(verifier, s->signer > 0, body, digest);
    digest[0] ^= s->signer < 0;
    hex_encode(digest, sizeof digest, s->signature);
}

/* The next request; false at the end. */
static bool next(struct span *rest, struct sent *s)
{
    if (rest->len == 0)
        return false;
    struct span part = fuzz_part(rest);
    const char *end = part.len ? memchr(part.at, '\n', part.len) : NULL;
    size_t n = end ? (size_t)(end - part.at) : part.len;
    s->flags = part.at;
    s->flags_len = n;
    fuzz_take(&part, n + 1);
    s->body = fuzz_copy(part);
    part.at = s->body;
    sign(s, part);
    memset(&s->x, 0, sizeof s->x);
    s->x.request = (struct request){
        .method = span_of(flag(s, 'g')   ? "GET"
                          : flag(s, 'h') ? "HEAD"
                          : flag(s, 'p') ? "PUT"
                                         : "POST"),
        .signature = *s->signature ? span_of(s->signature) : (struct span){0},
        .signature_twice = flag(s, 't'),
        .end = flag(s, 'b')   ? REQUEST_TOO_LARGE
               : flag(s, 'c') ? REQUEST_CUT
                              : REQUEST_WHOLE,
        .remote = span_of("::1"),
        .body = part,
    };
    return true;
}

/* ---- the model ---- */

static const struct verified *trusted(const struct sent *s, size_t slot)
{
    struct err e;
    return verify_body(verifier, slot, span_of(s->signature), s->x.request.body, &e);
}

static bool same_name(const struct sent *a, const struct event *x, const struct sent *b, const struct event *y)
{
    return a->signer == b->signer && span_equal(x->id, y->id) && span_equal(x->type, y->type);
}

struct counts {
    int64_t events, files;
};

/* What the answer must be to the i-th that is verified. Payloads of events recorded before it are known. */
static const char *expected(struct sent *sent, size_t i, struct event events[], bool recorded[], struct counts *n)
{
    struct sent *s = &sent[i];
    struct err e;
    const struct verified *v = trusted(s, i);
    recorded[i] = false;
    if (decode_event(v, &events[i], &e) != 0)
        return "{\"received\":true,\"quarantined\":true}";
    if (span_equal(events[i].type, span_of("complycube-inbox.probe")))
        return "{\"received\":true,\"probe\":true}";
    for (size_t k = 0; k < i; k++)
        if (recorded[k] && same_name(&sent[k], &events[k], s, &events[i]))
            return span_equal(events[k].payload, events[i].payload) && !events[k].payload.at == !events[i].payload.at
                       ? "{\"received\":true,\"duplicate\":true}"
                       : "{\"received\":true,\"quarantined\":true}";
    recorded[i] = true;
    n->events++;
    if (s->signer == 1 && !span_equal(events[i].type, span_of("a")) && !span_equal(events[i].type, span_of("b.c")))
        return "{\"received\":true,\"ignored\":true}";
    n->files++;
    return "{\"received\":true}";
}

static int refusal(const struct sent *s)
{
    if (flag(s, 'g') || flag(s, 'h'))
        return 200;
    if (flag(s, 'p'))
        return 405;
    if (flag(s, 'b'))
        return 413;
    return s->signer < 0 || flag(s, 't') ? 400 : 0;
}

static void check(struct inbox *b, struct sent *sent, size_t n)
{
    static struct event events[REQUESTS_MAX];
    bool recorded[REQUESTS_MAX] = {false};
    struct counts counts = {0, 0};
    for (size_t i = 0; i < n; i++) {
        const struct reply *reply = &sent[i].x.reply;
        int status = refusal(&sent[i]);
        struct span body = sent[i].x.request.body;
        if (status) {
            FUZZ_CHECK(reply->status == status);
            continue;
        }
        const char *text = expected(sent, i, events, recorded, &counts);
        FUZZ_CHECK(strcmp(reply->body, text) == 0);
        FUZZ_CHECK(reply->status == (strstr(text, "quarantined") ? 202 : 200));
        if (reply->status == 202) /* kept, byte for byte */
            FUZZ_CHECK(rows(b, "SELECT count(*) FROM quarantine WHERE body IS ?1", &body) >= 1);
        if (recorded[i])
            FUZZ_CHECK(rows(b, "SELECT count(*) FROM event_log WHERE body IS ?1", &body) == 1);
    }
    FUZZ_CHECK(rows(b, "SELECT count(*) FROM event_log", NULL) == counts.events);
    FUZZ_CHECK(rows(b, "SELECT count(*) FROM events WHERE payload IS NOT NULL AND typeof(payload) <> 'text'", NULL) ==
               0);
    if (b == &inboxes[1])
        FUZZ_CHECK(files(b, false) == counts.files);
    else
        FUZZ_CHECK(rows(b, "SELECT count(*) FROM inbox WHERE state = 0", NULL) == counts.files);
}

static void start(void)
{
    struct err e;
    FUZZ_CHECK(verifier_open(&verifier, secrets, 2, &e) == 0);
    set_up(&inboxes[0], "table");
    set_up(&inboxes[1], "directory");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sent sent[REQUESTS_MAX];
    struct span rest = {(const char *)data, size};
    struct exchange *batch[REQUESTS_MAX];
    size_t n = 0, from = 0;
    if (!verifier)
        start();
    struct inbox *b = &inboxes[size && *data == 'D'];
    for (; n < REQUESTS_MAX && next(&rest, &sent[n]); n++) {
        batch[n] = &sent[n].x;
        if (n > from && sent[n].flags_len && isupper((unsigned char)*sent[n].flags)) {
            receive_batch(&b->receiver, batch + from, n - from, NOW_MS);
            from = n;
        }
    }
    if (n > from)
        receive_batch(&b->receiver, batch + from, n - from, NOW_MS);
    check(b, sent, n);
    for (size_t i = 0; i < n; i++)
        free(sent[i].body);
    sql(b, "BEGIN IMMEDIATE; DELETE FROM inbox; DELETE FROM event_log; DELETE FROM quarantine; DELETE FROM counter;"
           "DELETE FROM history; COMMIT");
    files(b, true);
    return 0;
}
