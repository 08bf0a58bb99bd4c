/* SPDX-License-Identifier: MIT
 *
 * startup: where this process was started and what its environment names. For the programs only.
 */
#ifndef STARTUP_H
#define STARTUP_H

#include "config.h"

/* The folder of the running program, at most size - 1 bytes; "." where it cannot be told. */
void startup_folder(const char *argv0, char *folder, size_t size);

/* What the process environment says about the configuration; `folder` is borrowed. */
struct config_env startup_config(const char *folder);

/* Is this descriptor a listening socket, as a FastCGI program gets it at its start? */
bool startup_is_listening(int fd);

/*
 * Make the key of COMPLYCUBE_WEBHOOK_SECRET, if it is set, and wipe it from the memory of this process, where
 * /proc/PID/environ shows it too. Once, before config_load.
 */
void startup_take_secret(struct config_env *env);

/* For the tool: the value of COMPLYCUBE_API_KEY, NULL if it is not set. The environment, and so a child, has it no more. */
char *startup_take_api_key(void);

#endif
