/* SPDX-License-Identifier: MIT
 *
 * sandbox: what a receiver may still do once it has started, whoever controls its code. The only files that know Landlock
 * and seccomp.
 *
 *   Landlock  files are made and written below the folders of the database, of the inbox's directory and of the spool.
 *             The log is written, the configuration and the secret files are read. For each of these a FastCGI process
 *             has its folder, where it is and where it leads to as a link, if no neighbour there is to be kept from it:
 *             then it may be replaced by a rename, and a log be rotated so. Else, and in a CGI, it has the file alone.
 *             Nothing can be run, and nothing outside be signalled or connected to.
 *   seccomp   the calls of one table, with their arguments where these matter: no program, process, socket, tracing,
 *             executable memory, change of user or of a name's rights; no file that is a program of its owner's for others
 *             or that all may write. What is not in the table is ENOSYS, what is but
 *             with another argument EPERM. Not death: the C library tries a new call and falls back to an old one, and a
 *             process that an event has killed is killed by its every repetition. Who controls the code gains nothing by
 *             trying again.
 *   process   no new privileges; not dumpable, so that no other process of this user reads the keys; no core, no new
 *             process, 1024 descriptors; descriptors that are none of ours are closed; umask 0027.
 *
 * What the kernel or the architecture lacks is left out and said. With `sandbox = "off"` none but the last two is done, and
 * a core is as whoever started it wants it.
 *
 * When: a CGI before it reads its request, a FastCGI process before its first one. The rules of Landlock can only be
 * narrowed and are bound to folders that are there. So where the configuration is not usable yet, or a folder that is to
 * be written is missing, Landlock comes with the first moment at which both are well, and until then all else holds. A
 * CGI with such a fault ends without it.
 *
 * Not for use from two threads at once; what is confined belongs to the process, and so does the state in here.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "base/log.h"
#include "config/config.h"

enum { SANDBOX_LAYERS = 3 };

struct sandbox_layer {
    const char *name;
    bool on;        /* in force; of sandbox_look: would be */
    bool absent;    /* and never will be, here */
    char text[240]; /* of what kind, or why not */
};

struct sandbox_report {
    struct sandbox_layer layer[SANDBOX_LAYERS];
};

/* First of all: close what was inherited but for 0, 1, 2 and listen_fd (-1: none), and set the umask. */
void sandbox_begin(int listen_fd);

/*
 * Confine this process as far as c allows it by now; where all is done, nothing. c is what is in force, or broken.
 * brief: a CGI, where a start counts for more than a call
 * cost: some 100 us, once
 */
void sandbox_confine(const struct config *c, bool brief);

/* Is there nothing left to do for sandbox_confine? */
bool sandbox_is_done(void);

/* Log each layer that the kernel does not have, once. */
void sandbox_warn(const struct log *log, int64_t now_ms);

/* How it stands with this process. */
void sandbox_state(struct sandbox_report *report);

/* What a receiver that starts now with c would have, and which files alone; c may be NULL. For the user who asks. */
void sandbox_look(const struct config *c, struct sandbox_report *report);

/*
 * May this process use what c names? What it cannot reach any more is an error of c, and its cure a restart: it names
 * another folder, or a folder, or a file that it has alone, was replaced or mounted anew.
 * out:    0; or -1 and *e
 * cost:   some calls for each folder
 * errors: ERR_CONFIG
 */
int sandbox_reaches(const struct config *c, struct err *e);

#endif
