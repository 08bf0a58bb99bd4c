/* SPDX-License-Identifier: MIT
 *
 * base64: bytes as text, RFC 4648 section 4, padded. Strict: nothing else is taken.
 */
#ifndef BASE64_H
#define BASE64_H

#include "span.h"

#include <stdint.h>

/* The length of the text of so many bytes. */
size_t base64_size(size_t bytes);

/* Write exactly base64_size(bytes.len) characters, no NUL. */
void base64_encode(struct span bytes, char *out);

/* out: how many bytes, at most text.len / 4 * 3, were written to `out`; -1 when it is no base64 */
int64_t base64_decode(struct span text, char *out);

#endif
