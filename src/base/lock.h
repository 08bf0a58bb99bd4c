/* SPDX-License-Identifier: MIT
 *
 * lock: the queue of writers, a file lock that several processes wait for.
 *
 * A waiter sleeps in flock(2) and is woken by the kernel as soon as its turn comes; a timer aimed at this
 * thread ends the wait at the deadline. Uses the signal SIGRTMIN.
 */
#ifndef LOCK_H
#define LOCK_H

#include "files.h"

#include <sys/types.h>

struct lock {
    int fd;
};

/*
 * Open the lock file, made where it is missing (mode 0600, or 0660 with a group; (gid_t)-1 is none). No
 * link is followed.
 * errors: ERR_READONLY  it cannot be opened for writing
 */
int lock_open(struct lock *lock, const char *path, gid_t group, struct err *e);
int lock_open_at(struct lock *lock, const struct files_place *p, gid_t group, struct err *e);
void lock_close(struct lock *lock); /* releases it too */

/*
 * One that is not open (fd -1) counts as taken at once: its user, such as a consumer, does not queue.
 * out:    how much of wait_ms is left, in ms, so that what is waited for next can share it; or -1 and *e
 * errors: ERR_BUSY  another process held it for wait_ms
 */
int lock_take(struct lock *lock, int wait_ms, struct err *e);
void lock_release(struct lock *lock);

#endif
