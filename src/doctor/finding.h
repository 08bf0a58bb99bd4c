/* SPDX-License-Identifier: MIT
 *
 * finding: what one check of doctor found, as a value: its verdict, its subject, why it matters, and the cure.
 *
 * It is printed on lines of 80 columns: the verdict, the subject, what was found; unless all is well, why it matters; and
 * the cure, a line for each step, each after "-> " and one of
 *
 *   in FILE:LINE write: TEXT     that line of the file is to be TEXT
 *   in FILE:LINE add: TEXT       a line below that line
 *   in FILE add: TEXT            a line at the end of the file
 *   by hand: WORDS               what no program can do: a secret, a certificate, the start of a server
 *   anything else                a command for a shell, on one line, to be pasted as it is
 *
 * A test applies them by this grammar.
 */
#ifndef FINDING_H
#define FINDING_H

enum finding_verdict { FINDING_OK, FINDING_WARNING, FINDING_WRONG };

struct finding {
    enum finding_verdict verdict;
    const char *what, *why; /* borrowed; why: "" for none */
    char *steps;            /* of the cure, a line each; NULL: none */
};

/* A finding without steps. To be released; doctor_tell does it. */
struct finding finding_of(enum finding_verdict verdict, const char *what, const char *why);

/* Add a step to the cure. %s: a text, %q: one in quotes for a shell, %w: one in quotes if it needs them, %d: an
 * int, %%. */
void finding_step(struct finding *f, const char *format, ...);

/* Print it to standard output; text: what was found. Why it matters and the cure are left out if all is well. */
enum finding_form { FINDING_TEXT, FINDING_COLOR, FINDING_JSON };
void finding_print(const struct finding *f, const char *text, enum finding_form form);

void finding_release(struct finding *f);

#endif
