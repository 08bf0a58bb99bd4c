/* SPDX-License-Identifier: MIT
 * kernel: newer system calls, with fallbacks.
 *
 * The static build runs from Linux 2.6.32 on; tests/e2e/static.t answers each newer call with ENOSYS. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stddef.h>

/*
 * A file without a name, closed by exec, for bytes that another program or library is to read.
 *
 * out:     a descriptor, or -1 with errno
 * before Linux 3.17: a file in /dev/shm, else in /tmp, else here, whose name is removed at once
 */
int kernel_memory_file(void);

/*
 * Random bytes that nobody can guess.
 *
 * in:      n in 1..256
 * out:     0, or -1 with errno
 * before Linux 3.17: from /dev/urandom
 */
int kernel_random(void *bytes, size_t n);

/*
 * Rename, unless `to` is there already. Each name is below an open folder, or a path and AT_FDCWD.
 *
 * out:     0, or -1 with errno: EEXIST; ENOSYS before Linux 3.15, EINVAL where the file system does not know how
 */
int kernel_rename_new(int from_at, const char *from, int to_at, const char *to);

/*
 * Flush the file system that fd lies on.
 *
 * out:     0, or -1 with errno
 * before Linux 2.6.39: all file systems, without learning of a failure
 */
int kernel_flush(int fd);

#endif
