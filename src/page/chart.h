/* SPDX-License-Identifier: MIT
 *
 * chart: figures as a drawing, in SVG inside the page, made of elements with classes and numbers; and as a table.
 */
#ifndef CHART_H
#define CHART_H

#include "html.h"

enum { CHART_HOURS = 48, CHART_KINDS = 4 };

/* What came in an hour: new, again, set aside, refused. */
struct chart_hour {
    int64_t start_ms, n[CHART_KINDS];
};

/* The words of a kind: "New events". Static. */
const char *chart_kind(int kind);

/* Bars, an hour each, with their key and the same figures as a table. */
void chart_hours(struct html *h, const struct chart_hour hour[CHART_HOURS], int64_t now_ms);

/* A time line: a lane for each thing, a dot for each event. Foreign text is fine. */
enum { CHART_LANES = 24, CHART_DOTS = 500 };
struct chart_dot {
    int lane, kind; /* kind: of the key's colours, 1 to 4 */
    int64_t at_ms;
    struct span type; /* of the event */
};
struct chart_lane {
    struct span type, id;
};
struct chart_line {
    struct chart_lane lane[CHART_LANES];
    int n_lanes;
    const struct chart_dot *dot; /* n_dots of them */
    size_t n_dots;
};
void chart_time_line(struct html *h, const struct chart_line *line);

#endif
