/* SPDX-License-Identifier: MIT
 *
 * json_out: one JSON object a line, for --json. The only cJSON user: decoding has its own strict scanner.
 */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include "base/span.h"

#include <stdint.h>
#include <stdio.h>

struct json_out;

struct json_out *json_out_new(void); /* memory that runs out ends the program: a tool has nothing else to do */
void json_out_text(struct json_out *j, const char *name, struct span value); /* null for the absent span */
/* Bytes: as text under `name`, or in base64 under "NAME_base64" where they are no text that JSON can hold. */
void json_out_bytes(struct json_out *j, const char *name, struct span value);
void json_out_number(struct json_out *j, const char *name, int64_t value);
void json_out_bool(struct json_out *j, const char *name, bool value);
void json_out_null(struct json_out *j, const char *name);
void json_out_raw(struct json_out *j, const char *name,
                  struct span json);                  /* JSON text as it is; null for the absent span */
void json_out_print(struct json_out *j);              /* print it on one line, and free it */
void json_out_print_to(FILE *to, struct json_out *j); /* the same into a stream */

#endif
