/* SPDX-License-Identifier: MIT
 *
 * when: times and ages in words for a person.
 */
#ifndef WHEN_H
#define WHEN_H

#include <stdint.h>

enum { WHEN_TIME = 32, WHEN_AGE = 24 /* bytes of `out` */ };

/* "2026-01-29 20:32:22 +0100" of ms since the Epoch, in the zone of the process; "-" for 0. Returns `out`. */
const char *when_time(int64_t ms, char out[WHEN_TIME]);

/* A duration in ms, in at most 5 columns: "95s", "8m", "15h", "30d"; "0s" for a negative one. Returns `out`. */
const char *when_age(int64_t ms, char out[WHEN_AGE]);

#endif
