/* SPDX-License-Identifier: MIT
 * sandbox: the process itself, and which layer is when. */
#include "sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROCESS, LANDLOCK, SECCOMP };
enum { DESCRIPTORS = 1024, DESCRIPTORS_OLD = 256 /* so many are closed one by one */, MODE_MASK = 0027 };
enum { RULES_MAX = 8 + 2 * CONFIG_ENDPOINTS_MAX };

static struct {
    struct sandbox_layer layer[SANDBOX_LAYERS];
    struct sandbox_rule rule[RULES_MAX];
    size_t n; /* rules that are in force; their paths are gone */
    char group[64];
    bool done, warned[SANDBOX_LAYERS];
} now = {.layer = {{.name = "process"}, {.name = "Landlock"}, {.name = "seccomp"}}};

/* ---- descriptors ---- */

static void close_from(unsigned first, unsigned last)
{
#ifdef SYS_close_range
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
        return;
#endif
    for (unsigned fd = first; fd <= last && fd < DESCRIPTORS_OLD; fd++)
        close((int)fd);
}

void sandbox_begin(int listen_fd)
{
    umask(MODE_MASK);
    for (int fd = open("/dev/null", O_RDWR | O_CLOEXEC); fd >= 0;
         fd = dup(fd)) /* so that no file of ours gets 0, 1 or 2 */
        if (fd > STDERR_FILENO) {
            close(fd);
            break;
        }
    if (listen_fd > STDERR_FILENO)
        close_from(STDERR_FILENO + 1, (unsigned)listen_fd - 1);
    close_from(listen_fd > STDERR_FILENO ? (unsigned)listen_fd + 1 : STDERR_FILENO + 1, UINT_MAX);
}

/* ---- what is needed ---- */

/* A CGI has read its files, and ends before they are replaced. */
enum wanting { TO_CONFINE, TO_CONFINE_CGI, TO_COMPARE };

static struct wanted {
    const struct config *config;
    enum wanting how;
    struct sandbox_rule rule[RULES_MAX];
    char text[8 * PATH_MAX]; /* their paths, one behind the other: each page that is touched takes time */
    size_t n, len;
    bool full;
} wanted;

static void want(struct wanted *w, const char *path, enum sandbox_use use, bool needed)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->rule[i].use == use && strcmp(w->rule[i].path, path) == 0)
            return;
    size_t size = strlen(path) + 1;
    w->full |= w->n == RULES_MAX || size > sizeof w->text - w->len;
    if (w->full)
        return;
    memcpy(w->text + w->len, path, size);
    w->rule[w->n++] = (struct sandbox_rule){.path = w->text + w->len, .use = use, .needed = needed};
    w->len += size;
}

static void want_folder(struct wanted *w, const char *path, enum sandbox_use use)
{
    char folder[PATH_MAX];
    if (*path && files_folder(path, folder, sizeof folder) == 0)
        want(w, folder, use, true);
}

/* Its folder, so that it may be replaced; or the file alone, because of its neighbours. */
static void want_one(struct wanted *w, const char *path, enum sandbox_use use)
{
    bool compare = w->how == TO_COMPARE,
         folder = compare ? access(path, F_OK) != 0 : w->how == TO_CONFINE && sandbox_is_alone(w->config, path, use);
    if (folder)
        want_folder(w, path, use);
    else
        want(w, path, use == SANDBOX_LOG ? SANDBOX_LOG_FILE : SANDBOX_FILE, compare);
}

/* And where it is a link what it leads to. */
static void want_file(struct wanted *w, const char *path, enum sandbox_use use)
{
    struct stat st;
    char real[PATH_MAX];
    want_one(w, path, use);
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && realpath(path, real))
        want_one(w, real, use);
}

static const char random_path[] = "/dev/urandom";

static void want_all(struct wanted *w, const struct config *c, enum wanting how)
{
    w->config = c;
    w->how = how;
    w->n = w->len = 0;
    w->full = false;
    want_folder(w, c->database, SANDBOX_WRITE);
    if (c->files)
        want(w, c->directory, SANDBOX_WRITE, true);
    if (*c->log == '/')
        want_file(w, c->log, SANDBOX_LOG);
    if (*c->spool && access(c->spool, F_OK) == 0)
        want(w, c->spool, SANDBOX_WRITE, true);
    else
        want_folder(w, c->spool, SANDBOX_WRITE); /* it is made there when it is needed, which may be never */
    if (*c->path)
        want_file(w, c->path, SANDBOX_READ);
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (c->endpoint[i].secret_file)
            want_file(w, c->endpoint[i].secret_file, SANDBOX_READ);
    want(w, random_path, SANDBOX_FILE, false); /* SQLite's */
#ifdef SANDBOX_COVERAGE                        /* where the flavour that counts lines writes */
    want(w, SANDBOX_COVERAGE, SANDBOX_WRITE, false);
#endif
    if (SANDBOX_SANITIZED)
        want(w, "/", SANDBOX_READ, false);
}

/* ---- layers ---- */

static void set(struct sandbox_layer *l, bool on, bool absent, const char *text)
{
    l->on = on;
    l->absent = absent;
    snprintf(l->text, sizeof l->text, "%s", text);
}

static const char process_text[] = "no new privileges, not dumpable, no core, no new process";

static int confine_process(const char **why)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || core_forbid() != 0) {
        *why = strerror(errno);
        return -1;
    }
    struct rlimit files, none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (!SANDBOX_SANITIZED)
        setrlimit(RLIMIT_NPROC, &none);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && (files.rlim_cur > DESCRIPTORS || files.rlim_max > DESCRIPTORS)) {
        files.rlim_max = files.rlim_max < DESCRIPTORS ? files.rlim_max : DESCRIPTORS;
        files.rlim_cur = files.rlim_cur < files.rlim_max ? files.rlim_cur : files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return 0;
}

static void landlock_text(struct sandbox_layer *l, int abi)
{
    set(l, true, false, "");
    snprintf(l->text, sizeof l->text, "version %d", abi);
}

static void confine_files(const struct config *c, bool brief)
{
    struct sandbox_layer *l = &now.layer[LANDLOCK];
    const char *why = "";
    int abi = sandbox_landlock_abi(&why), failed = abi ? 0 : -1;
    bool later = c->error.code != ERR_NONE || (*c->group && !getgrnam(c->group));
    if (abi && !later) {
        want_all(&wanted, c, brief ? TO_CONFINE_CGI : TO_CONFINE);
        why = "too many folders are named";
        failed = wanted.full ? -1 : sandbox_landlock(abi, wanted.rule, wanted.n, c->files, &why);
    }
    if (abi && (later || failed > 0)) {
        set(l, false, false, "later: the configuration, or a folder or group that it names, is to be mended first");
        return;
    }
    if (failed) {
        set(l, false, true, why);
        return;
    }
    landlock_text(l, abi);
    now.n = wanted.n;
    memcpy(now.rule, wanted.rule, wanted.n * sizeof *now.rule);
    snprintf(now.group, sizeof now.group, "%s", c->group);
}

static bool is_off(const struct config *c) { return c && strcmp(c->sandbox, "off") == 0; }

static void all_off(struct sandbox_layer *layer)
{
    for (size_t i = 0; i < SANDBOX_LAYERS; i++)
        set(&layer[i], false, false, "sandbox = \"off\"");
}

void sandbox_confine(const struct config *c, bool brief)
{
    struct sandbox_layer *process = &now.layer[PROCESS], *files = &now.layer[LANDLOCK], *calls = &now.layer[SECCOMP];
    const char *why = "";
    if (now.done)
        return;
    if (is_off(c) && !process->on) {
        all_off(now.layer);
        core_allow();
        return;
    }
    if (!process->on && !process->absent) {
        bool failed = confine_process(&why) != 0;
        set(process, !failed, failed, failed ? why : process_text);
    }
    if (!files->on && !files->absent)
        confine_files(c, brief);
    if (!calls->on && !calls->absent) {
        bool failed = sandbox_seccomp(!files->on && !files->absent, brief, &why) != 0;
        set(calls, !failed, failed, failed ? why : "a list of calls");
    }
    now.done = files->on || files->absent;
}

bool sandbox_is_done(void) { return now.done; }

void sandbox_warn(const struct log *log, int64_t now_ms)
{
    for (size_t i = 0; i < SANDBOX_LAYERS; i++) {
        const struct sandbox_layer *l = &now.layer[i];
        struct log_line line;
        const struct log_line *lines[] = {&line};
        if (!l->absent || now.warned[i])
            continue;
        now.warned[i] = true;
        log_begin(&line, now_ms, LEVEL_WARNING, "sandbox");
        log_text(&line, "without", span_of(l->name));
        log_text(&line, "msg", span_of(l->text));
        log_end(&line);
        log_write(log, lines, 1);
    }
}

void sandbox_state(struct sandbox_report *report) { memcpy(report->layer, now.layer, sizeof now.layer); }

/* Their names, behind what stands there; what does not fit is left out. */
static void add_files_alone(struct sandbox_layer *l, const struct config *c)
{
    const char *before = ", without their folders: ";
    want_all(&wanted, c, TO_CONFINE);
    for (size_t i = 0; i < wanted.n; i++) {
        const struct sandbox_rule *r = &wanted.rule[i];
        size_t len = strlen(l->text);
        if ((r->use != SANDBOX_FILE && r->use != SANDBOX_LOG_FILE) || strcmp(r->path, random_path) == 0)
            continue;
        snprintf(l->text + len, sizeof l->text - len, "%s%s", before, strrchr(r->path, '/') + 1);
        before = ", ";
    }
}

void sandbox_look(const struct config *c, struct sandbox_report *report)
{
    const char *why = "";
    struct sandbox_layer *layer = report->layer;
    memcpy(layer, now.layer, sizeof now.layer);
    if (is_off(c)) {
        all_off(layer);
        return;
    }
    set(&layer[PROCESS], true, false, process_text);
    int abi = sandbox_landlock_abi(&why);
    if (abi == 1 && c && c->files)
        set(&layer[LANDLOCK], false, true, SANDBOX_NO_MOVES);
    else if (abi)
        landlock_text(&layer[LANDLOCK], abi);
    else
        set(&layer[LANDLOCK], false, true, why);
    if (c && layer[LANDLOCK].on)
        add_files_alone(&layer[LANDLOCK], c);
    bool failed = sandbox_seccomp_probe(&why) != 0;
    set(&layer[SECCOMP], !failed, failed, failed ? why : "a list of calls");
}

/* ---- what is within reach ---- */

static bool allows(const struct sandbox_rule *r, enum sandbox_use use)
{
    return r->use == use || r->use == SANDBOX_WRITE || (use == SANDBOX_FILE && r->use == SANDBOX_READ) ||
           (use == SANDBOX_LOG_FILE && r->use == SANDBOX_LOG);
}

/*
 * Is it Landlock that keeps us out of a folder? Its rules belong to what was mounted and made when they were: a folder that
 * was replaced, or mounted anew, is another one. access() asks the modes alone, which every user of the folder may have.
 */
static bool is_shut(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool denied = fd < 0 && errno == EACCES;
    if (fd >= 0)
        close(fd);
    return denied && access(folder, R_OK | X_OK) == 0;
}

/* Landlock's own rule: what stands above it counts. */
static bool is_within(const char *path, enum sandbox_use use)
{
    char at[PATH_MAX];
    struct stat st;
    if (use == SANDBOX_WRITE && is_shut(path)) /* for the other uses a folder's names are not listed */
        return false;
    if (!realpath(path, at))
        return true; /* it is not there, so something else is to be mended */
    for (;;) {
        if (stat(at, &st) != 0)
            return true; /* the same */
        for (size_t i = 0; i < now.n; i++)
            if (now.rule[i].ino == st.st_ino && now.rule[i].dev == st.st_dev && allows(&now.rule[i], use))
                return true;
        char *slash = strrchr(at, '/');
        if (!slash || slash[1] == '\0')
            return false;
        slash[slash == at] = '\0';
    }
}

int sandbox_reaches(const struct config *c, struct err *e)
{
    if (!now.layer[LANDLOCK].on)
        return 0;
    want_all(&wanted, c, TO_COMPARE);
    for (size_t i = 0; i < wanted.n; i++)
        if (wanted.rule[i].needed && !is_within(wanted.rule[i].path, wanted.rule[i].use))
            return err_set(
                e, ERR_CONFIG,
                "restart it: %s is nothing that this process has confined itself to, or was replaced; kill %ld, and "
                "see that it is started again",
                wanted.rule[i].path, (long)getpid());
    if (strcmp(now.group, c->group) != 0)
        return err_set(
            e, ERR_CONFIG,
            "restart it: this process has confined itself, and looks up no other group; kill %ld, and see that "
            "it is started again",
            (long)getpid());
    return 0;
}
