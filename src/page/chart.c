/* SPDX-License-Identifier: MIT
 * chart: bars by the hour, and a time line. */
#include "chart.h"

#include "words.h"

enum { LEFT = 48, TOP = 10, STEP = 19, HIGH = 150, WIDTH = LEFT + CHART_HOURS * STEP + 4, LINES = 4 };
enum { LANE_LEFT = 190, LANE_WIDE = 730, LANE_STEP = 26, LANE_FOOT = 24, LANE_MARGIN = 12 };

static const char *const kinds[CHART_KINDS] = {"New events", "Delivered again", "Set aside", "Refused or failed"};

const char *chart_kind(int kind) { return kinds[kind]; }

static void write_class(struct html *h, int kind)
{
    html_lit(h, " class=\"b");
    html_value(h, kind + 1);
    html_lit(h, "\"");
}

/* NAME="N" for a literal name. */
#define WRITE_NUMBER(h, name, n) (html_lit(h, " " name "=\""), html_value(h, n), html_lit(h, "\""))

/* What a line has after its class, and the label at its left end up to its text. */
static void write_labelled_line(struct html *h, int64_t left, int64_t right, int64_t y, int64_t label)
{
    WRITE_NUMBER(h, "x1", left);
    WRITE_NUMBER(h, "x2", right);
    WRITE_NUMBER(h, "y1", y);
    WRITE_NUMBER(h, "y2", y);
    html_lit(h, "/><text text-anchor=\"end\"");
    WRITE_NUMBER(h, "x", label);
    WRITE_NUMBER(h, "y", y + 4);
    html_lit(h, ">");
}

static int64_t sum_of(const struct chart_hour *hour)
{
    int64_t sum = 0;
    for (int k = 0; k < CHART_KINDS; k++)
        sum += hour->n[k];
    return sum;
}

/* The distance of the lines, one of 1, 2, 5, 10 ..., so that at most LINES of them reach the highest bar. */
static int64_t distance_for(int64_t highest)
{
    int64_t distance = 1;
    for (int i = 0; distance * LINES < highest && distance < INT64_MAX / 10; i++)
        distance = i % 3 == 1 ? distance / 2 * 5 : distance * 2;
    return distance;
}

static void write_grid(struct html *h, int64_t distance, int64_t top)
{
    for (int64_t n = 0; n <= top; n += distance) {
        int64_t y = TOP + HIGH - n * HIGH / top;
        html_lit(h, "<line class=\"grid\"");
        write_labelled_line(h, LEFT, WIDTH, y, LEFT - 6);
        html_number(h, n);
        html_lit(h, "</text>");
    }
}

static void write_bar(struct html *h, const struct chart_hour *hour, int i, int64_t top)
{
    int64_t below = 0, sum = sum_of(hour);
    if (!sum)
        return;
    html_lit(h, "<g><title>");
    html_date(h, hour->start_ms);
    for (int k = 0; k < CHART_KINDS; k++)
        if (hour->n[k]) {
            html_lit(h, ", ");
            html_text(h, span_of(kinds[k]));
            html_lit(h, ": ");
            html_number(h, hour->n[k]);
        }
    html_lit(h, "</title>");
    for (int k = 0; k < CHART_KINDS; k++) {
        int64_t from = below * HIGH / top, to = (below + hour->n[k]) * HIGH / top;
        if (hour->n[k] && to == from)
            to++; /* one of thousands is seen, too */
        below += hour->n[k];
        if (to == from)
            continue;
        html_lit(h, "<rect");
        write_class(h, k);
        WRITE_NUMBER(h, "x", LEFT + i * STEP + 3);
        WRITE_NUMBER(h, "y", TOP + HIGH - to);
        WRITE_NUMBER(h, "width", STEP - 5);
        WRITE_NUMBER(h, "height", to - from);
        html_lit(h, "/>");
    }
    html_lit(h, "</g>\n");
}

static void write_hours(struct html *h, const struct chart_hour hour[])
{
    for (int i = 0; i < CHART_HOURS; i += 6) {
        html_lit(h, "<text");
        WRITE_NUMBER(h, "x", LEFT + i * STEP + 3);
        WRITE_NUMBER(h, "y", TOP + HIGH + 18);
        html_lit(h, ">");
        html_hour(h, hour[i].start_ms);
        html_lit(h, "</text>");
    }
}

static void write_colours(struct html *h)
{
    html_lit(h, "<ul class=\"key\">");
    for (int k = 0; k < CHART_KINDS; k++) {
        html_lit(h, "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect width=\"10\" height=\"10\"");
        write_class(h, k);
        html_lit(h, "/></svg>");
        html_text(h, span_of(kinds[k]));
        html_lit(h, "</li>");
    }
    html_lit(h, "</ul>\n");
}

static void write_table(struct html *h, const struct chart_hour hour[], int64_t now_ms)
{
    html_lit(h,
             "<details><summary>The same figures as a table</summary><table><thead><tr><th scope=\"col\">From</th>");
    for (int k = 0; k < CHART_KINDS; k++) {
        html_lit(h, "<th scope=\"col\" class=\"n\">");
        html_text(h, span_of(kinds[k]));
        html_lit(h, "</th>");
    }
    html_lit(h, "</tr></thead><tbody>\n");
    for (int i = CHART_HOURS - 1; i >= 0; i--) {
        if (!sum_of(&hour[i]))
            continue;
        html_lit(h, "<tr><td>");
        html_time(h, hour[i].start_ms, now_ms);
        html_lit(h, "</td>");
        for (int k = 0; k < CHART_KINDS; k++) {
            html_lit(h, "<td class=\"n\">");
            html_number(h, hour[i].n[k]);
            html_lit(h, "</td>");
        }
        html_lit(h, "</tr>\n");
    }
    html_lit(h, "</tbody></table><p>Hours in which nothing came are left out.</p></details>\n");
}

void chart_hours(struct html *h, const struct chart_hour hour[CHART_HOURS], int64_t now_ms)
{
    int64_t highest = 0, total = 0;
    for (int i = 0; i < CHART_HOURS; i++) {
        int64_t sum = sum_of(&hour[i]);
        highest = sum > highest ? sum : highest;
        total += sum;
    }
    if (highest <= 0) {
        html_lit(h, "<p>Nothing came in the last 48 hours.</p>\n");
        return;
    }
    int64_t distance = distance_for(highest), top = (highest + distance - 1) / distance * distance;
    html_lit(h, "<div class=\"chart\" tabindex=\"0\" role=\"group\" aria-label=\"Chart\"><svg role=\"img\" "
                "aria-labelledby=\"chart-title chart-desc\" viewBox=\"0 0 ");
    html_value(h, WIDTH);
    html_lit(h, " ");
    html_value(h, TOP + HIGH + 26);
    html_lit(
        h, "\"><title id=\"chart-title\">Deliveries by the hour, the last 48 hours</title><desc id=\"chart-desc\">");
    html_number(h, total);
    html_lit(h, " in all, ");
    html_number(h, highest);
    html_lit(h, " in the busiest hour</desc>");
    write_grid(h, distance, top);
    for (int i = 0; i < CHART_HOURS; i++)
        write_bar(h, &hour[i], i, top);
    write_hours(h, hour);
    html_lit(h, "</svg></div>\n");
    write_colours(h);
    write_table(h, hour, now_ms);
}

/* ---- a time line ---- */

static void write_lane(struct html *h, const struct chart_lane *of, int lane)
{
    int y = TOP + lane * LANE_STEP + LANE_STEP / 2;
    html_lit(h, "<line class=\"lane\"");
    write_labelled_line(h, LANE_LEFT, LANE_LEFT + LANE_WIDE, y, LANE_LEFT - 10);
    words_of(h, of->type.len < 20 ? of->type : (struct span){of->type.at, 20});
    html_lit(h, " ");
    words_id(h, of->id.len < 30 ? of->id : (struct span){of->id.at, 30});
    html_lit(h, "</text>\n");
}

static void write_dot(struct html *h, const struct chart_dot *dot, int64_t first_ms, int64_t wide_ms)
{
    html_lit(h, "<circle r=\"7\"");
    html_lit(h, " class=\"dot b");
    html_value(h, dot->kind);
    html_lit(h, "\"");
    WRITE_NUMBER(h, "cx",
                 LANE_LEFT + LANE_MARGIN + (dot->at_ms - first_ms) * (LANE_WIDE - 2 * LANE_MARGIN) / wide_ms);
    WRITE_NUMBER(h, "cy", TOP + dot->lane * LANE_STEP + LANE_STEP / 2);
    html_lit(h, "><title>");
    html_date(h, dot->at_ms);
    html_lit(h, ": ");
    words_type(h, dot->type);
    html_lit(h, "</title></circle>\n");
}

static void write_ends(struct html *h, int64_t first_ms, int64_t last_ms, int y)
{
    html_lit(h, "<text");
    WRITE_NUMBER(h, "x", LANE_LEFT);
    WRITE_NUMBER(h, "y", y);
    html_lit(h, ">");
    html_date(h, first_ms);
    html_lit(h, "</text><text text-anchor=\"end\"");
    WRITE_NUMBER(h, "x", LANE_LEFT + LANE_WIDE);
    WRITE_NUMBER(h, "y", y);
    html_lit(h, ">");
    html_date(h, last_ms);
    html_lit(h, "</text>");
}

void chart_time_line(struct html *h, const struct chart_line *line)
{
    int64_t first_ms = INT64_MAX, last_ms = INT64_MIN;
    for (size_t i = 0; i < line->n_dots; i++) {
        first_ms = line->dot[i].at_ms < first_ms ? line->dot[i].at_ms : first_ms;
        last_ms = line->dot[i].at_ms > last_ms ? line->dot[i].at_ms : last_ms;
    }
    if (!line->n_dots)
        return;
    int foot = TOP + line->n_lanes * LANE_STEP;
    html_lit(h, "<div class=\"chart\" tabindex=\"0\" role=\"group\" aria-label=\"Time line\"><svg role=\"img\" "
                "aria-labelledby=\"line-title\" viewBox=\"0 0 ");
    html_value(h, LANE_LEFT + LANE_WIDE + 4);
    html_lit(h, " ");
    html_value(h, foot + LANE_FOOT);
    html_lit(h, "\"><title id=\"line-title\">What happened, by time: the table below has the same</title>");
    for (int i = 0; i < line->n_lanes; i++)
        write_lane(h, &line->lane[i], i);
    for (size_t i = 0; i < line->n_dots; i++)
        write_dot(h, &line->dot[i], first_ms, last_ms > first_ms ? last_ms - first_ms : 1);
    write_ends(h, first_ms, last_ms, foot + 16);
    html_lit(h, "</svg></div>\n");
}
