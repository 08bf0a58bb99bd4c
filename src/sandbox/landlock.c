/* SPDX-License-Identifier: MIT
 * landlock: files, by folder or alone. source: docs.kernel.org/userspace-api/landlock.html */
#include "sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Numbers and bits are the same everywhere but on old architectures; headers are older than kernels. */
#if !defined(SYS_landlock_create_ruleset) && !defined(__alpha__) && !defined(__mips__)
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum {
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_DIR = 1 << 4,
    REMOVE_FILE = 1 << 5,
    MAKE_DIR = 1 << 7,
    MAKE_REG = 1 << 8,
    REFER = 1 << 13,
    TRUNCATE = 1 << 14,
};
enum { VERSION = 1, PATH_BENEATH = 1 };

static const uint32_t uses[] = {
    [SANDBOX_FILE] = READ_FILE,
    [SANDBOX_READ] = READ_FILE | (SANDBOX_SANITIZED ? READ_DIR : 0),
    [SANDBOX_LOG_FILE] = WRITE_FILE,
    [SANDBOX_LOG] = WRITE_FILE | MAKE_REG,
    [SANDBOX_WRITE] =
        READ_FILE | READ_DIR | WRITE_FILE | MAKE_REG | REMOVE_FILE | MAKE_DIR | REMOVE_DIR | REFER | TRUNCATE,
};

/* What each version can forbid: all bits of files up to one; TCP's bind and connect; abstract sockets and signals. */
static const struct attributes {
    uint64_t files, net, scoped;
} versions[] = {{0}, {0x1fff, 0, 0}, {0x3fff, 0, 0}, {0x7fff, 0, 0}, {0x7fff, 3, 0}, {0xffff, 3, 0}, {0xffff, 3, 3}};

enum { KNOWN = sizeof versions / sizeof *versions - 1 };

struct beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

#ifdef SYS_landlock_create_ruleset

int sandbox_landlock_abi(const char **why)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION);
    if (abi < 1)
        *why = errno == EOPNOTSUPP ? "the kernel has it switched off; its parameter lsm= names what is on"
                                   : "the kernel has none; it came with Linux 5.13";
    return abi < 1 ? 0 : abi;
}

/* Allow one use. 1: it is not there, and needed */
static int add_rule(int rules, struct sandbox_rule *r, uint64_t handled)
{
    struct stat st;
    int fd = open(r->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return r->needed;
    struct beneath below = {uses[r->use] & handled, fd};
    bool file = r->use == SANDBOX_FILE || r->use == SANDBOX_LOG_FILE;
    bool failed = fstat(fd, &st) != 0 || file == S_ISDIR(st.st_mode) ||
                  syscall(SYS_landlock_add_rule, rules, PATH_BENEATH, &below, 0) != 0;
    close(fd);
    r->dev = st.st_dev;
    r->ino = failed ? 0 : st.st_ino;
    return failed && r->needed ? -1 : 0;
}

int sandbox_landlock(int abi, struct sandbox_rule *rules, size_t n, bool moves, const char **why)
{
    if (abi == 1 && moves) {
        *why = SANDBOX_NO_MOVES;
        return -1;
    }
    struct attributes all = versions[abi < KNOWN ? abi : KNOWN];
    int fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    int failed = fd < 0 ? -1 : 0;
    for (size_t i = 0; i < n && !failed; i++)
        failed = add_rule(fd, &rules[i], all.files);
    if (!failed)
        failed = syscall(SYS_landlock_restrict_self, fd, 0) == 0 ? 0 : -1;
    if (failed < 0)
        *why = strerror(errno);
    if (fd >= 0)
        close(fd);
    return failed;
}

#else

int sandbox_landlock_abi(const char **why)
{
    *why = "not on this architecture";
    return 0;
}

int sandbox_landlock(int abi, struct sandbox_rule *rules, size_t n, bool moves, const char **why)
{
    (void)abi, (void)rules, (void)n, (void)moves;
    sandbox_landlock_abi(why);
    return -1;
}

#endif
