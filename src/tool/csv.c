/* SPDX-License-Identifier: MIT
 * csv: lines for spreadsheets. */
#include "csv.h"

#include "base/print.h"
#include "base/text.h"

#include <time.h>

static void begin_field(struct csv *c)
{
    if (c->fields++)
        print_out(",");
}

/* A word that no spreadsheet takes for anything else needs no quotes. */
static bool needs_no_quotes(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!letter && (i == 0 || (c != '-' && c != '.' && c != ':')))
            return false;
    }
    return true;
}

/* The last four are the same in full width, which spreadsheets of East Asia take, too. Tabs are escaped. */
static bool begins_formula(uint32_t code)
{
    static const uint32_t codes[] = {'=', '+', '-', '@', 0xff1d, 0xff0b, 0xff0d, 0xff20};
    size_t i = 0;
    while (i < sizeof codes / sizeof *codes && codes[i] != code)
        i++;
    return i < sizeof codes / sizeof *codes;
}

/* A spreadsheet may divide there. */
static bool divides(uint32_t code) { return code == ',' || code == ';' || code == '|'; }

void csv_text(struct csv *c, struct span text)
{
    bool first = true; /* of a part; blanks and quotes before it do not count */
    begin_field(c);
    if (needs_no_quotes(text)) {
        print_text(stdout, text, 0);
        return;
    }
    print_out("\"");
    for (size_t at = 0; at < text.len;) {
        struct text_char character = text_first((struct span){text.at + at, text.len - at});
        if (first && begins_formula(character.code))
            print_out("'");
        if (character.code == '"')
            print_out("\"");
        print_text(stdout, (struct span){text.at + at, character.len}, 0);
        first = divides(character.code) || (first && (character.code == ' ' || character.code == '"'));
        at += character.len;
    }
    print_out("\"");
}

void csv_number(struct csv *c, int64_t n)
{
    begin_field(c);
    if (n >= 0)
        print_out("%lld", (long long)n);
}

void csv_time(struct csv *c, int64_t ms)
{
    char text[32] = "";
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    begin_field(c);
    size_t n = ms > 0 && gmtime_r(&seconds, &tm) ? strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
    if (n)
        snprintf(text + n, sizeof text - n, ".%03dZ", (int)(ms % 1000));
    print_out("%s", text);
}

void csv_end(struct csv *c)
{
    print_out("\r\n");
    c->fields = 0;
}

void csv_names(const char *const names[])
{
    struct csv c = {0};
    for (size_t i = 0; names[i]; i++)
        csv_text(&c, span_of(names[i]));
    csv_end(&c);
}
