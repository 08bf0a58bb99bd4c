/* SPDX-License-Identifier: MIT
 * startup: where this process was started and what its environment names. */
#include "startup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

/* Below a changed root, and on some hosts, there is no /proc: then what execve was told. source: getauxval(3) */
static const char *started_as(const char *argv0)
{
    const char *name = (const char *)getauxval(AT_EXECFN);
    return name && *name ? name : argv0;
}

void startup_folder(const char *argv0, char *folder, size_t size)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n > 0)
        path[n] = '\0';
    if (files_folder(n > 0 ? path : started_as(argv0), folder, size) != 0)
        snprintf(folder, size, ".");
}

struct config_env startup_config(const char *folder)
{
    return (struct config_env){
        .config = getenv("COMPLYCUBE_WEBHOOK_CONFIG"),
        .secret = getenv("COMPLYCUBE_WEBHOOK_SECRET"),
        .database = getenv("COMPLYCUBE_WEBHOOK_DATABASE"),
        .folder = folder,
        .sysconfdir = SYSCONFDIR,
    };
}

void startup_take_secret(struct config_env *env)
{
    static const char name[] = "COMPLYCUBE_WEBHOOK_SECRET=";
    static struct secrets taken;
    static struct err why;
    if (!env->secret)
        return;
    secrets_from_text(&taken, env->secret, &why);
    env->taken = &taken;
    env->refused = &why;
    for (char **p = environ; *p; p++) {
        char *value = strstr(*p, name); /* Apache repeats it as REDIRECT_... */
        if (value && value < strchr(*p, '='))
            explicit_bzero(value + sizeof name - 1, strlen(value + sizeof name - 1));
    }
}

char *startup_take_api_key(void)
{
    static const char name[] = "COMPLYCUBE_API_KEY";
    char *value = getenv(name), *taken = value ? strdup(value) : NULL;
    if (value)
        explicit_bzero(value, strlen(value));
    unsetenv(name);
    return taken;
}

bool startup_is_listening(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}
