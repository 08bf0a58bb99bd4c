/* SPDX-License-Identifier: MIT
 * attacker: in the receiver's place, behind the very same sandbox with the very same configuration, try what who controls
 * its code would. A line of TAP for each. Run by sandbox.t: attacker CONFIG OUTSIDE PID cgi|fcgi
 *
 * in: OUTSIDE  a folder that this user may write, with a file "other" in it;  PID  a process of this user
 *     Beside the first secret file is a file "api-key.live", and beside the log one "other.log". */
#include "base/clock.h"
#include "receiver/receiver.h"
#include "sandbox/sandbox_impl.h"
#include "web/web.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SYS_mmap
#define SYS_mmap SYS_mmap2 /* of 32 bits: the last number counts pages, and is 0 here */
#endif

static char outside[PATH_MAX], conf[PATH_MAX], folder[PATH_MAX], data[PATH_MAX], keys[PATH_MAX], logs[PATH_MAX];
static pid_t victim;
static int memory, datagram, tests, wrong;
static bool has_files, has_calls;

static void tell(bool good, const char *what, const char *name)
{
    printf("%sok %d - %s%s\n", good ? "" : "not ", ++tests, what, name);
    wrong += !good;
}

static const char *at(const char *in, const char *name)
{
    static char path[4][PATH_MAX + 64];
    static unsigned n;
    char *out = path[n++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", in, name);
    return out;
}

/* ---- files: what Landlock forbids ---- */

static int opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600);
    int kept = errno;
    if (fd >= 0)
        close(fd);
    errno = kept;
    return fd < 0 ? -1 : 0;
}

static int reads_users(void) { return opens("/etc/passwd", O_RDONLY); }
static int reads_another(void) { return opens(at(outside, "other"), O_RDONLY); }
static int writes_another(void) { return opens(at(outside, "other"), O_WRONLY); }
static int truncates_another(void) { return opens(at(outside, "other"), O_WRONLY | O_TRUNC); }
static int makes_a_file(void) { return opens(at(outside, "made"), O_WRONLY | O_CREAT); }
static int makes_in_tmp(void) { return opens("/tmp/complycube-attacker", O_WRONLY | O_CREAT | O_EXCL); }
static int makes_unnamed(void) { return opens("/tmp", O_WRONLY | O_TMPFILE); }
static int lists_root(void) { return opens("/", O_RDONLY | O_DIRECTORY); }
static int lists_outside(void) { return opens(outside, O_RDONLY | O_DIRECTORY); }
static int reads_first_process(void) { return opens("/proc/1/status", O_RDONLY); }
static int reads_own_memory(void) { return opens("/proc/self/mem", O_RDWR); }
static int reads_own_maps(void) { return opens("/proc/self/maps", O_RDONLY); }
static int reads_victims_memory(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/mem", (long)victim);
    return opens(path, O_RDONLY);
}
static int opens_null(void) { return opens("/dev/null", O_RDWR); }
static int opens_terminal(void) { return opens("/dev/tty", O_RDWR); }
static int opens_shared_memory(void) { return opens("/dev/shm/complycube-attacker", O_RDWR | O_CREAT | O_EXCL); }
static int writes_configuration(void) { return opens(conf, O_WRONLY); }
static int makes_beside_configuration(void) { return opens(at(folder, "made.php"), O_WRONLY | O_CREAT); }
static int lists_configuration(void) { return opens(folder, O_RDONLY | O_DIRECTORY); }
static int removes_configuration(void) { return unlink(conf); }
static int replaces_configuration(void) { return rename(at(data, "mine"), conf); }
static int moves_out(void) { return rename(at(data, "mine"), at(outside, "mine")); }
static int moves_in(void) { return rename(at(outside, "other"), at(data, "other")); }
static int makes_a_folder(void) { return mkdir(at(outside, "folder"), 0700); }
static int removes_another(void) { return unlink(at(outside, "other")); }
static int goes_up(void)
{
    int fd = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC), up = openat(fd, "../../../../../etc/passwd", O_RDONLY);
    close(fd);
    return up;
}
static int follows_a_link(void) { return opens(at(data, "link-to-other"), O_RDONLY); }
static int reads_a_secret_elsewhere(void) { return opens("/etc/hostname", O_RDONLY); }
static int reads_beside_secrets(void) { return opens(at(keys, "api-key.live"), O_RDONLY); }
static int writes_beside_log(void) { return opens(at(logs, "other.log"), O_WRONLY | O_APPEND); }
static int truncates_beside_log(void) { return opens(at(logs, "other.log"), O_WRONLY | O_TRUNC); }
static int removes_beside_log(void) { return unlink(at(logs, "other.log")); }
static int renames_beside_log(void) { return rename(at(logs, "other.log"), at(logs, "another.log")); }
static int makes_beside_log(void) { return opens(at(logs, "made.log"), O_WRONLY | O_CREAT); }
static int maps_a_library(void) { return opens("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY); }

static const struct file_row {
    const char *name;
    int (*try)(void);
    bool works; /* without a sandbox it does, and harms nothing: shown before */
} files[] = {
    {"read /etc/passwd", reads_users, true},
    {"read another file of its user", reads_another, true},
    {"write it", writes_another, true},
    {"empty it", truncates_another, false},
    {"make a file beside it", makes_a_file, false},
    {"make a file in /tmp", makes_in_tmp, false},
    {"make a file without a name in /tmp", makes_unnamed, false},
    {"list /", lists_root, true},
    {"list a folder of its user", lists_outside, true},
    {"read of process 1", reads_first_process, true},
    {"open its own memory", reads_own_memory, true},
    {"read where its own memory is", reads_own_maps, true},
    {"open the memory of another process of its user", reads_victims_memory, false},
    {"open /dev/null", opens_null, true},
    {"open its terminal", opens_terminal, false},
    {"make shared memory", opens_shared_memory, false},
    {"write its configuration", writes_configuration, true},
    {"make a file beside its configuration", makes_beside_configuration, false},
    {"list what is beside its configuration", lists_configuration, true},
    {"remove its configuration", removes_configuration, false},
    {"put another configuration in place", replaces_configuration, false},
    {"move a file out of its folders", moves_out, false},
    {"move a file into them", moves_in, false},
    {"make a folder elsewhere", makes_a_folder, false},
    {"remove a file elsewhere", removes_another, false},
    {"go up from a folder that it may use", goes_up, true},
    {"follow a link out of it", follows_a_link, true},
    {"read /etc/hostname", reads_a_secret_elsewhere, false},
    {"read what is beside its secrets", reads_beside_secrets, true},
    {"write what is beside its log", writes_beside_log, true},
    {"empty it", truncates_beside_log, false},
    {"remove it", removes_beside_log, false},
    {"rename it", renames_beside_log, false},
    {"make a file beside its log", makes_beside_log, false},
    {"open a library", maps_a_library, false},
};

/* ---- calls that are not in the table: ENOSYS ---- */

#define N(name, ...) \
    { \
#name, SYS_##name, {__VA_ARGS__ }, ENOSYS \
    }
#define A(text, name, ...) \
    { \
        text, SYS_##name, {__VA_ARGS__}, EPERM \
    }

static long long own[64]; /* an address that is valid, with room for any answer */
static const struct sockaddr_un abstract = {AF_UNIX, "\0complycube"};
static char *const empty[] = {(char *)(uintptr_t) "/bin/true", NULL};
#define L(x) ((long)(uintptr_t)(x))

struct call_row {
    const char *name;
    long call, arguments[6];
    int error;
};

static const struct call_row calls[] = {
#ifdef SYS_fork
    N(fork, 0),
    N(vfork, 0),
#endif
    N(clone, SIGCHLD),
    N(clone3, L(own), 64),
    N(execve, L("/bin/true"), L(empty), L(empty + 1)),
    N(execveat, AT_FDCWD, L("/bin/true"), L(empty), L(empty + 1)),
    N(ptrace, PTRACE_TRACEME),
    N(process_vm_readv, 1),
    N(process_vm_writev, 1),
    N(kill, 1, 0),
    N(rt_sigqueueinfo, 1, 0),
    N(pidfd_open, 1),
    N(pidfd_send_signal, 1),
    N(socket, AF_UNIX, SOCK_STREAM),
    N(socketpair, AF_UNIX, SOCK_STREAM, 0, L(own)),
    N(connect, 0),
    N(bind, 0),
    N(listen, 0),
    N(sendmsg, 0),
    N(recvmsg, 0),
    N(sendmmsg, 0),
    N(setsockopt, 0),
    N(symlinkat, L("/etc/passwd"), AT_FDCWD, L("x")),
    N(linkat, AT_FDCWD, L("x"), AT_FDCWD, L("y")),
    N(mknodat, AT_FDCWD, L("x"), S_IFIFO | 0600),
    N(truncate, L("x")),
    N(fchmodat, AT_FDCWD, L("x"), 0777),
    N(fchownat, AT_FDCWD, L("x")),
    N(setxattr, L("x")),
    N(fsetxattr, 0),
    N(chdir, L("/")),
    N(fchdir, 0),
    N(chroot, L("/")),
    N(name_to_handle_at, AT_FDCWD),
    N(open_by_handle_at, AT_FDCWD),
    N(openat2, AT_FDCWD),
    N(umask, 0),
    N(setuid, 0),
    N(setgid, 0),
    N(setresuid, 0),
    N(setgroups, 0),
    N(capset, L(own)),
    N(setrlimit, RLIMIT_CORE, L(own)),
    N(mount, L("x")),
    N(umount2, L("x")),
    N(pivot_root, L("x")),
    N(move_mount, 0),
    N(fsopen, L("tmpfs")),
    N(unshare, CLONE_NEWUSER),
    N(setns, 0),
    N(io_uring_setup, 1, L(own)),
    N(bpf, 0),
    N(perf_event_open, L(own)),
    N(userfaultfd, 0),
    N(keyctl, 0),
    N(add_key, L("user")),
    N(request_key, L("user")),
    N(personality, 0x0400000 /* READ_IMPLIES_EXEC */),
    N(prctl, PR_SET_DUMPABLE, 1),
    N(seccomp, 0),
    N(memfd_create, L("x")),
    N(pkey_mprotect, 0),
    N(shmget, 0, 4096),
    N(shmat, 0),
    N(msgget, 0),
    N(semget, 0),
    N(mq_open, L("/x")),
    N(inotify_init1, 0),
    N(fanotify_init, 0),
    N(splice, 0),
    N(sendfile, 1, 0),
    N(copy_file_range, 0),
    N(dup3, 0, 1),
    N(pipe2, L(own)),
    N(eventfd2, 0),
    N(setpriority, 0),
    N(sched_setaffinity, 0),
    N(clock_settime, 0, L(own)),
    N(finit_module, 0),
    N(acct, 0),
    N(syslog, 3),
    N(landlock_create_ruleset, 0, 0, 1),
    N(msync, 0),
    N(mincore, 0),
    N(times, L(own)),
    N(getrusage, 0, L(own)),
    N(clock_getres, 0, L(own)),
#ifdef SYS_getdents
    N(getdents, 0),
#endif
    A("mmap of memory that is executable", mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1),
    A("mmap of memory that is writable and executable", mmap, 0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1),
    A("mprotect to executable", mprotect, 0, 4096, PROT_EXEC),
    A("prlimit64 that raises a limit", prlimit64, 0, RLIMIT_NPROC, L(own)),
    A("fcntl for a signal", fcntl, 0, F_SETSIG, SIGKILL),
    A("fcntl for an owner", fcntl, 0, F_SETOWN, 1),
    A("fcntl for a lease", fcntl, 0, F_SETLEASE, F_RDLCK),
    A("ioctl that types into a terminal", ioctl, 0, 0x5412, L("x")),
    A("utimensat of a path", utimensat, AT_FDCWD, L("x")),
    A("renameat2 that leaves a device", renameat2, AT_FDCWD, L("x"), AT_FDCWD, L("y"), 4 /* RENAME_WHITEOUT */),
    A("renameat2 that exchanges two names", renameat2, AT_FDCWD, L("x"), AT_FDCWD, L("y"), 2 /* RENAME_EXCHANGE */),
    A("tgkill of another", tgkill, 1, 1, 0),
    A("tkill of another", tkill, 1, 0),
    A("sendto to a name", sendto, 0, L("x"), 1, 0, L(&abstract), sizeof abstract),
};

static void try_calls(void)
{
    char name[160];
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const struct call_row *r = &calls[i];
        const long *a = r->arguments;
        errno = 0;
        long result = syscall(r->call, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (result == 0 && (r->call == SYS_clone
#ifdef SYS_fork
                            || r->call == SYS_fork || r->call == SYS_vfork
#endif
                            ))
            _exit(0); /* the child, which must not be there: it tells nothing */
        snprintf(name, sizeof name, "%s (%s)", r->name, result == -1 ? strerror(errno) : "it did");
        tell(result == -1 && errno == r->error, "no ", name);
    }
}

/* ---- modes: what is made may be no program of another, and no file that all may write ---- */

static void try_modes(void)
{
    static const mode_t wrong_modes[] = {04600, 04755, 02755, 02770 | 01, 06770, 0755, 0711, 0610, 0662, 0666, 0777};
    static const mode_t right_modes[] = {0600, 0640, 0660, 0644, 0664, 0700, 02770, 02750};
    char name[64];
    int fd = open(at(data, "made"), O_RDWR | O_CREAT, 0600);
    for (size_t i = 0; i < sizeof wrong_modes / sizeof *wrong_modes; i++) {
        snprintf(name, sizeof name, "%04o", (unsigned)wrong_modes[i]);
        tell(fchmod(fd, wrong_modes[i]) != 0 && errno == EPERM, "no file gets mode ", name);
    }
    for (size_t i = 0; i < sizeof right_modes / sizeof *right_modes; i++) {
        snprintf(name, sizeof name, "%04o", (unsigned)right_modes[i]);
        tell(fchmod(fd, right_modes[i]) == 0, "it still gives a file mode ", name);
    }
    close(fd);
    unlink(at(data, "made"));
    for (size_t i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "%04o", (unsigned)wrong_modes[i]);
        tell(open(at(data, "made"), O_WRONLY | O_CREAT, wrong_modes[i]) < 0 && errno == EPERM,
             "none is made with mode ", name);
#ifdef SYS_open
        tell(syscall(SYS_open, at(data, "made"), O_WRONLY | O_CREAT, wrong_modes[i]) < 0 && errno == EPERM,
             "... by the older call, mode ", name);
#endif
        tell(open(data, O_WRONLY | O_TMPFILE, wrong_modes[i]) < 0 && errno == EPERM, "... without a name, mode ",
             name);
    }
    tell(syscall(SYS_openat, AT_FDCWD, conf, O_RDONLY, 04755) >= 0, "the mode does not count ", "if no file is made");
}

/* What takes more than one call. */
#if defined(__x86_64__) && !SANDBOX_SANITIZED
static sigjmp_buf fault;

static void faulted(int number)
{
    (void)number;
    siglongjmp(fault, 1);
}

/* getpid; a kernel that is built without such calls answers with a signal. */
static long call_of_32_bits(void)
{
    long result = 20;
    struct sigaction catch = {.sa_handler = faulted, .sa_flags = SA_NODEFER};
    if (sigaction(SIGSEGV, &catch, NULL) != 0 || sigsetjmp(fault, 0) != 0)
        return -ENOSYS;
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return result;
}
#endif

static void try_more(void)
{
    bool any = false;
    for (int family = 0; family < 64; family++)
        for (int type = 1; type < 11; type++)
            any |= socket(family, type, 0) >= 0;
    tell(!any, "no socket of ", "any family");
    tell(kill(victim, 0) != 0 && syscall(SYS_tgkill, victim, victim, SIGKILL) != 0, "no signal ",
         "to another process");
    tell(ptrace(PTRACE_ATTACH, victim, NULL, NULL) != 0, "no tracing ", "of another process");
    tell(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, memory, 0) == MAP_FAILED &&
             syscall(SYS_execveat, memory, "", empty, empty + 1, AT_EMPTY_PATH) != 0,
         "no program ", "out of memory that was there before");
    tell(sendto(datagram, "x", 1, 0, (const struct sockaddr *)&abstract, sizeof abstract) != 0 && errno == EPERM,
         "no letter ", "to another than the connected socket was connected to");
    long page = sysconf(_SC_PAGESIZE);
    char *code = (char *)(L(tell) & ~(page - 1));
    tell(mprotect(code, (size_t)page, PROT_READ | PROT_WRITE | PROT_EXEC) != 0, "no change ", "of its own code");
#if defined(__x86_64__) && !SANDBOX_SANITIZED
    tell(call_of_32_bits() == -ENOSYS, "no call ", "of another architecture");
    tell(syscall(0x40000000 | SYS_getpid) == -1, "no call ", "of x32");
#endif
    tell(prctl(PR_GET_NO_NEW_PRIVS) == -1 && errno == ENOSYS, "no question ", "about itself either");
}

/* ---- what is needed must work ---- */

static void try_needed(struct receiver *r)
{
    struct err e = {0};
    int64_t now = clock_time_ms();
    struct config *again = config_load(&r->env, now);
    tell(again && again->error.code == ERR_NONE, "it still reads ", "the configuration and the secrets");
    if (again && again->error.code != ERR_NONE)
        printf("# %s\n", again->error.msg);
    config_free(again);
    tell(opens(r->config->log, O_WRONLY | O_APPEND | O_CREAT) == 0, "it still opens ", "its log");
    tell(receiver_store(r, &e) != NULL, "it still opens ", "the store");
    tell(receiver_state(r, now, &e) == ERR_NONE, "it is ", "ready");
    tell(opens(at(data, "made"), O_WRONLY | O_CREAT) == 0 && rename(at(data, "made"), at(data, "renamed")) == 0 &&
             unlink(at(data, "renamed")) == 0,
         "it still makes, renames and removes ", "files beside the database");
    tell(mkdir(at(data, "folder"), 0700) == 0 && rmdir(at(data, "folder")) == 0, "and ", "folders");
    void *memory_of_4k = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tell(memory_of_4k != MAP_FAILED, "it still gets ", "memory");
    tell(send(datagram, "x", 1, MSG_NOSIGNAL) == 1, "it still writes to ", "a socket that was connected");
    refusals_add(&r->refusals, ERR_SIGNATURE);
    receiver_count(r, now);
    tell(!r->refusals.any, "it still counts ", "what it refuses");
}

static void try_files(bool before)
{
    char name[160];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (before && !files[i].works)
            continue;
        errno = 0;
        int result = files[i].try();
        snprintf(name, sizeof name, "%s (%s)", files[i].name, result < 0 ? strerror(errno) : "it did");
        if (before)
            tell(result >= 0, "without a sandbox it can ", name);
        else if (has_files)
            tell(result < 0 && errno != ENOSYS, "it cannot ", name);
        else
            printf("ok %d # skip Landlock is absent here\n", ++tests);
    }
}

static void prepare(void)
{
    int pair[2];
    memory = memfd_create("before", MFD_CLOEXEC);
    int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
    char bytes[65536];
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;)
        if (write(memory, bytes, (size_t)n) != n)
            exit(2);
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0)
        exit(2);
    datagram = pair[0];
    close(opens(at(data, "mine"), O_WRONLY | O_CREAT) == 0 ? fd : -1);
    unlink(at(data, "link-to-other"));
    if (symlink(at(outside, "other"), at(data, "link-to-other")) != 0)
        exit(2);
}

int main(int argc, char **argv)
{
    struct receiver r;
    struct err e = {0};
    struct sandbox_report report;
    if (argc != 5)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(conf, sizeof conf, "%s", argv[1]);
    snprintf(outside, sizeof outside, "%s", argv[2]);
    victim = (pid_t)strtol(argv[3], NULL, 10);
    bool brief = strcmp(argv[4], "cgi") == 0;
    struct config_env env = {.config = conf};
    sandbox_begin(-1);
    if (receiver_open(&r, &env, brief, clock_time_ms(), &e) != 0 || r.config->error.code != ERR_NONE ||
        !receiver_store(&r, &e) || files_folder(conf, folder, sizeof folder) != 0 ||
        files_folder(r.config->database, data, sizeof data) != 0 ||
        files_folder(r.config->log, logs, sizeof logs) != 0 ||
        files_folder(r.config->endpoint[0].secret_file, keys, sizeof keys) != 0)
        return 2;
    r.reaches = sandbox_reaches;
    prepare();
    try_files(true);
    sandbox_confine(r.config, brief);
    sandbox_state(&report);
    for (size_t i = 0; i < SANDBOX_LAYERS; i++)
        printf("# %s: %s\n", report.layer[i].name, report.layer[i].text);
    has_files = report.layer[1].on;
    has_calls = report.layer[2].on;
    try_files(false);
    if (has_calls) {
        try_calls();
        try_more();
        try_modes();
    }
    try_needed(&r);
    printf("1..%d\n", tests);
    receiver_close(&r);
    return wrong != 0;
}
