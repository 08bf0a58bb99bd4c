/* SPDX-License-Identifier: MIT
 * export_line: an event as a line of JSON, and back. */
#include "export_line.h"

#include "base/base64.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/text.h"
#include "cmd.h"

enum { TEXT_SIZE_MAX = 1 << 30 /* bytes */ };

/* ---- writing ---- */

struct writer {
    struct buf *out;
    bool failed, first;
};

static char *room(struct writer *w, size_t len)
{
    if (w->failed || buf_room(w->out, len, TEXT_SIZE_MAX) < len) {
        w->failed = true;
        return NULL;
    }
    return w->out->at + w->out->len;
}

static void put_bytes(struct writer *w, const char *bytes, size_t len)
{
    char *to = room(w, len);
    if (to)
        memcpy(to, bytes, len);
    w->out->len += to ? len : 0;
}

static void put_string(struct writer *w, struct span text)
{
    char *to = room(w, text_json_size(text));
    if (to)
        w->out->len += text_json(text, to);
}

static const char *accept_any(void *ctx, const struct json_member *m)
{
    (void)ctx, (void)m;
    return NULL;
}

/* As a JSON string, if the scanner that reads it again takes it for one: no half characters, no U+0000. */
static bool put_checked_string(struct writer *w, struct span text)
{
    static const char head[] = "{\"\":";
    const size_t len = sizeof head - 1, start = w->out->len;
    if (memchr(text.at, '\0', text.len))
        return false;
    put_bytes(w, head, len);
    put_string(w, text);
    put_bytes(w, "}", 1);
    if (w->failed)
        return true;
    char *at = w->out->at + start;
    bool good = json_scan((struct span){at, w->out->len - start}, accept_any, NULL) == NULL;
    if (good)
        memmove(at, at + len, w->out->len - start - len);
    w->out->len = good ? w->out->len - len - 1 : start;
    return good;
}

static void name(struct writer *w, const char *text)
{
    put_bytes(w, w->first ? "{\"" : ",\"", 2);
    put_bytes(w, text, strlen(text));
    put_bytes(w, "\":", 2);
    w->first = false;
}

/* A text that plain SQL may have put there, in any encoding. */
static void add_text(struct writer *w, const char *called, struct span text)
{
    name(w, called);
    if (!text.at)
        put_bytes(w, "null", 4);
    else if (!put_checked_string(w, text))
        put_bytes(w, "\"?\"", 3);
}

static void add_number_member(struct writer *w, const char *called, int64_t number)
{
    char text[24];
    name(w, called);
    put_bytes(w, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)number));
}

static void add_time(struct writer *w, const char *called, int64_t ms)
{
    if (ms)
        add_number_member(w, called, ms);
    else
        add_text(w, called, (struct span){0});
}

static void add_body_member(struct writer *w, struct span body)
{
    size_t start = w->out->len, len = base64_size(body.len);
    name(w, "body");
    if (body.at ? put_checked_string(w, body) : (put_bytes(w, "null", 4), true))
        return;
    w->out->len = start;
    name(w, "body_base64");
    put_bytes(w, "\"", 1);
    char *to = room(w, len);
    if (to)
        base64_encode(body, to);
    w->out->len += to ? len : 0;
    put_bytes(w, "\"", 1);
}

static void begin_line(struct writer *w, const char *kind, struct span endpoint)
{
    add_number_member(w, "schema", 1);
    add_text(w, "kind", span_of(kind));
    add_text(w, "endpoint", endpoint);
}

static struct span or_absent(struct span text) { return text.len ? text : (struct span){0}; }

static int end_line(struct writer *w, struct span body)
{
    add_body_member(w, body);
    put_bytes(w, "}\n", 2);
    return w->failed ? -1 : 0;
}

int export_line_write(struct buf *out, const struct store_event *v)
{
    struct writer w = {out, false, true};
    char digest[2 * VERIFY_DIGEST + 1];
    bool has_digest = v->payload_sha256.len == VERIFY_DIGEST;
    if (has_digest)
        hex_encode((const uint8_t *)v->payload_sha256.at, VERIFY_DIGEST, digest);
    begin_line(&w, "event", v->endpoint);
    add_text(&w, "event_id", v->id);
    add_text(&w, "type", v->type);
    add_text(&w, "resource_type", v->resource_type);
    add_number_member(&w, "created_ms", v->created_ms);
    add_number_member(&w, "received_ms", v->received_ms);
    add_text(&w, "source", v->source);
    add_text(&w, "secret", v->secret);
    add_text(&w, "signature", or_absent(v->signature));
    add_text(&w, "state", span_of(cmd_state_word(v->state)));
    add_number_member(&w, "attempts", v->attempts);
    add_time(&w, "done_ms", v->done_ms);
    add_text(&w, "error", v->error);
    add_time(&w, "erased_ms", v->erased_ms);
    add_text(&w, "payload_sha256", has_digest ? span_of(digest) : (struct span){0});
    return end_line(&w, v->body);
}

int export_line_write_quarantined(struct buf *out, const struct store_quarantined *row)
{
    struct writer w = {out, false, true};
    begin_line(&w, "quarantine", row->endpoint);
    add_text(&w, "event_id", row->event_id);
    add_number_member(&w, "received_ms", row->first_ms);
    add_number_member(&w, "last_ms", row->last_ms);
    add_number_member(&w, "times", row->times);
    add_text(&w, "secret", row->secret);
    add_text(&w, "signature", row->signature);
    add_text(&w, "reason", row->reason);
    return end_line(&w, row->body);
}

/* ---- reading ---- */

static const struct {
    const char *name;
    bool number;
    size_t at;
} members[] = {
#define TEXT(field) \
    { \
#field, false, offsetof(struct export_line, field) \
    }
#define NUMBER(field) \
    { \
#field, true, offsetof(struct export_line, field) \
    }
    TEXT(kind),           TEXT(endpoint),      TEXT(event_id),    TEXT(type),       TEXT(resource_type),
    TEXT(secret),         TEXT(signature),     TEXT(state),       TEXT(error),      TEXT(reason),
    TEXT(payload_sha256), TEXT(body),          NUMBER(schema),    NUMBER(attempts), NUMBER(done_ms),
    NUMBER(created_ms),   NUMBER(received_ms), NUMBER(erased_ms), NUMBER(last_ms),  NUMBER(times),
#undef TEXT
#undef NUMBER
};

enum { MEMBERS = sizeof members / sizeof *members };

/* `data` is as long as the line: no member is longer than its text. */
static const char *take_text(struct export_line *line, struct span value, bool base64, struct span *out)
{
    struct span inside = json_string(value);
    char *to = line->data.at + line->data.len;
    if (!inside.at)
        return "a text is expected where there is none";
    int64_t len = base64 ? base64_decode(inside, to) : json_unescape(inside, to, line->data.cap - line->data.len);
    if (len < 0)
        return base64 ? "body_base64 is no base64" : "a text holds U+0000 or half a character";
    *out = (struct span){to, (size_t)len};
    line->data.len += (size_t)len;
    return NULL;
}

static const char *take_number(struct span value, int64_t *out)
{
    int64_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9' || n > INT64_MAX / 10 - 1)
            return "a number is expected where there is none";
        n = n * 10 + (value.at[i] - '0');
    }
    *out = n;
    return NULL;
}

static const char *visit(void *ctx, const struct json_member *m)
{
    struct export_line *line = ctx;
    if (span_equal(m->value, span_of("null")))
        return NULL;
    if (json_spells(m->name, "body_base64"))
        return take_text(line, m->value, true, &line->body);
    for (size_t i = 0; i < MEMBERS; i++)
        if (json_spells(m->name, members[i].name)) {
            void *field = (char *)line + members[i].at;
            return members[i].number ? take_number(m->value, field) : take_text(line, m->value, false, field);
        }
    return NULL;
}

static int read_state(struct export_line *line, struct err *e)
{
    char word[16];
    line->state_number = -1;
    if (!line->state.at)
        return 0;
    snprintf(word, sizeof word, "%.*s", (int)line->state.len, line->state.at);
    line->state_number = cmd_state(word);
    return line->state_number >= 0 ? 0 : err_set(e, ERR_UNDECODABLE, "its state is none");
}

static int check_members(struct export_line *line, struct err *e)
{
    line->quarantined = span_equal(line->kind, span_of("quarantine"));
    if (line->schema != 1)
        return err_set(e, ERR_UNDECODABLE,
                       line->schema ? "its schema is %lld, and this program knows 1"
                                    : "it is no exported line: it has no schema",
                       (long long)line->schema);
    if (!line->quarantined && line->kind.at && !span_equal(line->kind, span_of("event")))
        return err_set(e, ERR_UNDECODABLE, "its kind is neither event nor quarantine");
    if (!line->body.at && (!line->erased_ms || line->quarantined))
        return err_set(e, ERR_UNDECODABLE, "it has no body");
    if (line->erased_ms && (line->body.at || hex_decode(line->payload_sha256, line->digest, VERIFY_DIGEST) != 0))
        return err_set(e, ERR_UNDECODABLE, "what was erased has a payload_sha256, and no body");
    return read_state(line, e);
}

int export_line_read(struct export_line *line, struct span text, struct err *e)
{
    struct buf data = line->data;
    *line = (struct export_line){.data = data};
    line->data.len = 0;
    if (buf_room(&line->data, text.len + 1, TEXT_SIZE_MAX) < text.len)
        return err_set(e, ERR_MEMORY, "it is too long");
    const char *why = json_scan(text, visit, line);
    return why ? err_set(e, ERR_UNDECODABLE, "%s", why) : check_members(line, e);
}
