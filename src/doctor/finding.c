/* SPDX-License-Identifier: MIT
 * finding: a verdict with its cure, and how it is printed. */
#include "finding.h"

#include "tool/cmd.h"
#include "tool/json_out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 80, INDENT = 24 };

static const char *const words[] = {"ok", "warning", "wrong"};
static const char *const colors[] = {"\033[32m", "\033[33m", "\033[1;31m"};

struct finding finding_of(enum finding_verdict verdict, const char *what, const char *why)
{
    return (struct finding){.verdict = verdict, .what = what, .why = why};
}

/* ---- steps ---- */

/* A step is one line whatever is put into it. */
static void put_text(FILE *to, const char *text)
{
    for (; *text; text++)
        putc((unsigned char)*text < ' ' && *text != '\t' ? '?' : *text, to);
}

/* In single quotes, for a shell. */
static void put_quoted(FILE *to, const char *text)
{
    putc('\'', to);
    for (const char *end; (end = strchr(text, '\'')) != NULL; text = end + 1) {
        char *part = strndup(text, (size_t)(end - text));
        put_text(to, part ? part : "");
        free(part);
        fputs("'\\''", to);
    }
    put_text(to, text);
    putc('\'', to);
}

static void put_formatted(FILE *to, const char *format, va_list ap)
{
    for (; *format; format++) {
        if (*format != '%') {
            putc(*format, to);
            continue;
        }
        switch (*++format) {
        case 's': put_text(to, va_arg(ap, const char *)); break;
        case 'q': put_quoted(to, va_arg(ap, const char *)); break;
        case 'd': fprintf(to, "%d", va_arg(ap, int)); break;
        default: putc(*format, to);
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
    if (f->steps)
        fprintf(to, "%s\n", f->steps);
    va_list ap;
    va_start(ap, format);
    put_formatted(to, format, ap);
    va_end(ap);
    fclose(to);
    free(f->steps);
    f->steps = steps;
}

/* ---- printing ---- */

/* How much of the text goes on a line of so many columns: up to a blank, else behind a slash, else as it comes. */
static size_t fit_line(const char *text, size_t columns)
{
    size_t n = 0, blank = 0, slash = 0;
    for (size_t used = 0; text[n]; n++) {
        used += ((unsigned char)text[n] & 0xc0) != 0x80;
        if (used > columns)
            return blank ? blank : slash ? slash : n;
        if (text[n] == ' ')
            blank = n;
        else if (text[n] == '/' && used < columns)
            slash = n + 1;
    }
    return n;
}

/* Below each other, from column `indent` on; the first line begins where the cursor is. */
static void print_wrapped(const char *text, int indent)
{
    while (*text) {
        size_t n = fit_line(text, (size_t)(WIDTH - indent));
        cmd_print_safe((struct span){text, n}, 0);
        text += n + strspn(text + n, " ");
        putchar('\n');
        if (*text)
            printf("%*s", indent, "");
    }
}

static void print_steps(const char *steps)
{
    while (steps && *steps) {
        size_t n = strcspn(steps, "\n");
        char *step = strndup(steps, n);
        printf("%*s-> ", INDENT, "");
        if (step && strncmp(step, "by hand: ", 9) == 0) {
            print_wrapped(step, INDENT + 3);
        } else {
            cmd_print_safe((struct span){steps, n}, 0);
            putchar('\n');
        }
        free(step);
        steps += n + (steps[n] == '\n');
    }
}

static void print_finding(const struct finding *f, const char *text, bool color)
{
    printf("%s%-8s%s ", color ? colors[f->verdict] : "", words[f->verdict], color ? "\033[0m" : "");
    printf("%-14s ", f->what);
    print_wrapped(text, INDENT);
    if (f->verdict == FINDING_OK)
        return;
    if (*f->why) {
        printf("%*swhy: ", INDENT, "");
        print_wrapped(f->why, INDENT + 5);
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
