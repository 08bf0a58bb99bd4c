/* SPDX-License-Identifier: MIT
 *
 * print: the one way by which text leaves on standard output and standard error, to a terminal, a pipe or a mail.
 *
 * Whatever a text holds, it is printed so that a terminal shows it and obeys none of it: hidden characters (text.h) are
 * escaped. Only print_bytes writes what it is given. No other file of src/ may write to a stream (tests/lint/output.t);
 * the receiver's log is log.h.
 */
#ifndef PRINT_H
#define PRINT_H

#include "span.h"

#include <stdio.h>

/*
 * As printf, to standard output, standard error, or a stream. The format is ours and is written as it stands; what %s and
 * %c bring is escaped. A width is columns, the precision of %s is bytes, of which no part of a character is taken. Of the
 * conversions: s, c, d, u, f, %, with -, *, l, ll and z.
 * out: 0; -1 when the stream has failed by now
 */
int print_out(const char *format, ...) __attribute__((format(printf, 1, 2)));
int print_err(const char *format, ...) __attribute__((format(printf, 1, 2)));
int print_to(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print a text, at most `columns` of it and padded to them; all of it for 0. */
void print_text(FILE *to, struct span text, int columns);

/* A text as a paragraph of 80 columns that begins at column `indent`, where the line at hand has come to. */
void print_wrapped(FILE *to, struct span text, int indent);

/*
 * Print JSON: hidden characters, which stand in its strings only, as \u; so it says the same. A broken byte becomes U+FFFD.
 * Newlines between tokens stay.
 */
void print_json(FILE *to, struct span json);

/*
 * Print a text as one word for a shell: in single quotes, or, if it holds hidden characters, as bash, zsh and GNU ls write
 * it: $'a\x1b'. A shell that does not know this, as dash, reads a plain word. print_word leaves the quotes out if every shell
 * reads the text as it stands.
 */
void print_quoted(FILE *to, const char *text);
void print_word(FILE *to, const char *text);

/* Write exactly these bytes: for those whose contract is the bytes, and for colours of our own. */
void print_bytes(FILE *to, struct span bytes);

#endif
