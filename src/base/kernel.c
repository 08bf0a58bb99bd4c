/* SPDX-License-Identifier: MIT
 * kernel: newer system calls, with fallbacks. */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

int kernel_memory_file(void)
{
    char names[][40] = {"/dev/shm/complycube-XXXXXX", "/tmp/complycube-XXXXXX", "./.complycube-XXXXXX"};
    int fd = memfd_create("body", MFD_CLOEXEC);
    for (size_t i = 0; fd < 0 && i < sizeof names / sizeof *names; i++)
        if ((fd = mkostemp(names[i], O_CLOEXEC)) >= 0)
            unlink(names[i]);
    return fd;
}

int kernel_random(void *bytes, size_t n)
{
    ssize_t got = getrandom(bytes, n, 0);
    int fd = got < 0 && errno == ENOSYS ? open("/dev/urandom", O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        got = read(fd, bytes, n);
        close(fd);
    }
    return got == (ssize_t)n ? 0 : -1;
}

int kernel_rename_new(int from_at, const char *from, int to_at, const char *to)
{
    /* musl has no function for it */
    return (int)syscall(SYS_renameat2, from_at, from, to_at, to, RENAME_NOREPLACE);
}

int kernel_flush(int fd)
{
    if (syncfs(fd) == 0)
        return 0;
    if (errno != ENOSYS)
        return -1;
    sync();
    return 0;
}
