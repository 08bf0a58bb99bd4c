/* SPDX-License-Identifier: MIT
 * size: bytes in words for a person. */
#include "size.h"

#include <stdio.h>

const char *size_megabytes(int64_t bytes, char out[SIZE_WORDS])
{
    *out = '\0';
    if (bytes >= 1 << 20)
        snprintf(out, SIZE_WORDS, " (%lld MB)", (long long)(bytes >> 20));
    return out;
}
