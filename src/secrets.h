/* SPDX-License-Identifier: MIT
 *
 * secrets: one secret file. A line is "value", "name value" or "name value retired"; # starts a comment line.
 *
 * Values leave this module only to be made into keys; they are wiped from every buffer on release, and no
 * message ever quotes one.
 */
#ifndef SECRETS_H
#define SECRETS_H

#include "buf.h"
#include "err.h"
#include "files.h"
#include "span.h"

enum { SECRETS_MAX = 64 /* in a file */, SECRETS_NAME_MAX = 63 /* bytes */ };

struct secret {
    char name[SECRETS_NAME_MAX + 1]; /* "secret-N", N its place in the file, where the line names none */
    struct span value;               /* into the text it was read from */
    bool retired;                    /* kept for the record; accepts nothing */
};

struct secrets {
    struct buf text;
    struct secret list[SECRETS_MAX];
    size_t n;
    bool unterminated; /* the last line has no newline: perhaps only half of it has arrived */
};

/*
 * Read a secret file and narrow its mode to 0600 where it is ours and others may read it (*narrowed).
 * out:    0 and *s, to be released; *print is of the file read
 * errors: ERR_SECRETS  it cannot be read, others may write it or it cannot be narrowed, a line is malformed,
 *         a name or a value comes twice
 */
int secrets_read(struct secrets *s, const char *path, struct files_print *print, bool *narrowed, struct err *e);

/* One secret without a file, from the process environment; copied. */
int secrets_from_text(struct secrets *s, const char *value, struct err *e);

void secrets_release(struct secrets *s);

/* A name of an endpoint or a secret: letters, digits, dot, dash, underscore; 1 to SECRETS_NAME_MAX of them. */
bool secrets_is_name(struct span name);

#endif
