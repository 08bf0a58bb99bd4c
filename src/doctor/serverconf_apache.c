/* SPDX-License-Identifier: MIT
 * serverconf_apache: Apache's syntax. A section that tests for a module that is not loaded is left out. */
#include "serverconf_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Apache: a directive a line ---- */

/* The next word of a line, its quotes taken off, moving on. */
static bool next_apache_word(const char **at, struct serverconf_text *word)
{
    const char *c = *at + strspn(*at, " \t");
    char quote = *c == '"' || *c == '\'' ? *c : '\0';
    word->len = 0;
    *word->at = '\0';
    if (!*c)
        return false;
    for (c += quote != '\0'; *c && (quote ? *c != quote : *c != ' ' && *c != '\t'); c++)
        serverconf_put(word, c, 1);
    *at = c + (*c != '\0');
    return true;
}

static void expand(const struct serverconf *s, const char *from, struct serverconf_text *out)
{
    out->len = 0;
    *out->at = '\0';
    for (const char *c = from; *c;) {
        size_t n = strncmp(c, "${", 2) == 0 ? strcspn(c + 2, "}") : 0;
        const char *value = n && c[2 + n] == '}' ? serverconf_value(s, c + 2, n) : NULL;
        serverconf_put(out, value ? value : c, value ? strlen(value) : 1);
        c += value ? n + 3 : 1;
    }
}

/* The line at hand, with those that a backslash joins to it, without leading blanks; moves on. */
static bool apache_line(struct serverconf_reader *r, struct serverconf_text *out, int *first)
{
    out->len = 0;
    *out->at = '\0';
    *first = r->line;
    if (!*r->at)
        return false;
    for (bool joined = true; joined && *r->at; r->line++) {
        size_t n = strcspn(r->at, "\n");
        joined = n > 0 && r->at[n - 1] == '\\';
        const char *from = r->at;
        size_t skip = out->len == 0 ? strspn(from, " \t") : 0;
        if (skip < n)
            serverconf_put(out, from + skip, n - skip - joined);
        r->at += n + (r->at[n] == '\n');
    }
    while (out->len && isspace((unsigned char)out->at[out->len - 1]))
        out->at[--out->len] = '\0';
    return true;
}

/* Is a module loaded that stands as "mod_NAME.c" or "NAME_module"? *any: a piece of a configuration loads none. */
static bool loads(const struct serverconf *s, const char *module, bool *any)
{
    char name[80];
    size_t n = strncmp(module, "mod_", 4) == 0 ? strcspn(module + 4, ".") : 0;
    if (n)
        snprintf(name, sizeof name, "%.*s_module", (int)(n < 64 ? n : 64), module + 4);
    else
        snprintf(name, sizeof name, "%.*s", (int)strcspn(module, " ."), module);
    *any = false;
    for (size_t i = 0; i < s->n; i++)
        if (strcasecmp(s->line[i].name, "LoadModule") == 0) {
            *any = true;
            if (strncmp(s->line[i].value, name, strlen(name)) == 0)
                return true;
        }
    return false;
}

/* Behind a section that does not count. */
static void skip_section(struct serverconf_reader *r, const char *name)
{
    struct serverconf_text *line = malloc(sizeof *line);
    char open[80], close[80];
    int first, depth = 1;
    snprintf(open, sizeof open, "<%s", name);
    snprintf(close, sizeof close, "</%s", name);
    while (line && depth > 0 && apache_line(r, line, &first)) {
        depth += strncasecmp(line->at, open, strlen(open)) == 0;
        depth -= strncasecmp(line->at, close, strlen(close)) == 0;
    }
    free(line);
}

struct apache {
    struct serverconf_text line, name, value, word;
};

static void apache_section(struct serverconf_reader *r, struct apache *a, int first)
{
    char *end = strrchr(a->value.at, '>');
    if (end)
        *end = '\0';
    const char *name = a->name.at + 1;
    bool negated = *a->value.at == '!', any = false;
    if (strcasecmp(name, "IfModule") == 0 && loads(r->s, a->value.at + negated, &any) == negated && any) {
        skip_section(r, name);
        return;
    }
    r->parent = serverconf_add(r, first, SERVERCONF_SECTION, name, a->value.at);
}

static void apache_directive(struct serverconf_reader *r, struct apache *a, int first)
{
    const char *rest = a->value.at;
    if (strcasecmp(a->name.at, "Define") == 0 && next_apache_word(&rest, &a->word)) {
        char name[128];
        snprintf(name, sizeof name, "%.127s", a->word.at);
        next_apache_word(&rest, &a->word);
        serverconf_define(r->s, name, a->word.at);
    } else if (strcasecmp(a->name.at, "ServerRoot") == 0 && next_apache_word(&rest, &a->word)) {
        snprintf(r->s->base, sizeof r->s->base, "%.4000s", a->word.at);
    } else if (strcasecmp(a->name.at, "Include") == 0 || strcasecmp(a->name.at, "IncludeOptional") == 0) {
        if (next_apache_word(&rest, &a->word))
            serverconf_include(r, a->word.at);
        return;
    }
    serverconf_add(r, first, SERVERCONF_DIRECTIVE, a->name.at, a->value.at);
}

void serverconf_apache(struct serverconf_reader *r)
{
    struct apache *a = malloc(sizeof *a);
    int first, outermost = r->parent;
    while (a && apache_line(r, &a->line, &first)) {
        const char *rest = a->line.at;
        if (*rest == '#' || *rest == '\0')
            continue;
        if (strncmp(rest, "</", 2) == 0) {
            serverconf_leave(r, outermost);
            continue;
        }
        size_t n = strcspn(rest, " \t>");
        a->name.len = 0;
        serverconf_put(&a->name, rest, n);
        expand(r->s, rest + n + strspn(rest + n, " \t"), &a->value);
        if (*a->name.at == '<')
            apache_section(r, a, first);
        else
            apache_directive(r, a, first);
    }
    free(a);
}
