/* SPDX-License-Identifier: MIT
 * find: where this process was started and what its environment names. */
#include "find.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

void find_folder(const char *argv0, char *folder, size_t size)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n > 0)
        path[n] = '\0';
    if (files_folder(n > 0 ? path : argv0, folder, size) != 0)
        snprintf(folder, size, ".");
}

struct config_env find_config(const char *folder)
{
    return (struct config_env){
        .config = getenv("COMPLYCUBE_WEBHOOK_CONFIG"),
        .secret = getenv("COMPLYCUBE_WEBHOOK_SECRET"),
        .database = getenv("COMPLYCUBE_WEBHOOK_DATABASE"),
        .folder = folder,
        .sysconfdir = SYSCONFDIR,
    };
}
