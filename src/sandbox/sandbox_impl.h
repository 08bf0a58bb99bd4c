/* SPDX-License-Identifier: MIT
 *
 * sandbox_impl: what the layers of the sandbox share.
 */
#ifndef SANDBOX_IMPL_H
#define SANDBOX_IMPL_H

#include "base/core.h"
#include "sandbox.h"

#include <sys/types.h>

/* What the sanitizers' own run time needs, such as a look at /proc and a second process, is let through in their flavour. */
#define SANDBOX_SANITIZED CORE_SANITIZED

/* What may be done below a path; more includes less, but none of the log reads. */
enum sandbox_use {
    SANDBOX_FILE,     /* this file alone may be read */
    SANDBOX_READ,     /* its files may be read */
    SANDBOX_LOG_FILE, /* this file alone may be written */
    SANDBOX_LOG,      /* files may be made and written */
    SANDBOX_WRITE,    /* anything but programs, devices, sockets and links */
};

struct sandbox_rule {
    const char *path;
    enum sandbox_use use;
    bool needed; /* Landlock waits until it is there */
    dev_t dev;   /* out: of what stands there; ino 0: nothing did */
    ino_t ino;
};

/* ---- neighbours.c ---- */

/*
 * May a rule for a file's folder stand for one for the file alone? SANDBOX_LOG: if nothing but this log and its rotations is
 * there; SANDBOX_READ: if there is nothing but what c names and what every user of the machine may read.
 */
bool sandbox_is_alone(const struct config *c, const char *path, enum sandbox_use use);

/* ---- landlock.c ---- */

#define SANDBOX_NO_MOVES \
    "the kernel's first version of it forbids the renames of the directory form; Linux 5.19 has another"

/* The version of Landlock that the kernel has; 0 and *why (a text that lives for ever): none. */
int sandbox_landlock_abi(const char **why);

/*
 * Confine to these rules. moves: files are renamed from one folder into another, which the first version forbids.
 * out: 0; or, and nothing is changed then, 1: one that is needed is not there; -1 and *why
 */
int sandbox_landlock(int abi, struct sandbox_rule *rules, size_t n, bool moves, const char **why);

/* ---- seccomp.c ---- */

/* Could it be confined so? 0, or -1 and *why. */
int sandbox_seccomp_probe(const char **why);

/* Confine to the calls of the table. later: Landlock is still to come; brief: for so few calls that starting is what costs */
int sandbox_seccomp(bool later, bool brief, const char **why);

#endif
