/* SPDX-License-Identifier: MIT
 *
 * limits: what setrlimit(2) restricts makes a call fail with an errno, and does not end the process by a signal.
 */
#ifndef LIMITS_H
#define LIMITS_H

#include <stdint.h>

/* Ignore SIGXFSZ and SIGXCPU. Programs that are started inherit that: give them back their defaults. */
void limits_survive(void);

/* How large a file may become by this process, in bytes; UINT64_MAX: as large as its file system allows. */
uint64_t limits_file_size(void);

#endif
