/* SPDX-License-Identifier: MIT
 *
 * near: what a word that nobody knows was probably meant to be.
 */
#ifndef NEAR_H
#define NEAR_H

#include <stdbool.h>
#include <stddef.h>

/* Is the one the other but for one letter that is missing, too many or another, or for two that are swapped? */
bool near_typo(const char *typed, size_t len, const char *word);

#endif
