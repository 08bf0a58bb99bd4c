/* SPDX-License-Identifier: MIT
 *
 * hex: strict hexadecimal. Digits of either case; nothing else, no prefix, no separator.
 */
#ifndef HEX_H
#define HEX_H

#include "span.h"

#include <stdint.h>

/* out: 0 and len bytes at `out`; -1 unless text is exactly 2 * len hex digits. Constant cost for a length. */
int hex_decode(struct span text, uint8_t *out, size_t len);

/* Write 2 * len lower-case digits and a NUL to `out`. */
void hex_encode(const uint8_t *bytes, size_t len, char *out);

#endif
