/* SPDX-License-Identifier: MIT
 * fuzz: a signed body is decoded to fields that are texts, that stand in it, and that decode to the same again. */
#include "event/decode.h"
#include "fuzz.h"
#include "verifier.h"
#include "base/json.h"

#include <cjson/cJSON.h>
#include <time.h>

static const struct verifier_secret secret = {"live", "main", {FUZZ_SECRET, sizeof FUZZ_SECRET - 1}};
static struct verifier *verifier;

static const char hex[] = "0123456789abcdef";

/* As a sender does it: signed, verified, decoded. */
static int decode(struct span body, struct event *event, struct err *e)
{
    uint8_t digest[VERIFY_DIGEST];
    char signature[2 * VERIFY_DIGEST];
    if (!verifier)
        FUZZ_CHECK(verifier_open(&verifier, &secret, 1, e) == 0);
    verify_sign(verifier, 0, body, digest);
    for (size_t i = 0; i < VERIFY_DIGEST; i++) {
        signature[2 * i] = hex[digest[i] >> 4];
        signature[2 * i + 1] = hex[digest[i] & 15];
    }
    const struct verified *verified = verify_body(verifier, 0, (struct span){signature, sizeof signature}, body, e);
    FUZZ_CHECK(verified);
    return decode_event(verified, event, e);
}

static void check_field(const struct event *event, struct span body, struct span field)
{
    FUZZ_CHECK(field.len <= EVENT_FIELD_MAX && (field.at || field.len == 0));
    if (!field.at)
        return;
    FUZZ_CHECK(!memchr(field.at, '\0', field.len));
    FUZZ_CHECK((field.at >= body.at && field.at + field.len <= body.at + body.len) ||
               (field.at >= event->text && field.at + field.len <= event->text + event->text_len));
}

/* ---- the same again ---- */

struct out {
    char *at;
    size_t len;
};

static void put(struct out *o, const char *text, size_t len)
{
    memcpy(o->at + o->len, text, len);
    o->len += len;
}

static void put_string(struct out *o, const char *name, struct span text)
{
    if (!text.at)
        return;
    if (o->at[o->len - 1] != '{')
        put(o, ",", 1);
    o->len += (size_t)sprintf(o->at + o->len, "\"%s\":\"", name);
    for (size_t i = 0; i < text.len; i++) /* ASCII as escapes, the rest as it is */
        if ((unsigned char)text.at[i] < 0x80)
            o->len += (size_t)sprintf(o->at + o->len, "\\u%04x", text.at[i]);
        else
            put(o, text.at + i, 1);
    put(o, "\"", 1);
}

/* ISO 8601 by the C library. */
static void put_time(struct out *o, int64_t ms)
{
    time_t s = ms / 1000;
    struct tm tm;
    char text[64];
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));
    n += (size_t)sprintf(text + n, ".%03dZ", (int)(ms % 1000));
    put_string(o, "createdAt", (struct span){text, n});
}

static void check_again(const struct event *event)
{
    struct out o = {malloc(event->payload.len + 6 * 8 * 256 + 200), 0};
    struct event again;
    struct err e;
    FUZZ_CHECK(o.at);
    put(&o, "{", 1);
    put_string(&o, "type", event->type);
    put_string(&o, "id", event->id);
    put_string(&o, "resourceType", event->resource_type);
    if (event->created_ms >= 0)
        put_time(&o, event->created_ms);
    if (event->payload.at) {
        put(&o, ",\"payload\":", 11);
        put(&o, event->payload.at, event->payload.len);
    }
    put(&o, "}", 1);
    FUZZ_CHECK(decode((struct span){o.at, o.len}, &again, &e) == 0);
    const struct span fields[][2] = {
        {event->id, again.id},
        {event->type, again.type},
        {event->resource_type, again.resource_type},
        {event->payload, again.payload},
        {event->resource_id, again.resource_id},
        {event->client_id, again.client_id},
        {event->status, again.status},
        {event->outcome, again.outcome},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        FUZZ_CHECK(span_equal(fields[i][0], fields[i][1]) && !fields[i][0].at == !fields[i][1].at);
    FUZZ_CHECK(event->created_ms == again.created_ms);
    free(o.at);
}

/* ---- as cJSON sees it, where it can (see json.c) ---- */

static bool has(struct span text, const char *what) { return memmem(text.at, text.len, what, strlen(what)) != NULL; }

/* The last of equal names counts in a payload. */
static const cJSON *last_of(const cJSON *object, const char *name)
{
    const cJSON *found = NULL;
    for (const cJSON *c = object ? object->child : NULL; c; c = c->next)
        if (strcmp(c->string, name) == 0)
            found = c;
    return found;
}

static void compare(struct span ours, const cJSON *theirs)
{
    bool text = theirs && cJSON_IsString(theirs) && strlen(theirs->valuestring) <= EVENT_FIELD_MAX;
    FUZZ_CHECK((ours.at != NULL) == text);
    if (text)
        FUZZ_CHECK(span_equal(ours, span_of(theirs->valuestring)));
}

/* createdAt by the C library, where it was read as a time. */
static void compare_time(int64_t ours, const cJSON *theirs)
{
    struct tm tm = {0};
    int fraction = 0, end = 0, h = 0, m = 0, second = 0;
    char sign = 0;
    if (ours < 0)
        return;
    FUZZ_CHECK(theirs && cJSON_IsString(theirs));
    const char *text = theirs->valuestring;
    FUZZ_CHECK(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                      &tm.tm_min, &second, &end) == 6);
    int scale = 100;
    for (text += end + (text[end] == '.'); *text >= '0' && *text <= '9'; text++, scale /= 10)
        fraction += (*text - '0') * scale;
    FUZZ_CHECK(strcmp(text, "Z") == 0 || sscanf(text, "%c%2d:%2d", &sign, &h, &m) == 3);
    int day = tm.tm_mday;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t at = timegm(&tm);
    FUZZ_CHECK(tm.tm_mday == day); /* else there is no such day */
    int64_t east = (h * 60 + m) * (sign == '-' ? -60 : 60);
    FUZZ_CHECK(ours == ((int64_t)at + second - east) * 1000 + fraction);
}

/* Outside of the payload no name comes twice. */
static void check_once(const cJSON *tree)
{
    for (const cJSON *c = tree->child; c; c = c->next)
        FUZZ_CHECK(last_of(tree, c->string) == c);
}

static void compare_with_cjson(const struct event *event, struct span body)
{
    cJSON *tree = cJSON_ParseWithLength(body.at, body.len);
    if (!tree) /* halves of surrogate pairs, numbers of more than 63 characters */
        return;
    check_once(tree);
    compare_time(event->created_ms, last_of(tree, "createdAt"));
    const cJSON *payload = last_of(tree, "payload");
    compare(event->id, last_of(tree, "id"));
    compare(event->type, last_of(tree, "type"));
    compare(event->resource_type, last_of(tree, "resourceType"));
    compare(event->resource_id, last_of(payload, "id"));
    compare(event->status, last_of(payload, "status"));
    compare(event->outcome, last_of(payload, "outcome"));
    if (last_of(payload, "clientId"))
        compare(event->client_id.at != event->resource_id.at ? event->client_id : (struct span){0},
                last_of(payload, "clientId"));
    cJSON_Delete(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span body = {(const char *)data, size};
    struct event event;
    struct err e = {0};
    int64_t ms = decode_time(body);
    FUZZ_CHECK(ms >= -1 && ms < 10000000000000);
    if (decode(body, &event, &e) != 0) {
        FUZZ_CHECK(e.code == ERR_UNDECODABLE && *e.msg);
        check_field(&event, body, event.id);
        return 0;
    }
    const struct span fields[] = {event.id,        event.type,   event.resource_type, event.resource_id,
                                  event.client_id, event.status, event.outcome};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        check_field(&event, body, fields[i]);
    FUZZ_CHECK(event.id.len && event.type.len && event.created_ms >= -1);
    FUZZ_CHECK(!event.payload.at || (event.payload.at > body.at && event.payload.at[0] == '{' &&
                                     event.payload.at + event.payload.len < body.at + body.len));
    check_again(&event);
    if (!has(body, "\\u0000"))
        compare_with_cjson(&event, body);
    return 0;
}
