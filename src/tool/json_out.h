/* SPDX-License-Identifier: MIT
 *
 * json_out: one JSON object a line, for --json. The only cJSON user: decoding has its own strict scanner.
 */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include "base/span.h"

#include <stdint.h>

struct cmd_json;

struct cmd_json *cmd_json_new(void); /* memory that runs out ends the program: a tool has nothing else to do */
void cmd_json_text(struct cmd_json *j, const char *name, struct span value); /* null for the absent span */
/* Bytes: as text under `name`, or in base64 under "NAME_base64" where they are no text that JSON can hold. */
void cmd_json_bytes(struct cmd_json *j, const char *name, struct span value);
void cmd_json_number(struct cmd_json *j, const char *name, int64_t value);
void cmd_json_bool(struct cmd_json *j, const char *name, bool value);
void cmd_json_raw(struct cmd_json *j, const char *name,
                  struct span json);   /* JSON text as it is; null for the absent span */
void cmd_json_end(struct cmd_json *j); /* print it on one line, and free it */

#endif
