/* SPDX-License-Identifier: MIT
 * serverconf_query: whose configuration it is, and what in it counts for a line. */
#include "base/files.h"
#include "serverconf.h"

#include <string.h>
#include <strings.h>

/* Does a line of the text begin with one of these words? */
static bool has_line(const char *text, const char *const *words)
{
    for (const char *at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        at += strspn(at, " \t");
        for (const char *const *w = words; *w; w++)
            if (strncmp(at, *w, strlen(*w)) == 0)
                return true;
    }
    return false;
}

enum serverconf_kind serverconf_guess(const char *path)
{
    static const char *const lighttpd[] = {"server.", "var.",       "fastcgi.server",   "include \"", "alias.url",
                                           "$HTTP[",  "cgi.assign", "include_shell \"", "setenv.",    NULL};
    static const char *const nginx[] = {"http {",   "http{",     "server {",  "server{",
                                        "events {", "location ", "upstream ", NULL};
    struct buf text = {0};
    struct stat st;
    enum serverconf_kind kind = SERVERCONF_APACHE;
    if (files_read_text(path, &text, &st, NULL) == 0) {
        if (has_line(text.at, lighttpd))
            kind = SERVERCONF_LIGHTTPD;
        else if (has_line(text.at, nginx))
            kind = SERVERCONF_NGINX;
    }
    buf_release(&text);
    return kind;
}

bool serverconf_mentions(const struct serverconf_line *l, const char *word)
{
    return strcasestr(l->value, word) || strcasestr(l->name, word);
}

/* A section that does not narrow what stands in it. */
static bool is_neutral(const struct serverconf_line *l)
{
    static const char *const names[] = {"IfModule", "IfDefine", "IfVersion", "http", "IfFile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(l->name, names[i]) == 0)
            return true;
    return false;
}

static bool encloses(const struct serverconf *s, int outer, int inner)
{
    for (int i = inner; i >= 0; i = s->line[i].parent)
        if (i == outer)
            return true;
    return false;
}

static bool counts(const struct serverconf *s, int i, int at)
{
    for (int p = s->line[i].parent; p >= 0; p = s->line[p].parent)
        if (!is_neutral(&s->line[p]) && !encloses(s, p, at) && !serverconf_mentions(&s->line[p], "complycube"))
            return false;
    return true;
}

static int narrowing_depth(const struct serverconf *s, int i)
{
    int n = 0;
    for (int p = s->line[i].parent; p >= 0; p = s->line[p].parent)
        n += !is_neutral(&s->line[p]);
    return n;
}

int serverconf_effective(const struct serverconf *s, const char *name, int at)
{
    int found = -1;
    for (int i = 0; i < (int)s->n; i++)
        if (strcasecmp(s->line[i].name, name) == 0 && counts(s, i, at) &&
            (found < 0 || narrowing_depth(s, i) >= narrowing_depth(s, found)))
            found = i;
    return found;
}
