/* SPDX-License-Identifier: MIT
 * doctor: the report, and the form of a cure. */
#include "doctor.h"

#include "tool/json_out.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WIDTH = 80, INDENT = 24, LINE_SIZE = 4096 };

static const char *const words[] = {"ok", "warning", "wrong"};
static const char *const colors[] = {"\033[32m", "\033[33m", "\033[1;31m"};

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

/* Without memory the cure is left out: what is wrong is told all the same. */
void doctor_step(struct doctor *d, const char *format, ...)
{
    char *steps = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&steps, &len);
    if (!to)
        return;
    if (d->steps)
        fprintf(to, "%s\n", d->steps);
    va_list ap;
    va_start(ap, format);
    put_formatted(to, format, ap);
    va_end(ap);
    fclose(to);
    free(d->steps);
    d->steps = steps;
}

/* Does a shell find this very program by its name? */
static bool in_path(const struct doctor *d, const char *self)
{
    char path[PATH_MAX];
    struct stat mine, found;
    const char *at = doctor_variable(d, "PATH");
    while (at && *at && stat(self, &mine) == 0) {
        size_t n = strcspn(at, ":");
        if (snprintf(path, sizeof path, "%.*s/complycube-inbox", (int)n, at) < (int)sizeof path &&
            stat(path, &found) == 0)
            return found.st_dev == mine.st_dev && found.st_ino == mine.st_ino;
        at += n + (at[n] == ':');
    }
    return false;
}

void doctor_step_run(struct doctor *d, const char *before, const char *command, const char *file)
{
    char self[PATH_MAX], format[40];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    bool named = d->cmd->config_file || (d->cmd->env->config && *d->cmd->env->config);
    const char *config = d->config ? d->config->path : d->cmd->config_file ? d->cmd->config_file : "";
    bool plain = n <= 0 || in_path(d, self);
    named = named && *config;
    snprintf(format, sizeof format, "%%s%s%s %%s%s", plain ? "%s" : "%q", named ? " -c %q" : "%s", file ? " %q" : "");
    doctor_step(d, format, before, plain ? "complycube-inbox" : self, named ? config : "", command, file);
}

void doctor_step_tool(struct doctor *d, const char *command) { doctor_step_run(d, "", command, NULL); }

int doctor_line(const char *path, int line, char *text, size_t size)
{
    struct buf raw = {0};
    struct stat st;
    int result = -1;
    if (line > 0 && files_read_text(path, &raw, &st, NULL) == 0) {
        const char *at = raw.at;
        for (int i = 1; at && i < line; i++) {
            at = strchr(at, '\n');
            at += at != NULL;
        }
        if (at)
            at += strspn(at, " \t");
        size_t n = at ? strcspn(at, "\n") : 0;
        if (at && (*at || at > raw.at) && snprintf(text, size, "%.*s", (int)n, at) < (int)size)
            result = 0;
    }
    buf_release(&raw);
    return result;
}

/* Is the whole line "KEY = VALUE"? Counting is enough: what looks otherwise is left to a person. */
static bool is_alone(const char *text, const char *key)
{
    size_t n = strlen(key), equals = 0, open = 0, close = 0, quotes = 0;
    if (strncmp(text, key, n) != 0 || !strchr(" \t=", text[n]))
        return false;
    for (const char *c = text; *c && *c != '#'; c++) {
        equals += *c == '=';
        open += *c == '{';
        close += *c == '}';
        quotes += *c == '"';
    }
    return equals == 1 && open == close && quotes % 2 == 0;
}

void doctor_step_key(struct doctor *d, const char *key, const char *value, int line)
{
    char text[LINE_SIZE];
    const char *path = d->config ? d->config->path : "";
    if (!*path)
        doctor_step(d, "by hand: %s = %s needs a configuration file; see complycube-webhook.conf(5)", key, value);
    else if (line == 0)
        doctor_step(d, "in %s add: %s = %s", path, key, value);
    else if (doctor_line(path, line, text, sizeof text) == 0 && is_alone(text, key))
        doctor_step(d, "in %s:%d write: %s = %s", path, line, key, value);
    else
        doctor_step(d, "by hand: in %s, line %d, change it to %s = %s", path, line, key, value);
}

/* ---- telling ---- */

/* How much of the text goes on a line of so many columns: up to a blank, else behind a slash, else as it comes. */
static size_t fit(const char *text, size_t columns)
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
        size_t n = fit(text, (size_t)(WIDTH - indent));
        cmd_print_text((struct span){text, n}, 0);
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
            cmd_print_text((struct span){steps, n}, 0);
            putchar('\n');
        }
        free(step);
        steps += n + (steps[n] == '\n');
    }
}

static void print_finding(const struct doctor *d, enum doctor_verdict v, const char *what, const char *why,
                          const char *text)
{
    printf("%s%-8s%s ", d->color ? colors[v] : "", words[v], d->color ? "\033[0m" : "");
    printf("%-14s ", what);
    print_wrapped(text, INDENT);
    if (v == DOCTOR_OK)
        return;
    if (*why) {
        printf("%*swhy: ", INDENT, "");
        print_wrapped(why, INDENT + 5);
    }
    print_steps(d->steps);
}

static void print_json(const struct doctor *d, enum doctor_verdict v, const char *what, const char *why,
                       const char *text)
{
    bool ok = v == DOCTOR_OK;
    struct json_out *j = json_out_new();
    json_out_number(j, "schema", 1);
    json_out_text(j, "verdict", span_of(words[v]));
    json_out_text(j, "what", span_of(what));
    json_out_text(j, "finding", span_of(text));
    json_out_text(j, "why", !ok && *why ? span_of(why) : (struct span){0});
    json_out_text(j, "cure", !ok && d->steps ? span_of(d->steps) : (struct span){0});
    json_out_end(j);
}

void doctor_find(struct doctor *d, enum doctor_verdict verdict, const char *what, const char *why, const char *format,
                 ...)
{
    char text[2 * PATH_MAX];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    d->wrong += verdict == DOCTOR_WRONG;
    if (d->cmd->json)
        print_json(d, verdict, what, why, text);
    else
        print_finding(d, verdict, what, why, text);
    free(d->steps);
    d->steps = NULL;
}

/* ---- names ---- */

const char *doctor_owner(uid_t uid, char *out)
{
    const struct passwd *p = getpwuid(uid);
    snprintf(out, 40, "%.39s", p ? p->pw_name : "");
    if (!p)
        snprintf(out, 40, "%u", (unsigned)uid);
    return out;
}

const char *doctor_group(gid_t gid, char *out)
{
    const struct group *g = getgrgid(gid);
    snprintf(out, 40, "%.39s", g ? g->gr_name : "");
    if (!g)
        snprintf(out, 40, "%u", (unsigned)gid);
    return out;
}

const char *doctor_variable(const struct doctor *d, const char *name)
{
    size_t n = strlen(name);
    for (char *const *v = d->cmd->environment; v && *v; v++)
        if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
            return *v + n + 1;
    return NULL;
}
