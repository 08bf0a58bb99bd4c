/* SPDX-License-Identifier: MIT
 * event_row: an event as a line. */
#include "event_row.h"

#include "base/print.h"
#include "base/when.h"
#include "csv.h"
#include "json_out.h"

#include <time.h>

enum { WAITING = 0, DONE = 1, MINUTE_MS = 60000 };

static void put_time_if(struct json_out *j, const char *name, bool known, int64_t ms)
{
    if (known)
        json_out_number(j, name, ms);
    else
        json_out_null(j, name);
}

static void print_row_json(const struct store_event *v)
{
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_number(j, "seq", v->seq);
    json_out_text(j, "endpoint", v->endpoint);
    json_out_text(j, "event_id", v->id);
    json_out_text(j, "type", v->type);
    json_out_text(j, "resource_type", v->resource_type);
    json_out_text(j, "resource_id", v->resource_id);
    json_out_text(j, "created_at", v->created_at);
    json_out_number(j, "received_ms", v->received_ms);
    json_out_text(j, "state", span_of(cmd_state_word(v->state)));
    json_out_number(j, "attempts", v->attempts);
    put_time_if(j, "due_ms", v->state == WAITING, v->due_ms);
    put_time_if(j, "done_ms", v->state == DONE && v->done_ms, v->done_ms);
    json_out_bool(j, "superseded", v->superseded);
    json_out_print(j);
}

void event_row_print_names(void)
{
    static const char *const names[] = {"seq",         "endpoint",   "event_id",    "type",  "resource_type",
                                        "resource_id", "created_at", "received_at", "state", "attempts",
                                        "due_at",      "done_at",    "superseded",  NULL};
    csv_names(names);
}

static void print_row_csv(const struct store_event *v)
{
    struct csv c = {0};
    csv_number(&c, v->seq);
    csv_text(&c, v->endpoint);
    csv_text(&c, v->id);
    csv_text(&c, v->type);
    csv_text(&c, v->resource_type);
    csv_text(&c, v->resource_id);
    csv_text(&c, v->created_at);
    csv_time(&c, v->received_ms);
    csv_text(&c, span_of(cmd_state_word(v->state)));
    csv_number(&c, v->attempts);
    csv_time(&c, v->state == WAITING ? v->due_ms : 0);
    csv_time(&c, v->state == DONE ? v->done_ms : 0);
    csv_text(&c, span_of(v->superseded ? "yes" : "no"));
    csv_end(&c);
}

/* "01-29 20:32", of another year "2025-01-29". */
static void print_short(int64_t ms, int64_t now_ms)
{
    char text[16] = "-";
    time_t then = (time_t)(ms / 1000), now = (time_t)(now_ms / 1000);
    struct tm a, b;
    if (localtime_r(&then, &a) && localtime_r(&now, &b))
        strftime(text, sizeof text, a.tm_year == b.tm_year ? "%m-%d %H:%M" : "%Y-%m-%d", &a);
    print_out("%-11s", text);
}

static void print_due(const struct store_event *v, int64_t now_ms)
{
    char age[24], text[32] = "-";
    if (v->state == WAITING && v->due_ms <= now_ms)
        snprintf(text, sizeof text, "now");
    else if (v->state == WAITING)
        snprintf(text, sizeof text, "in %s", when_age(v->due_ms - now_ms, age));
    print_out("%-6s", text);
}

static void print_next_try(int64_t in_ms)
{
    int64_t minutes = in_ms < MINUTE_MS ? 1 : in_ms / MINUTE_MS;
    bool hours = minutes >= 120;
    print_out("%8snext try in %lld %s\n", "", (long long)(hours ? minutes / 60 : minutes), hours ? "h" : "min");
}

/* A line below a waiting event whose due time is ahead: why it is. */
static void print_note(const struct event_row *r, const struct store_event *v)
{
    char until[WHEN_TIME];
    if (v->state != WAITING || v->due_ms <= r->now_ms)
        return;
    if (v->claimed) {
        print_out("%8sclaimed by ", "");
        print_text(stdout, v->owner.at ? v->owner : span_of("an unknown worker"), 0);
        print_out(" until %s\n", when_time(v->due_ms, until));
    } else
        print_next_try(v->due_ms - r->now_ms);
}

static void print_narrow(const struct event_row *r, const struct store_event *v)
{
    if (r->rows == 0)
        print_out("%6s  %-11s  %-7s  %5s  %-6s  %-8s  %s\n", "SEQ", "RECEIVED", "STATE", "TRIES", "DUE", "ENDPOINT",
                  "TYPE");
    print_out("%6lld  ", (long long)v->seq);
    print_short(v->received_ms, r->now_ms);
    print_out("  %-7s  %5lld  ", cmd_state_word(v->state), (long long)v->attempts);
    print_due(v, r->now_ms);
    print_out("  ");
    print_text(stdout, v->endpoint, 8);
    print_out("  ");
    print_text(stdout, v->type, 0);
    print_out("\n");
    if (r->notes)
        print_note(r, v);
}

static void print_wide(const struct event_row *r, const struct store_event *v)
{
    char received[32], due[32];
    if (r->rows == 0)
        print_out("%6s  %-25s  %-7s  %5s  %-25s  %-8s  %-25s  %-24s  %s\n", "SEQ", "RECEIVED", "STATE", "TRIES",
                  "DUE", "ENDPOINT", "TYPE", "EVENT ID", "RESOURCE ID");
    print_out("%6lld  %s  %-7s  %5lld  %-25s  ", (long long)v->seq, when_time(v->received_ms, received),
              cmd_state_word(v->state), (long long)v->attempts, when_time(v->state == WAITING ? v->due_ms : 0, due));
    print_text(stdout, v->endpoint, 8);
    print_out("  ");
    print_text(stdout, v->type, 25);
    print_out("  ");
    print_text(stdout, v->id, 24);
    print_out("  ");
    print_text(stdout, v->resource_id.at ? v->resource_id : span_of("-"), 0);
    print_out("\n");
}

void event_row_print(void *row, const struct store_event *v)
{
    struct event_row *r = row;
    if (r->json)
        print_row_json(v);
    else if (r->csv)
        print_row_csv(v);
    else if (r->wide)
        print_wide(r, v);
    else
        print_narrow(r, v);
    r->rows++;
}
