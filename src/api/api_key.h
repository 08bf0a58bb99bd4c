/* SPDX-License-Identifier: MIT
 *
 * api_key: an API key of the vendor, which may do everything in the account.
 *
 * Its value leaves this room in the header of a request only: no message, no argument list, no log line and no
 * environment of a program has it. No other file names the member `key_text` (tests/lint/promises.t).
 *
 * source: docs.complycube.com, "Authentication": keys begin with test_ or live_
 */
#ifndef API_KEY_H
#define API_KEY_H

#include "base/err.h"
#include "base/trust.h"

#include <stdbool.h>

enum { API_KEY_MIN = 20, API_KEY_MAX = 200 /* characters */ };

struct api_key {
    char key_text[API_KEY_MAX + 1];
};

/*
 * Read a key from an open file, which holds it alone, on one line.
 *
 * in:     path  what messages call the file
 *         with  whose files are accepted
 * out:    0 with *k, to be wiped; the file's mode may have been narrowed, as of secrets_read
 * errors: ERR_SECRETS  it cannot be read, belongs to another, others may write or read it, or it holds no key
 */
int api_key_read(struct api_key *k, int fd, const char *path, const struct trust *with, struct err *e);

/* The same of a text; `from` is what messages call its place. */
int api_key_take(struct api_key *k, const char *text, const char *from, struct err *e);

void api_key_wipe(struct api_key *k);

bool api_key_equal(const struct api_key *a, const struct api_key *b);

/* Which world it opens: "live", "test", or "unknown" for a key that begins otherwise. */
const char *api_key_world(const struct api_key *k);

#endif
