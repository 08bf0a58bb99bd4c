/* SPDX-License-Identifier: MIT
 * cmd_follow: events as they are recorded, from now on or from a time, until it is told to end. */
#include "base/clock.h"
#include "base/print.h"
#include "cmd.h"
#include "event_row.h"
#include "signals.h"
#include "store/store_file.h"

#include <poll.h>
#include <unistd.h>

enum {
    LOOK_MS = 500,
    LATE_MS = 5000 /* between when an event was received and when it is recorded there may be so much */
};

struct follow {
    const struct cmd *cmd;
    struct store_query query; /* `after` is the last event that was looked at */
    struct event_row row;
    struct store *store; /* NULL: not open */
    int64_t looked_ms;   /* and when */
    bool told;           /* that it cannot be opened */
};

/* What stands there now may be another database. One with lower numbers has others than those we know. */
static int reopen_followed(struct follow *f, struct err *e)
{
    if (f->store && store_leave(f->store, e) < 0)
        return -1;
    store_close(f->store);
    f->store = cmd_store(f->cmd->config, false, e);
    int64_t newest;
    if (!f->store || store_newest(f->store, &newest, e) != 0)
        return -1;
    if (newest < f->query.after) {
        f->query.after = 0;
        if (f->query.since_ms < f->looked_ms - LATE_MS)
            f->query.since_ms = f->looked_ms - LATE_MS;
    }
    f->told = false;
    return 0;
}

/* 1: there may be more; 0: nothing new; or -1 and *e. */
static int read_new(struct follow *f, struct err *e)
{
    f->row.now_ms = clock_time_ms();
    if ((!f->store || !store_in_place(f->store)) && reopen_followed(f, e) != 0)
        return -1;
    int more = store_read(f->store, &f->query, event_row_print, &f->row, e);
    f->looked_ms = f->row.now_ms;
    return more;
}

/* A file that is not there, or is busy, may be in its place at the next look. */
static void complain(struct follow *f, const struct err *e)
{
    if (!f->told)
        print_err("complycube-inbox: %s; going on as soon as it can be read\n", e->msg);
    f->told = true;
}

static int follow_events(struct follow *f, struct err *e)
{
    struct signals signals = {0};
    bool reader_gone = false; /* it has seen enough */
    if (signals_open(&signals, e) != 0)
        return -1;
    while (!signals.told && !reader_gone && !ferror(stdout)) {
        struct pollfd p[] = {{signals.fd, POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
        int more = read_new(f, e);
        if (more < 0)
            complain(f, e);
        poll(p, 2, more > 0 ? 0 : LOOK_MS); /* under load there is always more */
        reader_gone = p[1].revents & POLLERR;
        signals_take(&signals);
    }
    signals_close(&signals);
    if (reader_gone)
        clearerr(stdout);
    return 0;
}

int cmd_follow(const struct cmd *cmd, struct err *e)
{
    struct follow f = {.cmd = cmd,
                       .query = cmd_query(cmd),
                       .row = {.json = cmd->json, .wide = cmd->wide, .now_ms = cmd->now_ms},
                       .looked_ms = cmd->now_ms};
    f.query.oldest_first = true;
    if (cmd->endpoint && !config_has_endpoint(cmd->config, cmd->endpoint))
        return err_set(e, ERR_NOT_FOUND, "there is no endpoint %s", cmd->endpoint);
    f.store = cmd_store(cmd->config, false, e);
    if (!f.store)
        return -1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int result = cmd->since_ms || store_newest(f.store, &f.query.after, e) == 0 ? follow_events(&f, e) : -1;
    store_close(f.store);
    return result;
}
