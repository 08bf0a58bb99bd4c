/* SPDX-License-Identifier: MIT
 *
 * pool: claims events and has them handed on, several at a time, until it is told to stop: the loop of `work` and of
 * `forward`. How one event is handed on is a struct pool_ops.
 *
 * It claims as many events as it has free slots, one of a resource at a time and in order, extends leases, acks,
 * nacks and releases, and tells on standard error how it goes: ids, types and reasons, never a body. An application
 * that is down is not the event's fault: the event is released, no attempt counts, and claims pause until an answer
 * comes. A database that is busy or away for a moment is tried again; a lease that was lost is told and counted.
 *
 * It stops on TERM, INT or HUP, and when the time it was given is over: what is running may end. A second TERM or
 * INT, or ten seconds more than the time, cancels and releases it. One thread.
 */
#ifndef POOL_H
#define POOL_H

#include "pool_event.h"
#include "tool/cmd.h"

enum { POOL_SLOTS_MAX = 64, POOL_GRACE_S = 10 };

/*
 * How an event is handed on; a slot is a number below cmd->workers. None of these may block but wait.
 * start   the event is borrowed until look has told its end; that it could not be started is told by look, too
 * look    sets *outcome when it has ended, and the slot is free again; leaves it alone before
 * cancel  end it now; look tells of it, soon
 * wait    until a slot may have ended, fd is readable, or so many ms are over
 */
struct pool_ops {
    void (*start)(void *ctx, int slot, const struct pool_event *event);
    void (*look)(void *ctx, int slot, struct pool_outcome *outcome);
    void (*cancel)(void *ctx, int slot);
    void (*wait)(void *ctx, int fd, int ms);
};

/*
 * Run until told to stop; with cmd->once until nothing waits.
 * in:     cmd  endpoint, types, skip_superseded, workers, once, max_time_s
 * errors: ERR_NOT_FOUND  with cmd->once: an event failed, or the application is down;  no such endpoint
 *         those of the configuration and the store; ERR_BUSY only when it lasted for a minute
 */
int pool_run(const struct cmd *cmd, const struct pool_ops *ops, void *ctx, struct err *e);

#endif
