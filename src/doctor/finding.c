/* SPDX-License-Identifier: MIT
 * finding: a verdict with its cure, and how it is printed. */
#include "finding.h"

#include "base/print.h"
#include "tool/cmd.h"
#include "tool/json_out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { INDENT = 24 };

static const char *const words[] = {"ok", "warning", "wrong"};
static const char *const colors[] = {"\033[32m", "\033[33m", "\033[1;31m"};

struct finding finding_of(enum finding_verdict verdict, const char *what, const char *why)
{
    return (struct finding){.verdict = verdict, .what = what, .why = why};
}

/* ---- steps ---- */

static void put_formatted(FILE *to, const char *format, va_list ap)
{
    for (; *format; format++) {
        if (*format != '%') {
            print_bytes(to, (struct span){format, 1});
            continue;
        }
        switch (*++format) {
        case 's': print_to(to, "%s", va_arg(ap, const char *)); break;
        case 'q': print_quoted(to, va_arg(ap, const char *)); break;
        case 'w': print_word(to, va_arg(ap, const char *)); break;
        case 'd': print_to(to, "%d", va_arg(ap, int)); break;
        default: print_bytes(to, (struct span){format, 1});
        }
    }
}

/* Without memory the step is left out: what is wrong is told all the same. */
void finding_step(struct finding *f, const char *format, ...)
{
    char *steps = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&steps, &len);
    if (!to)
        return;
    if (f->steps) {
        print_bytes(to, span_of(f->steps));
        print_bytes(to, span_of("\n"));
    }
    va_list ap;
    va_start(ap, format);
    put_formatted(to, format, ap);
    va_end(ap);
    fclose(to);
    free(f->steps);
    f->steps = steps;
}

/* ---- printing ---- */

static void print_steps(const char *steps)
{
    while (steps && *steps) {
        size_t n = strcspn(steps, "\n");
        print_out("%*s-> ", INDENT, "");
        if (strncmp(steps, "by hand: ", 9) == 0)
            print_wrapped(stdout, (struct span){steps, n}, INDENT + 3);
        else
            print_text(stdout, (struct span){steps, n}, 0);
        print_out("\n");
        steps += n + (steps[n] == '\n');
    }
}

static void print_finding(const struct finding *f, const char *text, bool color)
{
    print_bytes(stdout, span_of(color ? colors[f->verdict] : ""));
    print_out("%-8s", words[f->verdict]);
    print_bytes(stdout, span_of(color ? "\033[0m" : ""));
    print_out(" %-14s ", f->what);
    print_wrapped(stdout, span_of(text), INDENT);
    print_out("\n");
    if (f->verdict == FINDING_OK)
        return;
    if (*f->why) {
        print_out("%*swhy: ", INDENT, "");
        print_wrapped(stdout, span_of(f->why), INDENT + 5);
        print_out("\n");
    }
    print_steps(f->steps);
}

static void print_finding_json(const struct finding *f, const char *text)
{
    bool ok = f->verdict == FINDING_OK;
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "verdict", span_of(words[f->verdict]));
    json_out_text(j, "what", span_of(f->what));
    json_out_text(j, "finding", span_of(text));
    json_out_text(j, "why", !ok && *f->why ? span_of(f->why) : (struct span){0});
    json_out_text(j, "cure", !ok && f->steps ? span_of(f->steps) : (struct span){0});
    json_out_print(j);
}

void finding_print(const struct finding *f, const char *text, enum finding_form form)
{
    if (form == FINDING_JSON)
        print_finding_json(f, text);
    else
        print_finding(f, text, form == FINDING_COLOR);
}

void finding_release(struct finding *f)
{
    free(f->steps);
    f->steps = NULL;
}
