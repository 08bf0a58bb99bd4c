/* SPDX-License-Identifier: MIT
 * seccomp: calls, by one table. source: docs.kernel.org/userspace-api/seccomp_filter.html */
#include "sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCHITECTURE 0xc000003e
#elif defined(__i386__)
#define ARCHITECTURE 0x40000003
#elif defined(__aarch64__) && defined(__LITTLE_ENDIAN__) | defined(__AARCH64EL__)
#define ARCHITECTURE 0xc00000b7
#elif defined(__arm__) && defined(__ARMEL__)
#define ARCHITECTURE 0x40000028
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE 0xc00000f3
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ARCHITECTURE 0xc0000015
#elif defined(__s390x__)
#define ARCHITECTURE 0x80000016
#elif defined(__loongarch64)
#define ARCHITECTURE 0xc0000102
#endif

#if !__has_include(<linux/filter.h>) || !__has_include(<linux/seccomp.h>)
#undef ARCHITECTURE
#endif

#ifdef ARCHITECTURE
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>

/*
 * A call's number as text, so that what an architecture does not have needs no #ifdef: it stays a name there, and is
 * passed over. A number may be a sum: "(0+322)".
 */
#define TEXT(x) #x
#define NUMBER(x) TEXT(x)
#define C(name) NUMBER(__NR_##name) ";"

static const char calls[] =
    /* the log of events and the socket, as often as anything */
    C(read) C(write) C(readv) C(writev) C(pread64) C(pwrite64) C(recvfrom) C(accept4) C(shutdown) C(close) C(dup)
        C(epoll_wait) C(epoll_pwait) C(epoll_ctl) C(poll) C(ppoll) C(ppoll_time64) C(select) C(_newselect) C(pselect6)
            C(pselect6_time64) C(fsync) C(fdatasync) C(flock) C(lseek) C(_llseek) C(ftruncate) C(ftruncate64)
                C(fallocate)
    /* files, which Landlock confines */
    C(stat) C(stat64) C(fstat) C(fstat64) C(lstat) C(lstat64) C(newfstatat) C(fstatat64) C(statx) C(statfs)
        C(statfs64) C(fstatfs) C(fstatfs64) C(access) C(faccessat) C(faccessat2) C(readlink) C(readlinkat) C(getcwd)
            C(getdents64) C(mkdir) C(mkdirat) C(rmdir) C(unlink) C(unlinkat) C(rename) C(renameat)
    /* of open files alone: a path would lead anywhere, since Landlock does not look at modes and owners */
    C(fchown) C(fchown32)
    /* memory */
    C(brk) C(munmap) C(mremap) C(madvise) C(futex) C(futex_time64)
    /* time and signals, for the deadline of a lock too */
    C(clock_gettime) C(clock_gettime64) C(gettimeofday) C(time) C(nanosleep) C(clock_nanosleep)
        C(clock_nanosleep_time64) C(restart_syscall) C(rt_sigaction) C(rt_sigprocmask) C(rt_sigpending)
            C(rt_sigreturn) C(sigreturn) C(timer_create) C(timer_settime) C(timer_settime64) C(timer_gettime)
                C(timer_gettime64) C(timer_delete)
    /* who we are, and the end */
    C(getpid) C(gettid) C(getuid) C(getuid32) C(geteuid) C(geteuid32) C(getgid) C(getgid32) C(getegid) C(getegid32)
        C(getrandom) C(sysinfo) C(ugetrlimit) C(getrlimit) C(exit) C(exit_group);

static const char calls_before_landlock[] = "444;445;446;";

/* LeakSanitizer looks at this process from another that shares its memory. */
static const char calls_sanitized[] = C(clone) C(ptrace) C(wait4) C(prctl) C(sigaltstack) C(getdents) C(sched_yield)
    C(getppid) C(process_vm_readv) C(kill) C(sched_getaffinity) C(set_robust_list) C(setrlimit) C(uname);

enum test { IS /* this value */, UP_TO, WITHOUT /* any of these bits */, NONE /* a null pointer */ };
enum { OWN_PID = 1, OWN_TID };
/*
 * Files that the receiver makes are 0600, 0640 or 0660, or have the mode of a database that somebody chose; folders 0700,
 * 02770 or 02750. What umask takes away, which nothing can change any more, need not be looked for when a file is made.
 */
enum {
    MAKES = O_CREAT | (O_TMPFILE & ~O_DIRECTORY),
    NOT_OF_NEW = 07111,
    NOT_OF_FILES = 07113,
    FOLDER = 0700,
    SHARED = 02770,
    SHOWN = 02750
};
enum { F_SETLKW_64 = 7 /* the kernel's own numbers: the C library of 32 bits has others */ };

/* Calls of which an argument decides; a call may have several rows, of which one must hold. */
static const struct checked {
    char call[30];
    uint8_t argument;
    enum test test;
    uint32_t value;
    int own; /* the value is of this process */
} checked[] = {
    {C(fcntl), 1, UP_TO, F_SETLKW_64 /* no owner, signal or lease */, 0},
    {C(fcntl), 1, IS, F_DUPFD_CLOEXEC, 0},
    {C(fcntl64), 1, UP_TO, F_SETLKW_64, 0},
    {C(fcntl64), 1, IS, 12 /* the locks of 64 bits */, 0},
    {C(fcntl64), 1, IS, 13, 0},
    {C(fcntl64), 1, IS, 14, 0},
    {C(fcntl64), 1, IS, F_DUPFD_CLOEXEC, 0},
    {C(open), 1, WITHOUT, MAKES, 0},
    {C(open), 2, WITHOUT, NOT_OF_NEW, 0},
    {C(openat), 2, WITHOUT, MAKES, 0},
    {C(openat), 3, WITHOUT, NOT_OF_NEW, 0},
    {C(fchmod), 1, WITHOUT, NOT_OF_FILES, 0},
    {C(fchmod), 1, IS, FOLDER, 0},
    {C(fchmod), 1, IS, SHARED, 0},
    {C(fchmod), 1, IS, SHOWN, 0},
    {C(renameat2), 4, UP_TO, RENAME_NOREPLACE /* no exchange, and no device in the old place */, 0},
    {C(mmap), 2, WITHOUT, PROT_EXEC, 0},
    {C(mmap2), 2, WITHOUT, PROT_EXEC, 0},
    {C(mprotect), 2, WITHOUT, PROT_EXEC, 0},
    {C(ioctl), 1, IS, TCGETS, 0} /* is it a terminal? asks libfcgi, */,
    {C(ioctl), 1, IS, TIOCGWINSZ, 0} /* in the words of musl */,
    {C(sendto), 4, NONE, 0, 0} /* to whom it is connected: no name of another socket */,
    {C(utimensat), 1, NONE, 0, 0} /* an open file, no path */,
    {C(utimensat_time64), 1, NONE, 0, 0},
    {C(prlimit64), 2, NONE, 0, 0} /* asking, not setting */,
    {C(tgkill), 0, IS, 0, OWN_PID} /* abort */,
    {C(tkill), 0, IS, 0, OWN_TID},
};

enum {
    CALLS_MAX = 512, /* numbers of calls; the newest is below 470 on each architecture */
    RUNS_MAX = 256,
    PROGRAM_MAX = 512, /* a jump reaches 255: half of the program, or the nearest ends */
    ENDS_AFTER = 128
};

/* Calls from one number to another; or one, whose argument decides. */
struct run {
    int from, to;
    const struct checked *row; /* the first one of it, or NULL */
};

enum label { NEXT, TO_ALLOW, TO_DENY };

enum { UNKNOWN = 0, ALLOWED = 1, CHECKED = 2 /* and the row's index */ };

struct program {
    struct sock_filter code[PROGRAM_MAX];
    uint8_t label[PROGRAM_MAX][2]; /* where a jump leads, if to an end */
    uint8_t call[CALLS_MAX];
    struct run run[RUNS_MAX];
    size_t n, n_runs;
    size_t open; /* the first instruction with a label that has no end yet */
    bool broken; /* a table is too long */
};

/* ---- numbers ---- */

/* The next number of a text like calls[]; -1: this architecture does not have it. *at moves on. */
static int next_call(const char **at)
{
    int sum = 0, term = 0;
    bool named = false;
    for (; **at != ';'; ++*at) {
        bool digit = **at >= '0' && **at <= '9';
        named |= **at == '_';
        term = digit ? term * 10 + (**at - '0') : 0;
        sum = digit && term >= 10 ? sum - term / 10 + term : sum + term;
    }
    ++*at;
    return named ? -1 : sum;
}

static void add_call(struct program *p, int number, uint8_t how)
{
    if (number >= CALLS_MAX)
        p->broken = true;
    else if (number >= 0)
        p->call[number] = how;
}

static void add_calls(struct program *p, const char *text)
{
    while (*text)
        add_call(p, next_call(&text), ALLOWED);
}

static bool same_call(const struct checked *a, const struct checked *b) { return strcmp(a->call, b->call) == 0; }

static void add_checked(struct program *p)
{
    for (size_t i = 0; i < sizeof checked / sizeof *checked; i++) {
        const char *text = checked[i].call;
        if (i == 0 || !same_call(&checked[i], &checked[i - 1]))
            add_call(p, next_call(&text), (uint8_t)(CHECKED + i));
    }
}

static void find_runs(struct program *p)
{
    for (int i = 0; i < CALLS_MAX && !p->broken; i++) {
        struct run *last = &p->run[p->n_runs ? p->n_runs - 1 : 0];
        if (p->call[i] == ALLOWED && p->n_runs && !last->row && last->to == i - 1)
            last->to = i;
        else if (p->call[i] != UNKNOWN && p->n_runs == RUNS_MAX)
            p->broken = true;
        else if (p->call[i] != UNKNOWN)
            p->run[p->n_runs++] = (struct run){i, i, p->call[i] == ALLOWED ? NULL : &checked[p->call[i] - CHECKED]};
    }
}

/* ---- code ---- */

static void emit(struct program *p, uint16_t code, size_t yes, size_t no, uint32_t value)
{
    p->broken |= yes > UINT8_MAX || no > UINT8_MAX || p->n == PROGRAM_MAX;
    if (p->broken)
        return;
    p->label[p->n][0] = p->label[p->n][1] = NEXT;
    p->code[p->n++] = (struct sock_filter){code, (uint8_t)yes, (uint8_t)no, value};
}

/* A jump on the number of the call, to labels or by one. */
static void jump(struct program *p, uint16_t code, int number, enum label yes, enum label no)
{
    emit(p, (uint16_t)(BPF_JMP | code | BPF_K), 0, 0, (uint32_t)number);
    if (p->broken)
        return;
    p->label[p->n - 1][0] = (uint8_t)yes;
    p->label[p->n - 1][1] = (uint8_t)no;
}

static void load_filter(struct program *p, size_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void give_result(struct program *p, uint32_t action) { emit(p, BPF_RET | BPF_K, 0, 0, action); }

static size_t argument(unsigned n, bool high)
{
    const bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    return offsetof(struct seccomp_data, args) + n * sizeof(uint64_t) + (high != big ? 4 : 0);
}

/* Let the argument decide, then fall to what comes behind. */
static void check_argument(struct program *p, const struct checked *c)
{
    uint32_t value = c->own == OWN_PID ? (uint32_t)getpid() : c->own == OWN_TID ? (uint32_t)gettid() : c->value;
    load_filter(p, argument(c->argument, false));
    switch (c->test) {
    case IS: emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value); break;
    case UP_TO: emit(p, BPF_JMP | BPF_JGT | BPF_K, 1, 0, value); break;
    case WITHOUT: emit(p, BPF_JMP | BPF_JSET | BPF_K, 1, 0, value); break;
    case NONE:
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0);
        load_filter(p, argument(c->argument, true));
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
        break;
    }
    give_result(p, SECCOMP_RET_ALLOW);
}

static void decide(struct program *p, const struct run *r, int from, int to)
{
    if (r->row) {
        jump(p, BPF_JEQ, r->from, NEXT, TO_DENY);
        for (const struct checked *c = r->row; c < checked + sizeof checked / sizeof *checked && same_call(c, r->row);
             c++)
            check_argument(p, c);
        give_result(p, SECCOMP_RET_ERRNO | EPERM);
        return;
    }
    if (r->from > from)
        jump(p, BPF_JGE, r->from, NEXT, TO_DENY);
    if (r->to + 1 < to)
        jump(p, BPF_JGT, r->to, TO_DENY, TO_ALLOW);
    else
        give_result(p, SECCOMP_RET_ALLOW);
}

/* The two ends of a part of the program, and each jump of it to them. What stands before them never falls through. */
static void place_ends(struct program *p)
{
    size_t end[] = {[TO_ALLOW] = p->n, [TO_DENY] = p->n + 1};
    for (size_t i = p->open; i < p->n && !p->broken; i++)
        for (size_t k = 0; k < 2; k++) {
            uint8_t label = p->label[i][k];
            size_t far = label == NEXT ? 0 : end[label] - i - 1;
            p->broken |= far > UINT8_MAX;
            if (label != NEXT)
                *(k ? &p->code[i].jf : &p->code[i].jt) = (uint8_t)far;
        }
    give_result(p, SECCOMP_RET_ALLOW);
    give_result(p, SECCOMP_RET_ERRNO | ENOSYS);
    p->open = p->n;
}

/* Find the call among n runs by halves; it is known to lie in from .. to - 1. */
static void search(struct program *p, const struct run *r, size_t n, int from, int to)
{
    if (n == 1) {
        decide(p, r, from, to);
        if (p->n - p->open > ENDS_AFTER)
            place_ends(p);
        return;
    }
    const struct run *middle = r + n / 2;
    size_t at = p->n;
    emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 0, (uint32_t)middle->from);
    search(p, r, n / 2, from, middle->from);
    size_t far = p->n - at - 1;
    p->broken |= far > UINT8_MAX;
    if (p->broken)
        return;
    p->code[at].jt = (uint8_t)far;
    search(p, middle, n - n / 2, middle->from, to);
}

static void build(struct program *p, bool later, bool brief)
{
    p->n = p->n_runs = p->open = 0;
    p->broken = false;
    memset(p->call, UNKNOWN, sizeof p->call);
    add_calls(p, calls);
    if (later)
        add_calls(p, calls_before_landlock);
    if (SANDBOX_SANITIZED)
        add_calls(p, calls_sanitized);
    add_checked(p);
    find_runs(p);
    if (brief) /* what looks at an argument is not tried with every number by the kernel, which takes a quarter of all */
        load_filter(p, argument(0, false));
    load_filter(p, offsetof(struct seccomp_data, arch));
    jump(p, BPF_JEQ, (int)ARCHITECTURE, NEXT, TO_DENY);
    load_filter(p, offsetof(struct seccomp_data, nr));
    search(p, p->run, p->n_runs, 0, INT_MAX);
    place_ends(p);
}

int sandbox_seccomp_probe(const char **why)
{
    /* Without a program it fails with EFAULT where there is the call, as seccomp(2) says. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) != 0 && errno == EFAULT)
        return 0;
    *why = "the kernel was built without it";
    return -1;
}

int sandbox_seccomp(bool later, bool brief, const char **why)
{
    struct program p;
    build(&p, later, brief);
    struct sock_fprog program = {(unsigned short)p.n, p.code};
    if (!p.broken && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
        return 0;
    *why = p.broken                             ? "the table is too long"
           : errno == EINVAL || errno == ENOSYS ? "the kernel has none"
                                                : strerror(errno);
    return -1;
}

#else

int sandbox_seccomp_probe(const char **why)
{
    *why = "not for this architecture, or built without the kernel's headers";
    return -1;
}

int sandbox_seccomp(bool later, bool brief, const char **why)
{
    (void)later, (void)brief;
    return sandbox_seccomp_probe(why);
}

#endif
