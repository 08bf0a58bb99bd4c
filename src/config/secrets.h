/* SPDX-License-Identifier: MIT
 *
 * secrets: one secret file. A line is "value", "name value" or "name value retired"; # starts a comment line.
 *
 * A value never leaves this module: it is made into a key, and wiped from every buffer, while its line is read. No message
 * quotes one.
 */
#ifndef SECRETS_H
#define SECRETS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/files.h"
#include "base/text.h"
#include "base/trust.h"
#include "event/verify.h"

enum {
    SECRETS_MAX = 64 /* in a file */,
    SECRETS_NAME_MAX = TEXT_NAME_MAX,
    SECRETS_HEAD = 8 /* bytes at the beginning of a secret that are remembered, by one byte */,
    SECRETS_ALONE_MIN = 16 /* bytes of a secret without a name: what is shorter is a name whose secret is missing */
};

struct secret {
    char name[SECRETS_NAME_MAX + 1]; /* "secret-N", N its place in the file, where the line names none */
    struct verify_key key;
    size_t len;   /* bytes of the secret */
    uint8_t head; /* of a hash of its first SECRETS_HEAD bytes */
    bool padded;  /* see below */
    bool retired; /* kept for the record; accepts nothing */
};

struct secrets {
    size_t n;
    bool unterminated; /* the last line has no newline: perhaps only half of it has arrived */
    bool narrowed;     /* the file's mode was narrowed to 0600 */
    int line;          /* that was refused; 0: none was, or the whole file */
    int padded;        /* the first line whose secret is probably not all secret: NAME=VALUE, or VALUE; 0: none */
    bool example;      /* it has the secret of the manual's example */
    struct files_stamp print;        /* of the file, also if it was refused */
    struct secret list[SECRETS_MAX]; /* last: n of them are set, the others are not even cleared */
};

/*
 * Read a secret file. All that is judged, and the mode that is changed, is of the descriptor that is read.
 *
 * in:     with  whose files are accepted: root's, the receiver's user's, and the configuration's owner's. The latter may
 *               name any file anyway, and owns the secrets on a shared host whose receiver runs as the web server's user
 * out:    0 and *s, to be released
 * A file of this process's user that others may read is narrowed to 0600, if `with` alone can change where its path leads;
 * root narrows for nobody else. A file of root that others may read is accepted if its folder lets nobody else in.
 * errors: ERR_SECRETS  it cannot be read, belongs to another, others may write or read it, a line is malformed,
 *         a name or a value comes twice
 */
int secrets_read(struct secrets *s, const char *path, const struct trust *with, struct err *e);

/* An open file that holds something secret. */
struct secrets_file {
    int fd;
    const char *path; /* what messages call it */
    const struct trust *with;
    const char *danger; /* what a user who may write it could do, for a message: "sign events" */
    struct stat st;     /* out: of the very file, as the next one */
    bool narrowed;
};

/*
 * Read such a file whole, by the rules of secrets_read. The text is there also after -1: to be wiped in either case.
 * errors: ERR_SECRETS
 */
int secrets_read_file(struct secrets_file *f, struct buf *text, struct err *e);

/* Wipe and release such a text. */
void secrets_wipe(struct buf *text);

/* One secret from the process environment, which still holds it. */
int secrets_from_text(struct secrets *s, const char *value, struct err *e);

void secrets_release(struct secrets *s); /* wipes the keys */

/* Are they the same? */
bool secrets_equal(const struct secret *a, const struct secret *b);

/* Does this one look like the beginning of the other? Of shorter secrets that are not, one in 256 does. */
bool secrets_is_part(const struct secret *part, const struct secret *whole);

#endif
