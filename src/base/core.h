/* SPDX-License-Identifier: MIT
 *
 * core: a process whose memory holds secrets and events leaves no core file, and no other process of its user looks into it.
 *
 * The soft limit alone is lowered, so that a program that is started can have its own back. A limit of 0 does not stop a
 * core_pattern that is a program; a process that is not dumpable is passed over by that too.
 *
 * source: core(5); prctl(2), PR_SET_DUMPABLE
 */
#ifndef CORE_H
#define CORE_H

/* The sanitizers look at a process from another: in their flavour it stays dumpable. */
#if defined(__SANITIZE_ADDRESS__)
#define CORE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORE_SANITIZED 1
#endif
#endif
#ifndef CORE_SANITIZED
#define CORE_SANITIZED 0
#endif

/* First of all, and once more after a change of user, which may have made it dumpable. 0, or -1 and errno. */
int core_forbid(void);

/* For a debugger: dumpable, and the limit that this process had at first. */
void core_allow(void);

/*
 * Around the start of a program: it inherits the limit that this process had at first. This process stays not dumpable
 * meanwhile, and the program is dumpable by its exec.
 */
void core_lend_limit(void);
void core_take_limit(void);

#endif
