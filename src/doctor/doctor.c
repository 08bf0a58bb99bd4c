/* SPDX-License-Identifier: MIT
 * doctor: steps that know this run, and names of users and groups. */
#include "doctor.h"

#include "tool/command.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_SIZE = 4096 };

/* ---- steps ---- */

void doctor_step_run(const struct doctor *d, struct finding *f, const char *before, const char *command,
                     const char *file)
{
    char *line = command_line(d->cmd, command, file);
    if (line)
        finding_step(f, "%s%s", before, line);
    free(line);
}

void doctor_step_tool(const struct doctor *d, struct finding *f, const char *command)
{
    doctor_step_run(d, f, "", command, NULL);
}

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

void doctor_step_option(const struct config *c, struct finding *f, const char *option, const char *value, int line)
{
    char text[LINE_SIZE];
    const char *path = c->path;
    if (!*path)
        finding_step(f, "by hand: %s = %s needs a configuration file; see complycube-webhook.conf(5)", option, value);
    else if (line == 0)
        finding_step(f, "in %s add: %s = %s", path, option, value);
    else if (doctor_line(path, line, text, sizeof text) == 0 && is_alone(text, option))
        finding_step(f, "in %s:%d write: %s = %s", path, line, option, value);
    else
        finding_step(f, "by hand: in %s, line %d, change it to %s = %s", path, line, option, value);
}

void doctor_step_key(const struct config *c, struct finding *f, const char *key, const char *value)
{
    doctor_step_option(c, f, key, value, config_line(c, key));
}

/* ---- telling ---- */

static void tell_finding(struct doctor *d, struct finding *f, const char *format, va_list ap)
{
    char text[2 * PATH_MAX];
    vsnprintf(text, sizeof text, format, ap);
    d->wrong += f->verdict == FINDING_WRONG;
    finding_print(f, text, d->cmd->json ? FINDING_JSON : d->color ? FINDING_COLOR : FINDING_TEXT);
    finding_release(f);
}

void doctor_tell(struct doctor *d, struct finding *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    tell_finding(d, f, format, ap);
    va_end(ap);
}

void doctor_ok(struct doctor *d, const char *what, const char *format, ...)
{
    struct finding f = finding_of(FINDING_OK, what, "");
    va_list ap;
    va_start(ap, format);
    tell_finding(d, &f, format, ap);
    va_end(ap);
}

void doctor_failed(struct doctor *d, const struct err *e)
{
    struct finding f = finding_of(FINDING_WRONG, err_word(e->code), "");
    doctor_tell(d, &f, "%s", e->msg);
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

const char *doctor_variable(const struct doctor *d, const char *name) { return cmd_variable(d->cmd, name); }
