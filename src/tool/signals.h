/* SPDX-License-Identifier: MIT
 *
 * signals: the signals of a tool that works for long, as a descriptor to wait on, so that no wait misses one.
 *
 * TERM and INT, and HUP, tell it to end; CHLD only wakes it. A signal that was ignored when the tool was started
 * (by nohup, say) stays so. PIPE is ignored. For one thread, once in a process.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include "base/err.h"

#include <signal.h>

struct signals {
    int fd;   /* readable when a signal is there; close-on-exec */
    int told; /* how often it was told to end: HUP counts only where nothing came before it */
    sigset_t before;
};

/* errors: ERR_SYSTEM */
int signals_open(struct signals *s, struct err *e);

/* Take what has come since the last call; never waits. */
void signals_take(struct signals *s);

/* Back to how it was. The zero value is legal. */
void signals_close(struct signals *s);

#endif
