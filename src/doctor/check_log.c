/* SPDX-License-Identifier: MIT
 * check_log: the receiver's log, and the write-ahead log of the database. */
#include "base/log.h"
#include "doctor.h"
#include "store/sqlite/pinned.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void step_log(struct doctor *d, struct finding *f, const struct log_need *need)
{
    char blocked[PATH_MAX], name[40];
    struct stat st;
    uid_t uid = d->user ? d->user->pw_uid : geteuid();
    const char *who = d->cmd->root ? "" : "  # as root";
    if (need->error)
        finding_step(f, "by hand: name a file as log in line %d of %s", config_line(d->config, "log"),
                     d->config->path);
    else if (doctor_blocked(d->user, need->path, blocked))
        doctor_step_pass(d, f, d->user, blocked);
    else if (lstat(need->path, &st) != 0)
        finding_step(f, "install -d -o %w -m 700 %q%s", doctor_owner(uid, name), need->path,
                     uid == geteuid() ? "" : who);
    else if (st.st_uid == uid)
        finding_step(f, "chmod u+%w %q", S_ISDIR(st.st_mode) ? "wx" : "w", need->path);
    else if (S_ISREG(st.st_mode))
        finding_step(f, "chown -h %w %q%s", doctor_owner(uid, name), need->path, who);
    else
        finding_step(f, "by hand: let %s write %s, or name another file as log in line %d of %s",
                     doctor_owner(uid, name), need->path, config_line(d->config, "log"), d->config->path);
}

void doctor_log(struct doctor *d)
{
    struct log_need need;
    struct doctor_path p;
    struct err e = {0};
    if (!log_needs(d->config->log, &need))
        return;
    p.mode = need.mode;
    snprintf(p.path, sizeof p.path, "%s", need.path);
    if (!need.error && (doctor_try(d->user, &p, 1, &e) != 0 || p.error == 0))
        return;
    struct finding f = finding_of(FINDING_WRONG, "log", "its lines go to the web server's error log, or are lost");
    step_log(d, &f, &need);
    doctor_tell(d, &f, "%s cannot be opened: %s", d->config->log, strerror(need.error ? need.error : p.error));
}

void doctor_store_log(struct doctor *d)
{
    struct pinned p;
    if (!pinned_look(d->database, &p))
        return;
    struct finding f =
        finding_of(FINDING_WARNING, "log",
                   "it grows with each event until the disk is full, and holds events that the database's file "
                   "does not have");
    if (p.pid)
        finding_step(&f, "by hand: process %d (%s) keeps a transaction open: have it commit, or end it", (int)p.pid,
                     *p.name ? p.name : "its name is not known");
    else
        finding_step(&f, "by hand: find the program that keeps a transaction open, and end it: fuser -v %s-shm",
                     d->database);
    doctor_tell(d, &f, "%lld MB of %s-wal cannot be written back", (long long)(p.bytes >> 20), d->database);
}
