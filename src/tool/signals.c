/* SPDX-License-Identifier: MIT
 * signals: the signals of a tool that works for long, as a descriptor to wait on. */
#include "signals.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static bool is_ignored(int signal)
{
    struct sigaction now;
    return sigaction(signal, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

int signals_open(struct signals *s, struct err *e)
{
    static const int all[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    sigset_t taken;
    sigemptyset(&taken);
    signal(SIGCHLD, SIG_DFL); /* where it is ignored no child leaves a status */
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!is_ignored(all[i]))
            sigaddset(&taken, all[i]);
    sigprocmask(SIG_BLOCK, &taken, &s->before);
    s->told = 0;
    s->fd = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->fd >= 0)
        return 0;
    err_set(e, ERR_SYSTEM, "signals as a descriptor: %s", strerror(errno));
    sigprocmask(SIG_SETMASK, &s->before, NULL);
    return -1;
}

void signals_take(struct signals *s)
{
    struct signalfd_siginfo one;
    while (read(s->fd, &one, sizeof one) == (ssize_t)sizeof one)
        if (one.ssi_signo == SIGTERM || one.ssi_signo == SIGINT || (one.ssi_signo == SIGHUP && s->told == 0))
            s->told++;
}

void signals_close(struct signals *s)
{
    if (s->fd <= 0)
        return;
    signals_take(s); /* else one that is left would end the process as soon as it is let through */
    close(s->fd);
    sigprocmask(SIG_SETMASK, &s->before, NULL);
    s->fd = 0;
}
