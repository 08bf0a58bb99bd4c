/* SPDX-License-Identifier: MIT
 * lock: the queue of writers. */
#include "lock.h"

#include "files.h"
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

int lock_open_at(struct lock *lock, const struct files_place *p, gid_t group, struct err *e)
{
    struct stat st;
    lock->fd = -1;
    if (files_make_file_at(p, group == (gid_t)-1 ? 0600 : 0660, group, NULL, e) != 0)
        return -1;
    lock->fd = shared_open(p->at, p->name, O_RDWR, &st);
    if (lock->fd >= 0)
        return 0;
    return errno == ELOOP
               ? err_set(e, ERR_READONLY, "the lock file %s is no file; look at it, then remove it", p->path)
               : err_set(e, ERR_READONLY, "opening the lock file %s: %s; it must be writable for this user", p->path,
                         strerror(errno));
}

int lock_open(struct lock *lock, const char *path, gid_t group, struct err *e)
{
    return lock_open_at(lock, &(struct files_place){AT_FDCWD, path, path}, group, e);
}

void lock_close(struct lock *lock)
{
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}

static void wake(int signal) { (void)signal; }

/* A signal to this thread after wait_ms and again every 20 ms, since the first may come before the wait. */
static int start_timer(timer_t *timer, int wait_ms)
{
    struct sigaction action = {.sa_handler = wake}; /* no SA_RESTART: flock must return */
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    struct itimerspec time = {{0, 20000000}, {wait_ms / 1000, wait_ms % 1000 * 1000000L + 1}};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    event.sigev_notify_thread_id = gettid();
    if (sigaction(SIGRTMIN, &action, NULL) != 0 || pthread_sigmask(SIG_UNBLOCK, &set, NULL) != 0 ||
        timer_create(CLOCK_MONOTONIC, &event, timer) != 0)
        return -1;
    return timer_settime(*timer, 0, &time, NULL);
}

int lock_take(struct lock *lock, int wait_ms, struct err *e)
{
    if (lock->fd < 0 || flock(lock->fd, LOCK_EX | LOCK_NB) == 0)
        return wait_ms;
    timer_t timer;
    struct itimerspec left = {{0}, {0}};
    if (start_timer(&timer, wait_ms) != 0)
        return err_set(e, ERR_SYSTEM,
                       "setting a timer for the writers' lock: %s; raise the limit of pending signals (ulimit -i)",
                       strerror(errno));
    int failed = flock(lock->fd, LOCK_EX), why = errno;
    timer_gettime(timer, &left);
    timer_delete(timer);
    if (!failed)
        return (int)(left.it_value.tv_sec * 1000 + left.it_value.tv_nsec / 1000000);
    if (why == EINTR)
        return err_set(e, ERR_BUSY, "another process has held the writers' lock for %d ms", wait_ms);
    return err_set(e, ERR_DATABASE, "taking the writers' lock: %s; see complycube-inbox doctor", strerror(why));
}

void lock_release(struct lock *lock)
{
    if (lock->fd >= 0)
        flock(lock->fd, LOCK_UN);
}
