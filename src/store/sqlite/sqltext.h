/* SPDX-License-Identifier: MIT
 *
 * sqltext: the words of an SQL text, as SQLite's tokenizer cuts them, so that two texts can be compared whatever blanks and
 * comments stand in them. For the texts of a database's schema, which may be anything.
 *
 * source: sqlite.org/lang_keywords.html, sqlite.org/lang_comment.html
 */
#ifndef SQLTEXT_H
#define SQLTEXT_H

#include "base/span.h"

#include <stdbool.h>

/* Take the next word from a text: a name or number, something in quotes with them, or one other character. The absent span
 * at its end. */
struct span sqltext_next(struct span *text);

/* Is it this word, in any case of letters? */
bool sqltext_is(struct span word, const char *text);

/* Is it this name, with or without quotes, in any case of letters? */
bool sqltext_is_name(struct span word, const char *name);

/* Is it a name, with or without quotes? */
bool sqltext_may_be_name(struct span word);

/* Have both the same words? Words are compared byte for byte. */
bool sqltext_is_same(struct span a, struct span b);

#endif
