/* SPDX-License-Identifier: MIT
 *
 * csv: lines for spreadsheets on standard output: the first has the names, each ends in CR LF, the text is UTF-8.
 *
 * A spreadsheet takes a field that begins with = + - @, a tab or a carriage return for a formula, which may run programs
 * or send what stands beside it away. An apostrophe goes before such a beginning, also of a part after a semicolon or a
 * comma, at which some spreadsheets divide. Hidden characters are escaped as print.h does it: no field has a line's end.
 *
 * source: RFC 4180; owasp.org, "CSV Injection"
 */
#ifndef CSV_H
#define CSV_H

#include "base/span.h"

#include <stdint.h>

/* A line that is being printed; {0} before its first field. */
struct csv {
    int fields;
};

void csv_text(struct csv *c, struct span text); /* the absent span is an empty field */
void csv_number(struct csv *c, int64_t n);      /* below 0: an empty field */
void csv_time(struct csv *c, int64_t ms);       /* "2026-01-29T20:32:22.004Z"; 0: an empty field */
void csv_end(struct csv *c);

/* A line of constant names, up to a NULL. */
void csv_names(const char *const names[]);

#endif
