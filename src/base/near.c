/* SPDX-License-Identifier: MIT
 * near: what a word that nobody knows was probably meant to be. */
#include "near.h"

#include <string.h>

bool near_typo(const char *typed, size_t len, const char *word)
{
    size_t of_word = strlen(word), before = 0, behind = 0;
    while (before < len && before < of_word && typed[before] == word[before])
        before++;
    while (behind < len - before && behind < of_word - before &&
           typed[len - 1 - behind] == word[of_word - 1 - behind])
        behind++;
    size_t left = len - before - behind, right = of_word - before - behind; /* what differs in the middle */
    bool swapped = left == 2 && right == 2 && typed[before] == word[before + 1] && typed[before + 1] == word[before];
    return len > 2 && ((left <= 1 && right <= 1) || swapped);
}
