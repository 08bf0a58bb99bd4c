/* SPDX-License-Identifier: MIT
 * decode: from a verified body to an event. */
#include "decode.h"

#include "base/json.h"

struct top {
    struct event *event;
    struct span created; /* inside of the createdAt string */
    size_t n;
    struct {
        uint64_t hash;
        struct span name;
    } seen[DECODE_MEMBERS_MAX];
};

/* Keep a string value in the event's own text when it has escapes; the absent span when it is no plain text. */
static struct span keep(struct event *event, struct span value)
{
    struct span inside = json_string(value);
    if (!inside.at)
        return inside;
    if (!memchr(inside.at, '\\', inside.len))
        return inside.len <= EVENT_FIELD_MAX ? inside : (struct span){0};
    char *to = event->text + event->text_len;
    size_t room = sizeof event->text - event->text_len;
    int len = json_unescape(inside, to, room < EVENT_FIELD_MAX ? room : EVENT_FIELD_MAX);
    if (len < 0)
        return (struct span){0};
    event->text_len += (size_t)len;
    return (struct span){to, (size_t)len};
}

static bool seen_before(struct top *top, struct span name)
{
    uint64_t hash = json_hash(name);
    for (size_t i = 0; i < top->n; i++)
        if (top->seen[i].hash == hash && json_same(top->seen[i].name, name))
            return true;
    top->seen[top->n].hash = hash;
    top->seen[top->n++].name = name;
    return false;
}

static const char *visit_top(void *ctx, const struct json_member *m)
{
    struct top *top = ctx;
    struct event *event = top->event;
    if (top->n == DECODE_MEMBERS_MAX)
        return "too many members";
    if (seen_before(top, m->name))
        return "a member's name comes twice";
    if (json_spells(m->name, "id"))
        event->id = keep(event, m->value);
    else if (json_spells(m->name, "type"))
        event->type = keep(event, m->value);
    else if (json_spells(m->name, "createdAt"))
        top->created = json_string(m->value);
    else if (json_spells(m->name, "resourceType")) {
        event->resource_type = keep(event, m->value);
        if (!event->resource_type.at)
            return "resourceType is no string of at most 255 bytes";
    } else if (json_spells(m->name, "payload")) {
        event->payload = m->value;
        if (m->value.at[0] != '{')
            return "payload is no object";
    }
    return NULL;
}

struct last {
    struct span id, client_id, status, outcome; /* values; the last of equal names counts */
};

static const char *visit_payload(void *ctx, const struct json_member *m)
{
    struct last *last = ctx;
    if (json_spells(m->name, "id"))
        last->id = m->value;
    else if (json_spells(m->name, "clientId"))
        last->client_id = m->value;
    else if (json_spells(m->name, "status"))
        last->status = m->value;
    else if (json_spells(m->name, "outcome"))
        last->outcome = m->value;
    return NULL;
}

static void read_payload(struct event *event)
{
    static const char client[] = "client.";
    struct last last = {{0}, {0}, {0}, {0}};
    if (!event->payload.at || json_scan(event->payload, visit_payload, &last))
        return;
    event->resource_id = keep(event, last.id);
    event->client_id = keep(event, last.client_id);
    event->status = keep(event, last.status);
    event->outcome = keep(event, last.outcome);
    if (!event->client_id.at && event->type.len > sizeof client - 1 &&
        memcmp(event->type.at, client, sizeof client - 1) == 0)
        event->client_id = event->resource_id; /* a client's own events */
}

int decode_event(const struct verified *body, struct event *event, struct err *e)
{
    struct top top;
    top.event = event;
    top.created = (struct span){0};
    top.n = 0;
    *event = (struct event){.created_ms = -1};
    const char *why = json_scan(verified_body(body), visit_top, &top);
    if (!why && event->id.len == 0)
        why = "id is no string of 1 to 255 bytes";
    if (!why && event->type.len == 0)
        why = "type is no string of 1 to 255 bytes";
    if (why)
        return err_set(e, ERR_UNDECODABLE, "%s", why);
    read_payload(event);
    char time[64];
    int len = top.created.at ? json_unescape(top.created, time, sizeof time) : -1;
    if (len > 0)
        event->created_ms = decode_time((struct span){time, (size_t)len});
    return 0;
}

/* n digits at *text as a number, moving on; -1 when they are not there. */
static int digits(struct span *text, size_t n)
{
    int value = 0;
    if (text->len < n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (text->at[i] < '0' || text->at[i] > '9')
            return -1;
        value = value * 10 + (text->at[i] - '0');
    }
    text->at += n;
    text->len -= n;
    return value;
}

static bool skip(struct span *text, char c)
{
    if (text->len == 0 || text->at[0] != c)
        return false;
    text->at++;
    text->len--;
    return true;
}

/* Days since 1970-01-01 in the Gregorian calendar; years counted from March so that leap days come last. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t m = (month + 9) % 12;
    return 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

static bool is_date(int year, int month, int day)
{
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1970 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= length[month - 1] + (month == 2 && leap);
}

/* An optional fraction of a second, in ms; further digits are cut off. -1: a point without digits. */
static int fraction(struct span *text)
{
    if (!skip(text, '.'))
        return 0;
    int ms = 0, scale = 100, d, n = 0;
    while ((d = digits(text, 1)) >= 0) {
        ms += d * scale;
        scale /= 10;
        n++;
    }
    return n ? ms : -1;
}

/* "Z" or "+02:00", in minutes east; INT32_MIN when it is neither. */
static int offset(struct span *text)
{
    if (skip(text, 'Z'))
        return 0;
    int sign = skip(text, '+') ? 1 : skip(text, '-') ? -1 : 0;
    int h = digits(text, 2);
    bool colon = skip(text, ':');
    int m = digits(text, 2);
    if (!sign || !colon || h < 0 || h > 23 || m < 0 || m > 59)
        return INT32_MIN;
    return sign * (h * 60 + m);
}

int64_t decode_time(struct span text)
{
    int year = digits(&text, 4);
    bool form = skip(&text, '-');
    int month = digits(&text, 2);
    form &= skip(&text, '-');
    int day = digits(&text, 2);
    form &= skip(&text, 'T');
    int hour = digits(&text, 2);
    form &= skip(&text, ':');
    int minute = digits(&text, 2);
    form &= skip(&text, ':');
    int second = digits(&text, 2);
    int ms = fraction(&text), east = offset(&text);
    if (!form || !is_date(year, month, day) || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
        second > 60 || ms < 0 || east == INT32_MIN || text.len)
        return -1;
    int64_t at = ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - east) * 60 + second;
    return at < 0 || at >= 10000000000 ? -1 : at * 1000 + ms; /* 13 digits, until the year 2286 */
}
