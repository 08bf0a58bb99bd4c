/* SPDX-License-Identifier: MIT
 * core: no core file, and not dumpable. */
#include "core.h"

#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static struct rlimit first; /* as this process was started */
static bool known;

static void set_limit(rlim_t soft)
{
    const struct rlimit limit = {soft, first.rlim_max};
    if (known)
        setrlimit(RLIMIT_CORE, &limit);
}

int core_forbid(void)
{
    known = known || getrlimit(RLIMIT_CORE, &first) == 0;
    core_take_limit();
    return CORE_SANITIZED ? 0 : prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void core_allow(void)
{
    core_lend_limit();
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

void core_lend_limit(void) { set_limit(first.rlim_cur); }

void core_take_limit(void) { set_limit(0); }
