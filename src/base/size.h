/* SPDX-License-Identifier: MIT
 *
 * size: bytes in words for a person.
 */
#ifndef SIZE_H
#define SIZE_H

#include <stdint.h>

enum { SIZE_WORDS = 40 /* bytes of `out` */ };

/* " (12 MB)", or "" if it is less than one. Returns `out`. */
const char *size_megabytes(int64_t bytes, char out[SIZE_WORDS]);

#endif
