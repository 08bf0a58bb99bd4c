/* SPDX-License-Identifier: MIT
 *
 * serverconf: a web server's configuration as a flat list of directives, with the files that it includes.
 *
 * It reads what it may and passes over the rest, knows no directive but those that include, define or test for a module,
 * and takes anything for input: what is no configuration gives nonsense, never a fault. Limits: 512 files, 16 levels,
 * 16 MB, 100000 directives.
 */
#ifndef SERVERCONF_H
#define SERVERCONF_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum serverconf_kind { SERVERCONF_APACHE, SERVERCONF_LIGHTTPD, SERVERCONF_NGINX };

struct serverconf_line {
    const char *file; /* and the line there, from 1 on */
    int line, parent; /* parent: the place in the list of the section it stands in, -1: of none */
    bool section;     /* it opens one */
    char *name;       /* "FcgidMaxRequestLen", "server.port", "Location", "$HTTP", "location" */
    char *value;      /* what stands behind it, without quotes, variables replaced where they are known */
};

struct serverconf {
    enum serverconf_kind kind;
    struct serverconf_line *line;
    size_t n, room, bytes, unread; /* unread: files that it may not read */
    char **files;                  /* n_files paths */
    size_t n_files;
    struct serverconf_variable {
        char *name, *value;
    } * variable;
    size_t n_variables;
    char base[4096]; /* where relative paths begin */
};

/* Which server's is this? By what stands in it. */
enum serverconf_kind serverconf_guess(const char *path);

/*
 * Read a file and what it includes, behind what was read before. *s is zero but for its kind, or was read into.
 * out: 0, or -1 when that file itself cannot be read
 */
int serverconf_read(struct serverconf *s, const char *path);
void serverconf_release(struct serverconf *s); /* the zero value is legal */

/* The place of the last directive of this name that counts for the line `at`, which it may stand around; -1: none. */
int serverconf_effective(const struct serverconf *s, const char *name, int at);

/* Does the line name the receiver? Letters of either case. */
bool serverconf_mentions(const struct serverconf_line *l, const char *word);

#endif
