/* SPDX-License-Identifier: MIT
 *
 * near: what a word that nobody knows was probably meant to be.
 */
#ifndef NEAR_H
#define NEAR_H

#include <stdbool.h>
#include <stddef.h>

/* Is `typed` one edit away from `word`: a letter inserted, deleted or replaced, or two swapped? */
bool near_typo(const char *typed, size_t len, const char *word);

#endif
