/* SPDX-License-Identifier: MIT
 *
 * serverconf_impl: what the parsers of serverconf share.
 */
#ifndef SERVERCONF_IMPL_H
#define SERVERCONF_IMPL_H

#include "serverconf.h"

enum { SERVERCONF_VALUE_MAX = 16384 /* bytes */ };

/* A text that is written bounded: what is too long is cut. */
struct serverconf_text {
    char at[SERVERCONF_VALUE_MAX];
    size_t len;
};
void serverconf_put(struct serverconf_text *t, const char *at, size_t n);

/* A file that is being read. */
struct serverconf_reader {
    struct serverconf *s;
    const char *file, *at;
    int line, parent, depth;
};

/* A directive more: its place, or the parent's where there is no room for it. */
enum serverconf_form { SERVERCONF_DIRECTIVE, SERVERCONF_SECTION };
int serverconf_add(struct serverconf_reader *r, int line, enum serverconf_form form, const char *name,
                   const char *value);

/* The end of a section; `outermost` is the one that the file stands in. */
void serverconf_leave(struct serverconf_reader *r, int outermost);

void serverconf_define(struct serverconf *s, const char *name, const char *value);
const char *serverconf_value(const struct serverconf *s, const char *name, size_t n); /* NULL: not known */

/* Read the files of this pattern here. */
void serverconf_include(struct serverconf_reader *r, const char *pattern);

void serverconf_apache(struct serverconf_reader *r);

#endif
