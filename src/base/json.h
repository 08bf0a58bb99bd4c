/* SPDX-License-Identifier: MIT
 *
 * json: a strict scanner of RFC 8259 text. It checks the whole text and shows the members of the outermost
 * object, or the elements of the outermost array, as spans into it; it builds no tree and allocates nothing.
 *
 * Stricter than common libraries: valid UTF-8 only, no control characters in strings, numbers exactly as in
 * the grammar, nothing behind the value, no byte order mark.
 *
 * source: RFC 8259; RFC 3629 for UTF-8
 */
#ifndef JSON_H
#define JSON_H

#include "span.h"

#include <stdint.h>

enum { JSON_DEPTH_MAX = 512 }; /* arrays and objects inside each other, the outermost counted; as PHP's default */

struct json_member {
    struct span name;  /* between the quotes, escapes as written */
    struct span value; /* the exact text; of a string with its quotes */
};

/* Called for each member of the outermost object, in order. Return NULL to go on, or why to stop. */
typedef const char *json_visit(void *ctx, const struct json_member *m);

/*
 * Check that `text` is one JSON object and visit its members.
 * out:   NULL, or why not, in static words (a visitor's own words included)
 * cost:  one pass, constant memory
 * note:  members are visited as they are met: only after NULL is it known that the whole text is good
 */
const char *json_scan(struct span text, json_visit *visit, void *ctx);

/* The same of an array: its elements are visited, and have no name. */
const char *json_each(struct span text, json_visit *visit, void *ctx);

/* A member that is looked for by its name. */
struct json_wanted {
    const char *name;
    struct span value; /* out: as of struct json_member; absent: it is not there, or null */
};

/* Check that `text` is one JSON object and fill in the values that are wanted. NULL, or why not. A name that
 * comes twice: the last. */
const char *json_pick(struct span text, struct json_wanted *wanted, size_t n);

/* The text of a string value without its quotes; the absent span when `value` is no string. */
struct span json_string(struct span value);

/*
 * Unescape the inside of a string.
 * out: the length, at most cap, in bytes of UTF-8; -1 when it is longer than cap, holds U+0000 or half of a
 *      surrogate pair, so that it is no text a C or SQL string could hold
 */
int json_unescape(struct span inside, char *out, size_t cap);

/* Does a name, escapes as written, spell `text`? "\u0069d" spells id; "id\u0000" does not. */
bool json_spells(struct span inside, const char *text);

/* A hash of what a name spells, and the exact comparison behind it. */
uint64_t json_hash(struct span inside);
bool json_same(struct span a, struct span b);

/* The order of what they spell, by bytes: negative, 0 or positive. */
int json_order(struct span a, struct span b);

#endif
