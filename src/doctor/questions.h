/* SPDX-License-Identifier: MIT
 *
 * questions: what doctor --api asks and answers. Each answer is a line of the report, which is to be pasted: it has no key, no
 * id, no name and no value of a person.
 */
#ifndef QUESTIONS_H
#define QUESTIONS_H

#include "doctor.h"
#include "tool/account.h"

enum { QUESTIONS_NAMES = 400 /* bytes of a list of names */ };

struct questions {
    struct doctor *d;
    struct account *account;
    struct store *store; /* NULL: no database yet */
};

/* Print an answer; number: as the manual counts the questions. */
void questions_answer(struct questions *q, int number, const char *about, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "a, b": add a word once. One that is no plain word is "?". */
void questions_add_name(char list[QUESTIONS_NAMES], const char *name);

/* Those that the API answers, and those that the events here answer. -1 and *e: the API cannot be asked any more */
int questions_ask_api(struct questions *q, struct err *e);
int questions_ask_events(struct questions *q, struct err *e);

#endif
