/* SPDX-License-Identifier: MIT
 * dumpable: loaded before a receiver (LD_PRELOAD), it stays dumpable, so that a test which is not root may trace it and see
 * its descriptors. All else of its sandbox is as shipped; the receiver itself knows nothing of it. */
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int prctl(int option, ...)
{
    unsigned long arg[4];
    va_list args;
    va_start(args, option);
    for (int i = 0; i < 4; i++)
        arg[i] = va_arg(args, unsigned long);
    va_end(args);
    if (option == PR_SET_DUMPABLE)
        return 0;
    return (int)syscall(SYS_prctl, option, arg[0], arg[1], arg[2], arg[3]);
}
