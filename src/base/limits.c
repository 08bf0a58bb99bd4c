/* SPDX-License-Identifier: MIT
 * limits: the limits of setrlimit(2). */
#include "limits.h"

#include <signal.h>
#include <sys/resource.h>

void limits_survive(void)
{
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGXCPU, SIG_IGN);
}

uint64_t limits_file_size(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur : UINT64_MAX;
}
