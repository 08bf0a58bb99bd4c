/* SPDX-License-Identifier: MIT
 *
 * html: a page as it is written, in which foreign text cannot become markup.
 *
 * Markup is a string literal, and nothing else compiles. Every other text goes through html_text, which writes what HTML
 * reads as characters of a text or of a quoted attribute, whatever the bytes are. The buffer has a limit: what exceeds it
 * is left out, and `failed` reports it.
 *
 * source: HTML Standard, 13.1.2.3 (attributes) and 13.5 (named character references)
 */
#ifndef HTML_H
#define HTML_H

#include "base/buf.h"
#include "base/span.h"

#include <stdint.h>

enum { HTML_MAX = 4 << 20 /* bytes of a page */ };

struct html {
    struct buf out;
    bool failed; /* the limit is reached, or memory is out: nothing more is written */
};

/* Markup of our own. The parameter is a string literal: anything else does not compile. */
#define html_lit(h, literal) html_lit_((h), "" literal "", sizeof(literal) - 1)
void html_lit_(struct html *h, const char *text, size_t n); /* for the macro alone */

/*
 * A text, in an element or in an attribute between double quotes: & < > " ' as references; what nobody sees, what turns the
 * direction of a text and broken UTF-8 as U+FFFD. A newline stays.
 */
void html_text(struct html *h, struct span foreign);
void html_cut_text(struct html *h, struct span foreign, size_t bytes); /* at most `bytes` of it, then "..." */

/* A number with narrow spaces between its thousands: 41 020; and as the value of an attribute: 41020. */
void html_number(struct html *h, int64_t n);
void html_value(struct html *h, int64_t n);

/* How long: "3 min", "2 h 5 min", "4 days". */
void html_span(struct html *h, int64_t ms);

/*
 * A moment as <time datetime="..."> in the host's time zone: "today 14:03:11", "yesterday 09:12", or the date.
 * "-" for 0.
 */
void html_time(struct html *h, int64_t ms, int64_t now_ms);
void html_date(struct html *h, int64_t ms);     /* "2026-11-30 14:03", as text of a <title> or an attribute */
void html_hour(struct html *h, int64_t ms);     /* "14:00" */
void html_zone(struct html *h, int64_t now_ms); /* "CET (UTC+01:00)" */

/* NAME=VALUE of a query inside href="?...": percent-encoded. */
void html_query(struct html *h, const char *name, struct span value);

void html_release(struct html *h);

#endif
