/* SPDX-License-Identifier: MIT
 *
 * words: ComplyCube's words as a person would say them.
 */
#ifndef WORDS_H
#define WORDS_H

#include "html.h"

/* "check.completed.clear": "Check completed: clear" */
void words_type(struct html *h, struct span type);

/* "not_processed": "Not processed"; "workflowSession": "Workflow session" */
void words_of(struct html *h, struct span word);

/* "…a3e89bc6": the end of an id, which distinguishes ids that begin alike. */
void words_id(struct html *h, struct span id);

#endif
