/* SPDX-License-Identifier: MIT
 * serverconf: a web server's configuration as a flat list of directives. */
#include "serverconf_impl.h"

#include "base/files.h"

#include <ctype.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 512, DEPTH_MAX = 16, BYTES_MAX = 16 << 20, LINES_MAX = 100000, VARIABLES_MAX = 1000 };

static void read_server_file(struct serverconf *s, const char *path, int parent, int depth);

void serverconf_put(struct serverconf_text *t, const char *at, size_t n)
{
    if (n > sizeof t->at - 1 - t->len)
        n = sizeof t->at - 1 - t->len;
    memcpy(t->at + t->len, at, n);
    t->len += n;
    t->at[t->len] = '\0';
}

/* ---- the list ---- */

/* Its place, or the parent's where there is no room for it. */
int serverconf_add(struct serverconf_reader *r, int line, enum serverconf_form form, const char *name,
                   const char *value)
{
    struct serverconf *s = r->s;
    if (s->n >= LINES_MAX)
        return r->parent;
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 256;
        struct serverconf_line *more = realloc(s->line, room * sizeof *more);
        if (!more)
            return r->parent;
        s->line = more;
        s->room = room;
    }
    struct serverconf_line l = {r->file, line, r->parent, form == SERVERCONF_SECTION, strdup(name), strdup(value)};
    if (!l.name || !l.value) {
        free(l.name);
        free(l.value);
        return r->parent;
    }
    s->line[s->n] = l;
    return (int)s->n++;
}

void serverconf_leave(struct serverconf_reader *r, int outermost)
{
    if (r->parent > outermost)
        r->parent = r->s->line[r->parent].parent;
}

void serverconf_define(struct serverconf *s, const char *name, const char *value)
{
    if (s->n_variables >= VARIABLES_MAX)
        return;
    struct serverconf_variable *more = realloc(s->variable, (s->n_variables + 1) * sizeof *more);
    if (!more)
        return;
    s->variable = more;
    s->variable[s->n_variables] = (struct serverconf_variable){strdup(name), strdup(value)};
    if (s->variable[s->n_variables].name && s->variable[s->n_variables].value) {
        s->n_variables++;
    } else {
        free(s->variable[s->n_variables].name);
        free(s->variable[s->n_variables].value);
    }
}

const char *serverconf_value(const struct serverconf *s, const char *name, size_t n)
{
    for (size_t i = s->n_variables; i-- > 0;)
        if (strlen(s->variable[i].name) == n && memcmp(s->variable[i].name, name, n) == 0)
            return s->variable[i].value;
    return NULL;
}

void serverconf_include(struct serverconf_reader *r, const char *pattern)
{
    char path[PATH_MAX];
    struct stat st;
    glob_t found = {0};
    if (!*pattern || snprintf(path, sizeof path, "%s%s%s", *pattern == '/' ? "" : r->s->base,
                              *pattern == '/' ? "" : "/", pattern) >= (int)sizeof path)
        return;
    size_t len = strlen(path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && len + 3 < sizeof path)
        memcpy(path + len, "/*", 3);
    if (glob(path, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            read_server_file(r->s, found.gl_pathv[i], r->parent, r->depth + 1);
    globfree(&found);
}

/* ---- lighttpd: NAME = EXPRESSION, and $CONDITION { ... } ---- */

enum blanks { WITHIN_LINE, OVER_LINES };

static void blanks(struct serverconf_reader *r, enum blanks how)
{
    while (*r->at && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r' || *r->at == '#' ||
                      (how == OVER_LINES && *r->at == '\n')))
        if (*r->at == '#')
            r->at += strcspn(r->at, "\n");
        else
            r->line += *r->at++ == '\n';
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-' || c == '/'; }

static void quoted(struct serverconf_reader *r, struct serverconf_text *out)
{
    char quote = *r->at++;
    for (; *r->at && *r->at != quote; r->at++) {
        if (*r->at == '\\' && r->at[1])
            r->at++;
        r->line += *r->at == '\n';
        serverconf_put(out, r->at, 1);
    }
    r->at += *r->at != '\0';
}

/* One token behind what is there, with a blank between unless a plus joins them. */
static void token(struct serverconf_reader *r, struct serverconf_text *out, bool *joined)
{
    if (*r->at == '+') {
        *joined = true;
        r->at++;
        return;
    }
    if (out->len && !*joined)
        serverconf_put(out, " ", 1);
    *joined = false;
    if (*r->at == '"') {
        quoted(r, out);
    } else if (is_word(*r->at)) {
        size_t n = 0;
        while (is_word(r->at[n]))
            n++;
        const char *value = serverconf_value(r->s, r->at, n);
        serverconf_put(out, value ? value : r->at, value ? strlen(value) : n);
        r->at += n;
    } else {
        serverconf_put(out, r->at++, 1);
    }
}

/* Up to the end of its line, further where a parenthesis is open or a plus stands last. */
static void expression(struct serverconf_reader *r, struct serverconf_text *out)
{
    int open = 0;
    bool joined = false;
    out->len = 0;
    *out->at = '\0';
    for (;;) {
        blanks(r, open > 0 || joined ? OVER_LINES : WITHIN_LINE);
        if (!*r->at || *r->at == '\n' || (open == 0 && (*r->at == '{' || *r->at == '}')))
            return;
        open += *r->at == '(';
        open -= *r->at == ')' && open > 0;
        token(r, out, &joined);
    }
}

static void read_statement(struct serverconf_reader *r, struct serverconf_text *name, struct serverconf_text *value)
{
    int first = r->line;
    name->len = 0;
    *name->at = '\0';
    while (is_word(*r->at))
        serverconf_put(name, r->at++, 1);
    blanks(r, WITHIN_LINE);
    if (strcmp(name->at, "include") == 0 || strcmp(name->at, "include_shell") == 0) {
        expression(r, value);
        serverconf_include(r, strcmp(name->at, "include") == 0    ? value->at
                              : strstr(value->at, "conf-enabled") ? "conf-enabled/*.conf"
                                                                  : "");
        return;
    }
    while (*r->at == '+' || *r->at == ':')
        r->at++;
    if (*r->at != '=') {
        r->at += *r->at && *r->at != '\n' && *r->at != '{' && *r->at != '}' && *r->at != '$';
        return;
    }
    r->at++;
    expression(r, value);
    if (strncmp(name->at, "var.", 4) == 0)
        serverconf_define(r->s, name->at, value->at);
    serverconf_add(r, first, SERVERCONF_DIRECTIVE, name->at, value->at);
}

static void read_section(struct serverconf_reader *r, struct serverconf_text *name, struct serverconf_text *value)
{
    int first = r->line;
    name->len = 0;
    serverconf_put(name, "$", 1);
    for (r->at++; is_word(*r->at); r->at++)
        serverconf_put(name, r->at, 1);
    expression(r, value);
    blanks(r, OVER_LINES);
    if (*r->at == '{')
        r->at++;
    r->parent = serverconf_add(r, first, SERVERCONF_SECTION, name->at, value->at);
}

static void read_lighttpd(struct serverconf_reader *r)
{
    struct serverconf_text *name = malloc(sizeof *name), *value = malloc(sizeof *value);
    int outermost = r->parent;
    while (name && value) {
        blanks(r, OVER_LINES);
        if (!*r->at)
            break;
        if (*r->at == '}') {
            r->at++;
            serverconf_leave(r, outermost);
        } else if (*r->at == '$') {
            read_section(r, name, value);
        } else if (*r->at == '{') { /* of an else */
            r->at++;
            r->parent = serverconf_add(r, r->line, SERVERCONF_SECTION, "else", "");
        } else if (is_word(*r->at)) {
            read_statement(r, name, value);
        } else {
            r->at++;
        }
    }
    free(name);
    free(value);
}

/* ---- nginx: NAME ARGUMENTS; and NAME ARGUMENTS { ... } ---- */

static void read_nginx(struct serverconf_reader *r)
{
    struct serverconf_text *name = malloc(sizeof *name), *value = malloc(sizeof *value);
    int outermost = r->parent;
    while (name && value) {
        name->len = value->len = 0;
        *name->at = *value->at = '\0';
        blanks(r, OVER_LINES);
        int first = r->line;
        for (struct serverconf_text *to = name; *r->at && !strchr(";{}", *r->at); blanks(r, OVER_LINES)) {
            if (to == value && to->len)
                serverconf_put(to, " ", 1);
            if (*r->at == '"' || *r->at == '\'')
                quoted(r, to);
            else
                while (*r->at && !strchr(" \t\r\n;{}", *r->at))
                    serverconf_put(to, r->at++, 1);
            to = value;
        }
        if (!*r->at)
            break;
        if (*r->at == '{')
            r->parent = serverconf_add(r, first, SERVERCONF_SECTION, name->at, value->at);
        else if (*r->at == '}')
            serverconf_leave(r, outermost);
        else if (strcmp(name->at, "include") == 0)
            serverconf_include(r, value->at);
        else if (*name->at)
            serverconf_add(r, first, SERVERCONF_DIRECTIVE, name->at, value->at);
        r->at++;
    }
    free(name);
    free(value);
}

/* ---- files ---- */

static void read_server_file(struct serverconf *s, const char *path, int parent, int depth)
{
    static void (*const read[])(struct serverconf_reader *) = {serverconf_apache, read_lighttpd, read_nginx};
    struct buf text = {0};
    struct stat st;
    if (depth > DEPTH_MAX || s->n_files >= FILES_MAX || s->bytes > BYTES_MAX)
        return;
    char **more = realloc(s->files, (s->n_files + 1) * sizeof *more);
    if (!more)
        return;
    s->files = more;
    if (files_read_text(path, &text, &st, NULL) != 0) {
        s->unread++;
    } else if ((s->files[s->n_files] = strdup(path)) != NULL) {
        s->bytes += text.len;
        struct serverconf_reader r = {s, s->files[s->n_files++], text.at, 1, parent, depth};
        read[s->kind](&r);
    }
    buf_release(&text);
}

int serverconf_read(struct serverconf *s, const char *path)
{
    size_t before = s->n_files;
    if (!*s->base && files_folder(path, s->base, sizeof s->base) != 0)
        return -1;
    read_server_file(s, path, -1, 0);
    return s->n_files > before ? 0 : -1;
}

void serverconf_release(struct serverconf *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->line[i].name);
        free(s->line[i].value);
    }
    for (size_t i = 0; i < s->n_files; i++)
        free(s->files[i]);
    for (size_t i = 0; i < s->n_variables; i++) {
        free(s->variable[i].name);
        free(s->variable[i].value);
    }
    free(s->line);
    free(s->files);
    free(s->variable);
    *s = (struct serverconf){.kind = s->kind};
}
