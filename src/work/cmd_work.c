/* SPDX-License-Identifier: MIT
 * cmd_work: runs a command for each event, as a web server would run a CGI program. source: RFC 3875 */
#include "base/clock.h"
#include "tool/cmd.h"

#include "base/core.h"
#include "base/kernel.h"
#include "base/version.h"
#include "pool.h"
#include "tool/account.h"
#include "tool/vendor.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TIMEOUT_S = 60,
    KILL_MS = 5000,     /* between TERM and KILL for a command that takes longer */
    HEAD = 8192,        /* bytes of the output that may be the header */
    OWN = 16,           /* variables that are the same for each event, at most */
    OBJECT_FD = 3,      /* where a command finds the object that was fetched for it */
    PATIENCE_MS = 10000 /* of a request for it: others wait meanwhile */
};

/* Those that are not. */
enum { LENGTH, SIGNATURE, ENDPOINT, SEQ, ATTEMPT, EACH };
static const char *const each_name[EACH] = {"CONTENT_LENGTH", "HTTP_COMPLYCUBE_SIGNATURE",
                                            "COMPLYCUBE_INBOX_ENDPOINT", "COMPLYCUBE_INBOX_SEQ",
                                            "COMPLYCUBE_INBOX_ATTEMPT"};

struct child {
    pid_t pid; /* 0: none */
    int out;
    int64_t late_ms; /* when it gets TERM, and later, when it gets KILL */
    bool late, killed;
    size_t len; /* of head, which is over at its blank line */
    bool head_over;
    char head[HEAD];
    struct pool_outcome outcome; /* where pid is 0 */
};

struct work {
    const struct cmd *cmd;
    struct config *config; /* of --fetch, as the next; else NULL */
    struct account *account;
    char program[PATH_MAX];
    int64_t timeout_s;
    char own[OWN][PATH_MAX + 32]; /* "NAME=value" */
    char **environment;           /* room for EACH, two of an object and a NULL behind n of them */
    size_t n;
    struct child child[POOL_SLOTS_MAX];
};

/* ---- what is run, and with which variables ---- */

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* What a person is likely to write, and what would not do what it says. */
static int check_php(const struct work *w, struct err *e)
{
    char *const *command = w->cmd->operands;
    const char *slash = strrchr(command[0], '/'), *name = slash ? slash + 1 : command[0];
    size_t last = 0;
    struct stat st;
    while (command[last + 1])
        last++;
    if (strncmp(name, "php", 3) == 0 && name[3 + strspn(name + 3, "0123456789.")] == '\0')
        return err_set(e, ERR_USAGE, "%s gives a script no request, and takes any end for success; use php-cgi",
                       name);
    if (strncmp(name, "php-cgi", 7) == 0 && (last == 0 || stat(command[last], &st) != 0 || !S_ISREG(st.st_mode)))
        return err_set(e, ERR_USAGE, "%s: no such script; its path comes last, best from / on",
                       last ? command[last] : "php-cgi");
    return 0;
}

static int find_program(struct work *w, struct err *e)
{
    const char *name = w->cmd->operands[0], *list = "/usr/local/bin:/usr/bin:/bin";
    for (char *const *v = w->cmd->environment; *v; v++)
        if (strncmp(*v, "PATH=", 5) == 0)
            list = *v + 5;
    if (strchr(name, '/')) {
        snprintf(w->program, sizeof w->program, "%s", name);
        return is_program(name) ? 0
                                : err_set(e, ERR_USAGE, "%s cannot be run: %s", name,
                                          access(name, F_OK) == 0 ? "it is not executable: chmod +x, or name its "
                                                                    "interpreter before it"
                                                                  : "no such program");
    }
    for (const char *at = list; *name && at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
        int len = (int)strcspn(at, ":");
        int n = snprintf(w->program, sizeof w->program, "%.*s/%s", len ? len : 1, len ? at : ".", name);
        if (n > 0 && (size_t)n < sizeof w->program && is_program(w->program))
            return 0;
    }
    return err_set(e, ERR_USAGE, "%s cannot be run: no such program in PATH", name);
}

/* Is a variable of the tool's own environment handed on? */
static bool is_kept(const struct work *w, const char *variable)
{
    size_t len = strcspn(variable, "=");
    bool kept = strncmp(variable, "COMPLYCUBE_WEBHOOK_", 19) != 0 && /* secrets, for the receiver only */
                strncmp(variable, "COMPLYCUBE_OBJECT", 17) != 0;
    for (size_t i = 0; i < OWN && *w->own[i]; i++)
        kept = kept && (strncmp(w->own[i], variable, len) != 0 || w->own[i][len] != '=');
    for (size_t i = 0; i < EACH; i++)
        kept = kept && (strncmp(each_name[i], variable, len) != 0 || each_name[i][len] != '\0');
    return kept;
}

/* What all events have in common. source: RFC 3875, section 4.1; php.net/manual/security.cgi-bin.force-redirect */
static int make_environment(struct work *w, struct err *e)
{
    char *const *command = w->cmd->operands;
    char script[PATH_MAX];
    struct stat st;
    size_t last = 0, n = 0;
    while (command[last + 1])
        last++;
    bool is_file = last > 0 && stat(command[last], &st) == 0 && S_ISREG(st.st_mode);
    if (!realpath(is_file ? command[last] : w->program, script))
        return err_set(e, ERR_USAGE, "%s: %s", command[is_file ? last : 0], strerror(errno));
    const char *name = strrchr(script, '/');
    const char *const own[][2] = {
        {"GATEWAY_INTERFACE", "CGI/1.1"},
        {"SERVER_PROTOCOL", "HTTP/1.1"},
        {"SERVER_NAME", "localhost"},
        {"SERVER_PORT", "80"},
        {"REQUEST_METHOD", "POST"},
        {"REQUEST_URI", name},
        {"SCRIPT_NAME", name},
        {"SCRIPT_FILENAME", script},
        {"QUERY_STRING", ""},
        {"REMOTE_ADDR", "127.0.0.1"},
        {"HTTP_HOST", "localhost"},
        {"CONTENT_TYPE", "application/json"},
        {"REDIRECT_STATUS", "200"},
        {"SERVER_SOFTWARE", "complycube-inbox/" VERSION},
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        snprintf(w->own[i], sizeof w->own[i], "%s=%s", own[i][0], own[i][1]);
    for (char *const *v = w->cmd->environment; *v; v++)
        n++;
    w->environment = calloc(n + OWN + EACH + 3, sizeof *w->environment);
    if (!w->environment)
        return err_set(e, ERR_MEMORY, "the environment: out of memory");
    for (char *const *v = w->cmd->environment; *v; v++)
        if (is_kept(w, *v))
            w->environment[w->n++] = *v;
    for (size_t i = 0; i < OWN && *w->own[i]; i++)
        w->environment[w->n++] = w->own[i];
    return 0;
}

/* ---- starting ---- */

/* The exact bytes as a file without a name, to be read from its start; -1 with errno. */
static int body_file(struct span body)
{
    int fd = kernel_memory_file();
    for (size_t at = 0; fd >= 0 && at < body.len;) {
        ssize_t n = write(fd, body.at + at, body.len - at);
        if (n > 0) {
            at += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            close(fd);
            return -1;
        }
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Into a process group of its own, with no signal blocked or ignored. Gives errno's value. */
static int spawn_child(struct work *w, struct child *c, int in, int out, int object)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    if (object >= 0)
        posix_spawn_file_actions_adddup2(&files, object, OBJECT_FD);
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    core_lend_limit();
    int failed = posix_spawn(&c->pid, w->program, &files, &how, w->cmd->operands, w->environment);
    core_take_limit();
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

/*
 * The object of an event, as a file without a name: nothing of it stays, even if this process is killed. -1: the command
 * is not to be run, and *o says why, or that the event is to wait.
 */
static int fetch_object(struct work *w, const struct pool_event *v, int *status, struct pool_outcome *o)
{
    char id[EVENT_FIELD_MAX + 1];
    struct span object = {0};
    struct err e = {0};
    enum vendor_kind kind = vendor_kind(v->resource_type);
    bool own = span_equal(v->endpoint, span_of(w->account->endpoint->name));
    *status = 0;
    if (own && kind < VENDOR_KINDS && v->resource_id.len) {
        snprintf(id, sizeof id, "%.*s", (int)v->resource_id.len, v->resource_id.at);
        int found = vendor_fetch(w->account->api, kind, id, &object, &e);
        if (found < 0) {
            pool_say(o, POOL_UNASKED, "%.190s", e.msg);
            return -1;
        }
        *status = found ? 200 : 404;
    }
    int fd = body_file(object);
    if (fd < 0)
        pool_say(o, POOL_DOWN, "a file for its object: %s", strerror(errno));
    return fd;
}

static void start_child(void *ctx, int slot, const struct pool_event *v)
{
    struct work *w = ctx;
    struct child *c = &w->child[slot];
    char numbers[EACH][24], each[EACH][192], object_status[48];
    int out[2] = {-1, -1};
    snprintf(numbers[LENGTH], sizeof numbers[0], "%zu", v->body.len);
    snprintf(numbers[SEQ], sizeof numbers[0], "%lld", (long long)v->seq);
    snprintf(numbers[ATTEMPT], sizeof numbers[0], "%lld", (long long)v->attempt);
    const struct span values[EACH] = {span_of(numbers[LENGTH]), v->signature, v->endpoint, span_of(numbers[SEQ]),
                                      span_of(numbers[ATTEMPT])};
    for (size_t i = 0; i < EACH; i++) {
        snprintf(each[i], sizeof each[i], "%s=%.*s", each_name[i], (int)values[i].len,
                 values[i].len ? values[i].at : "");
        w->environment[w->n + i] = each[i];
    }
    *c = (struct child){.out = -1};
    int status = 0, object = w->account ? fetch_object(w, v, &status, &c->outcome) : -1;
    if (w->account && object < 0)
        return;
    snprintf(object_status, sizeof object_status, "COMPLYCUBE_OBJECT_STATUS=%d", status);
    w->environment[w->n + EACH] = w->account ? (char[]){"COMPLYCUBE_OBJECT=/dev/fd/3"} : NULL;
    w->environment[w->n + EACH + 1] = object_status;
    c->late_ms = clock_ms() + w->timeout_s * 1000;
    int in = body_file(v->body);
    int failed = in < 0 || pipe2(out, O_CLOEXEC) != 0 ? errno : spawn_child(w, c, in, out[1], object);
    close(object);
    if (failed) {
        c->pid = 0;
        pool_say(&c->outcome, POOL_DOWN, "%s: %s", w->program, strerror(failed));
        close(out[0]);
    } else {
        c->out = out[0];
        fcntl(c->out, F_SETFL, O_NONBLOCK);
    }
    close(out[1]);
    close(in);
}

/* ---- while it runs, and its end ---- */

/* Keep what may be the header, and let the rest go; not for ever, since the other slots need a look too. */
static void read_output(struct child *c)
{
    char rest[16384];
    for (int i = 0; i < 16 && c->out >= 0; i++) {
        bool kept = !c->head_over && c->len < sizeof c->head - 1;
        ssize_t n = read(c->out, kept ? c->head + c->len : rest, kept ? sizeof c->head - 1 - c->len : sizeof rest);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0) {
            close(c->out);
            c->out = -1;
        }
        if (n <= 0)
            return;
        if (!kept)
            continue;
        for (char *at = c->head + c->len; at < c->head + c->len + n; at++)
            if (*at == '\0') /* a header behind it counts all the same */
                *at = ' ';
        c->len += (size_t)n;
        c->head[c->len] = '\0';
        c->head_over = strstr(c->head, "\n\n") || strstr(c->head, "\n\r\n");
    }
}

/* The status of a CGI answer: 200 where there is none, 0 where it is no number. source: RFC 3875, section 6.3.3 */
static int cgi_status(const struct child *c)
{
    const char *line = c->head;
    while (line && *line && *line != '\n' && strncmp(line, "\r\n", 2) != 0) {
        if (strncasecmp(line, "Status:", 7) == 0) {
            const char *at = line + 7 + strspn(line + 7, " \t");
            bool good = at[0] >= '1' && at[0] <= '5' && isdigit((unsigned char)at[1]) &&
                        isdigit((unsigned char)at[2]) && !isdigit((unsigned char)at[3]);
            return good ? (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0') : 0;
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return 200;
}

static void judge_child(const struct work *w, const struct child *c, int status, struct pool_outcome *o)
{
    int answer = cgi_status(c);
    if (c->late)
        pool_say(o, POOL_FAILED, "took longer than %lld s", (long long)w->timeout_s);
    else if (WIFSIGNALED(status))
        pool_say(o, POOL_FAILED, "ended by signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        pool_say(o, POOL_FAILED, "exit code %d", WEXITSTATUS(status));
    else if (answer == 0)
        pool_say(o, POOL_FAILED, "answered a Status that is no number");
    else if (answer < 200 || answer > 299)
        pool_say(o, POOL_FAILED, "status %d", answer);
    else
        o->result = POOL_DONE;
}

/* It and its process group, which it may have left. */
static void kill_all(const struct child *c, int signal)
{
    kill(-c->pid, signal);
    kill(c->pid, signal);
}

static void hurry_child(struct child *c)
{
    if (clock_ms() < c->late_ms || c->killed)
        return;
    kill_all(c, c->late ? SIGKILL : SIGTERM);
    c->killed = c->late;
    c->late = true;
    c->late_ms += KILL_MS;
}

static void look_at_child(void *ctx, int slot, struct pool_outcome *o)
{
    struct work *w = ctx;
    struct child *c = &w->child[slot];
    siginfo_t end = {.si_pid = 0};
    int status;
    if (!c->pid) { /* it could not be started */
        *o = c->outcome;
        return;
    }
    hurry_child(c);
    read_output(c);
    if (waitid(P_PID, (id_t)c->pid, &end, WEXITED | WNOHANG | WNOWAIT) != 0 || end.si_pid == 0)
        return;
    if (c->late || c->killed)
        kill(-c->pid, SIGKILL); /* those it has started, while its number is still its own */
    waitpid(c->pid, &status, 0);
    read_output(c);
    if (c->out >= 0)
        close(c->out);
    c->pid = 0;
    judge_child(w, c, status, o);
}

static void cancel_child(void *ctx, int slot)
{
    struct child *c = &((struct work *)ctx)->child[slot];
    if (c->pid && !c->killed)
        kill_all(c, SIGKILL);
    c->killed = true;
}

static void wait_for_children(void *ctx, int fd, int ms)
{
    struct work *w = ctx;
    struct pollfd watched[POOL_SLOTS_MAX + 1] = {{.fd = fd, .events = POLLIN}};
    nfds_t n = 1;
    int64_t now_ms = clock_ms();
    for (int i = 0; i < w->cmd->workers; i++) {
        const struct child *c = &w->child[i];
        if (c->pid && c->out >= 0)
            watched[n++] = (struct pollfd){.fd = c->out, .events = POLLIN};
        if (c->pid && !c->killed && c->late_ms - now_ms < ms)
            ms = c->late_ms > now_ms ? (int)(c->late_ms - now_ms) : 0;
    }
    poll(watched, n, ms); /* the end of a child is a signal */
}

/* Descriptors 0 to 2 are those of the standard streams, whoever closed them: nothing else may get their numbers. */
static void fill_standard(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    close(fd);
}

/* The account whose objects are fetched. */
static int open_fetching(struct work *w, struct err *e)
{
    if (!w->cmd->fetch)
        return 0;
    if (!(w->config = cmd_load_public_config(w->cmd, e)))
        return -1;
    const struct config_endpoint *p = account_endpoint(w->cmd, w->config, e);
    return p ? account_open(&w->account, w->cmd, w->config, p, PATIENCE_MS, e) : -1;
}

static const struct pool_ops ops = {start_child, look_at_child, cancel_child, wait_for_children};

int cmd_work(const struct cmd *cmd, struct err *e)
{
    struct work *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_MEMORY, "starting: out of memory");
    fill_standard();
    w->cmd = cmd;
    w->timeout_s = cmd->timeout_s ? cmd->timeout_s : TIMEOUT_S;
    int result =
        check_php(w, e) == 0 && find_program(w, e) == 0 && make_environment(w, e) == 0 && open_fetching(w, e) == 0
            ? pool_run(cmd, &ops, w, e)
            : -1;
    account_close(w->account);
    config_free(w->config);
    free(w->environment);
    free(w);
    return result;
}
