/* SPDX-License-Identifier: MIT
 * html: a page as it is written. */
#include "html.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

void html_lit_(struct html *h, const char *text, size_t n)
{
    if (h->failed || !n)
        return;
    h->failed = buf_room(&h->out, n, HTML_MAX) < n;
    if (h->failed)
        return;
    memcpy(h->out.at + h->out.len, text, n);
    h->out.len += n;
}

/* For characters that are no markup: digits, and letters of ours. */
static void write_plain(struct html *h, const char *text) { html_lit_(h, text, strlen(text)); }

static void write_char(struct html *h, struct span c, const struct text_char *first)
{
    switch (first->code) {
    case '&': html_lit(h, "&amp;"); break;
    case '<': html_lit(h, "&lt;"); break;
    case '>': html_lit(h, "&gt;"); break;
    case '"': html_lit(h, "&quot;"); break;
    case '\'': html_lit(h, "&#39;"); break;
    case '\n': html_lit(h, "\n"); break;
    default:
        if (first->hidden)
            html_lit(h, "\xef\xbf\xbd");
        else
            html_lit_(h, c.at, first->len);
    }
}

void html_cut_text(struct html *h, struct span t, size_t bytes)
{
    const char *end = t.at + (t.len < bytes ? t.len : bytes);
    bool more = t.len > bytes;
    while (t.at < end) {
        struct text_char first = text_first(t);
        write_char(h, t, &first);
        t.at += first.len;
        t.len -= first.len;
    }
    if (more && t.len)
        html_lit(h, "\xe2\x80\xa6");
}

void html_text(struct html *h, struct span foreign) { html_cut_text(h, foreign, foreign.len); }

void html_value(struct html *h, int64_t n)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)n);
    write_plain(h, digits);
}

void html_number(struct html *h, int64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)n);
    for (int i = 0; i < len; i++) {
        html_lit_(h, &digits[i], 1);
        if (i < len - 1 && (len - 1 - i) % 3 == 0 && digits[i] != '-')
            html_lit(h, "\xe2\x80\xaf");
    }
}

static void write_unit(struct html *h, int64_t n, const char *one, const char *many)
{
    html_value(h, n);
    html_lit(h, "\xc2\xa0");
    write_plain(h, n == 1 ? one : many);
}

void html_span(struct html *h, int64_t ms)
{
    if (ms < 0)
        ms = 0;
    if (ms < MINUTE_MS) {
        write_unit(h, ms / 1000, "s", "s");
    } else if (ms < HOUR_MS) {
        write_unit(h, ms / MINUTE_MS, "min", "min");
    } else if (ms < 2 * DAY_MS) {
        write_unit(h, ms / HOUR_MS, "h", "h");
        if (ms % HOUR_MS >= MINUTE_MS) {
            html_lit(h, " ");
            write_unit(h, ms % HOUR_MS / MINUTE_MS, "min", "min");
        }
    } else {
        write_unit(h, ms / DAY_MS, "day", "days");
    }
}

/* A time that no calendar has is the Epoch. */
static struct tm local_of(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm = {0};
    if (!localtime_r(&seconds, &tm))
        localtime_r(&(time_t){0}, &tm);
    return tm;
}

static void write_moment(struct html *h, const struct tm *tm, const char *format)
{
    char text[64];
    if (strftime(text, sizeof text, format, tm))
        write_plain(h, text);
}

static void write_offset(struct html *h, const struct tm *tm)
{
    long minutes = tm->tm_gmtoff / 60, size = labs(minutes);
    char text[16];
    snprintf(text, sizeof text, "%c%02ld:%02ld", minutes < 0 ? '-' : '+', size / 60 % 100, size % 60);
    write_plain(h, text);
}

static bool is_same_day(const struct tm *a, const struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_yday == b->tm_yday;
}

/* At noon, which each day has: those on which the clocks change have 23 or 25 hours. */
static struct tm day_before(struct tm day)
{
    day.tm_mday--;
    day.tm_hour = 12;
    day.tm_isdst = -1;
    (void)mktime(&day);
    return day;
}

void html_time(struct html *h, int64_t ms, int64_t now_ms)
{
    if (!ms) {
        html_lit(h, "-");
        return;
    }
    struct tm at = local_of(ms), now = local_of(now_ms), before = day_before(now);
    html_lit(h, "<time datetime=\"");
    write_moment(h, &at, "%Y-%m-%dT%H:%M:%S");
    write_offset(h, &at);
    html_lit(h, "\">");
    if (is_same_day(&at, &now))
        write_moment(h, &at, "today\xc2\xa0%H:%M:%S");
    else if (is_same_day(&at, &before))
        write_moment(h, &at, "yesterday\xc2\xa0%H:%M:%S");
    else
        write_moment(h, &at, "%Y-%m-%d\xc2\xa0%H:%M:%S");
    html_lit(h, "</time>");
}

void html_date(struct html *h, int64_t ms)
{
    struct tm at = local_of(ms);
    write_moment(h, &at, "%Y-%m-%d\xc2\xa0%H:%M");
}

void html_hour(struct html *h, int64_t ms)
{
    struct tm at = local_of(ms);
    write_moment(h, &at, "%H:%M");
}

void html_zone(struct html *h, int64_t now_ms)
{
    struct tm now = local_of(now_ms);
    html_text(h, span_of(now.tm_zone));
    html_lit(h, " (UTC");
    write_offset(h, &now);
    html_lit(h, ")");
}

void html_query(struct html *h, const char *name, struct span value)
{
    write_plain(h, name);
    html_lit(h, "=");
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                     c == '.' || c == '_';
        char code[4];
        if (plain)
            html_lit_(h, &value.at[i], 1);
        else if (snprintf(code, sizeof code, "%%%02X", c) == 3)
            write_plain(h, code);
    }
}

void html_release(struct html *h)
{
    buf_release(&h->out);
    *h = (struct html){.failed = false};
}
