/* SPDX-License-Identifier: MIT
 * log: one event, one line of key=value pairs, and where lines go. */
#include "log.h"

#include "files.h"
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { LOG_LINES_MAX = 128 };

static const char *level_word(enum err_level level)
{
    static const char *const words[] = {"info", "warning", "error"};
    return words[level];
}

static void put(struct log_line *l, const char *s, size_t n)
{
    size_t room = sizeof l->text - 2 - l->len; /* the newline and the NUL stay free */
    if (n > room)
        n = room;
    memcpy(l->text + l->len, s, n);
    l->len += n;
}

static void put_escaped(struct log_line *l, struct span value)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            put(l, (const char *)&c, 1);
        else
            put(l, (char[]){'\\', 'x', digits[c >> 4], digits[c & 15]}, 4);
    }
}

void log_begin(struct log_line *l, int64_t now_ms, enum err_level level, const char *code)
{
    char time[40] = "";
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm))
        strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &tm);
    l->level = level;
    l->time_ms = now_ms;
    l->len = 0;
    int n = snprintf(l->text, sizeof l->text, "complycube-webhook: time=%s level=%s code=%s", time, level_word(level),
                     code);
    l->len = n > 0 ? (size_t)n : 0;
}

void log_text(struct log_line *l, const char *key, struct span value)
{
    if (!value.at)
        return;
    bool plain = value.len > 0;
    for (size_t i = 0; i < value.len && plain; i++)
        plain = strchr("=\" \\", value.at[i]) == NULL;
    put(l, " ", 1);
    put(l, key, strlen(key));
    put(l, "=\"", plain ? 1 : 2);
    put_escaped(l, value);
    put(l, "\"", plain ? 0 : 1);
}

void log_number(struct log_line *l, const char *key, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)value);
    log_text(l, key, (struct span){text, (size_t)n});
}

void log_end(struct log_line *l)
{
    l->text[l->len++] = '\n';
    l->text[l->len] = '\0';
}

void log_error(struct log_line *l, int64_t now_ms, const struct err *e)
{
    log_begin(l, now_ms, err_level(e->code), err_word(e->code));
    log_text(l, "msg", span_of(e->msg));
    log_end(l);
}

/* Would a line on stderr be lost? */
static bool stderr_is_null(void)
{
    struct stat st;
    return fstat(STDERR_FILENO, &st) != 0 || S_ISDIR(st.st_mode) ||
           (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

/*
 * The system's log by a socket of our own: the C library would not say that a line is lost, and reconnect where the sandbox
 * forbids it. source: RFC 3164, section 4.1; the line has a time of its own
 */
static int syslog_fd = -1;

static void connect_syslog(void)
{
    static const struct sockaddr_un where = {AF_UNIX, "/dev/log"};
    const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    for (size_t i = 0; i < sizeof types / sizeof *types && syslog_fd < 0; i++) {
        int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && connect(fd, (const struct sockaddr *)&where, sizeof where) == 0)
            syslog_fd = fd;
        else if (fd >= 0)
            close(fd);
    }
}

static bool send_syslog(const char *line, size_t len)
{
    if (syslog_fd < 0)
        connect_syslog();
    if (syslog_fd < 0)
        return false;
    if (send(syslog_fd, line, len, MSG_NOSIGNAL) == (ssize_t)len)
        return true;
    if (errno == EAGAIN) /* syslog cannot keep up: the line is lost, not the event */
        return false;
    close(syslog_fd); /* it was started again, perhaps */
    syslog_fd = -1;
    return false;
}

static bool to_syslog(const struct log *log)
{
    return log->sink == LOG_SYSLOG || (log->sink == LOG_AUTO && stderr_is_null());
}

/*
 * Standard error, opened a second time so that our writes do not block: its flags are shared with other processes, which rely on
 * them. -1: it is no pipe and no terminal, or this user may not open it.
 */
static int own_stderr = -1;

static void reopen_stderr(void)
{
    struct stat st;
    if (own_stderr < 0 && !stderr_is_null() && fstat(STDERR_FILENO, &st) == 0 &&
        (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
        own_stderr = open("/proc/self/fd/2", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* A link of another user's is not followed. A FIFO is the administrator's choice, but nobody waits for its reader. */
static int open_log_file(const char *spec)
{
    char text[PATH_MAX];
    const int how = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = open(spec, how | O_NOFOLLOW, 0640);
    if (fd < 0 && errno == ELOOP && shared_link(AT_FDCWD, spec, text) == 0)
        fd = open(spec, how, 0640);
    return fd;
}

bool log_needs(const char *spec, struct log_need *need)
{
    struct stat st;
    *need = (struct log_need){.mode = W_OK};
    if (*spec != '/')
        return false;
    if (stat(spec, &st) == 0)
        need->error = S_ISDIR(st.st_mode) ? EISDIR : 0;
    else if (errno == ENOENT && files_folder(spec, need->path, sizeof need->path) == 0)
        need->mode = W_OK | X_OK;
    if (!*need->path && snprintf(need->path, sizeof need->path, "%s", spec) >= (int)sizeof need->path)
        need->error = ENAMETOOLONG;
    return true;
}

int log_open(struct log *log, const char *spec, struct err *e)
{
    *log = (struct log){.fd = -1};
    if (strcmp(spec, "auto") == 0 || strcmp(spec, "stderr") == 0) {
        log->sink = *spec == 'a' ? LOG_AUTO : LOG_STDERR;
    } else if (strcmp(spec, "syslog") == 0) {
        log->sink = LOG_SYSLOG;
    } else {
        log->sink = LOG_FILE;
        log->fd = open_log_file(spec);
        if (log->fd < 0)
            return err_set(e, ERR_CONFIG, "opening the log %s: %s; make its folder writable for this user", spec,
                           strerror(errno));
    }
    if (to_syslog(log))
        log_prepare();
    reopen_stderr();
    return 0;
}

void log_close(struct log *log)
{
    if (log->sink == LOG_FILE && log->fd >= 0)
        close(log->fd);
    *log = (struct log){.fd = -1};
}

static bool write_syslog(const struct log_line *l)
{
    static const int priorities[] = {LOG_INFO, LOG_WARNING, LOG_ERR};
    const char *text = strchr(l->text, ' '); /* the program's name is put with its process */
    char line[sizeof l->text + 64];
    int n = snprintf(line, sizeof line, "<%d>complycube-webhook[%ld]:%.*s", LOG_DAEMON | priorities[l->level],
                     (long)getpid(), (int)(l->len - 1 - (size_t)(text - l->text)), text);
    size_t len = n < (int)sizeof line ? (size_t)n + 1 : sizeof line; /* the NUL ends it on a stream */
    return send_syslog(line, len) || send_syslog(line, len);
}

void log_prepare(void)
{
    tzset(); /* each time that is written as text asks for it */
    if (syslog_fd < 0)
        connect_syslog();
    reopen_stderr();
}

bool log_wants(const struct log *log, enum err_level level) { return log->sink != LOG_AUTO || level != LEVEL_INFO; }

/* Write at most PIPE_BUF bytes, all of them or none. */
static bool write_now(int fd, bool is_socket, const struct iovec *parts, int n)
{
    struct pollfd p = {fd, POLLOUT, 0};
    if (is_socket)
        return send(fd, parts->iov_base, parts->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)parts->iov_len;
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && writev(fd, parts, n) > 0;
}

/*
 * Write lines without waiting for a reader: how many were lost. A file has none.
 * source: pipe(7): a pipe that can be written takes PIPE_BUF bytes at once
 */
static size_t write_lines(int fd, const struct iovec *parts, size_t n)
{
    struct stat st;
    size_t done = 0;
    if (fstat(fd, &st) != 0)
        return n;
    if (S_ISREG(st.st_mode))
        return writev(fd, parts, (int)n) < 0 ? n : 0;
    while (done < n) {
        size_t take = 1, bytes = parts[done].iov_len;
        while (!S_ISSOCK(st.st_mode) && done + take < n && bytes + parts[done + take].iov_len <= PIPE_BUF)
            bytes += parts[done + take++].iov_len;
        if (!write_now(fd, S_ISSOCK(st.st_mode), parts + done, (int)take))
            break;
        done += take;
    }
    return n - done;
}

/* How many were lost. */
static size_t deliver(const struct log *log, const struct log_line *const lines[], size_t n)
{
    bool away = to_syslog(log);
    struct iovec parts[LOG_LINES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < n && count < LOG_LINES_MAX; i++) {
        if (lines[i]->len == 0 || !log_wants(log, lines[i]->level))
            continue;
        if (!away || !write_syslog(lines[i])) /* to stderr then */
            parts[count++] = (struct iovec){(void *)(uintptr_t)lines[i]->text, lines[i]->len};
    }
    if (count == 0 || (log->sink != LOG_FILE && stderr_is_null()))
        return count;
    return write_lines(log->sink == LOG_FILE ? log->fd : own_stderr >= 0 ? own_stderr : STDERR_FILENO, parts, count);
}

void log_write(const struct log *log, const struct log_line *const lines[], size_t n)
{
    static size_t lost; /* of all logs of this process: a log that is reopened does not forget them */
    if (lost && n) {
        struct log_line note;
        log_begin(&note, lines[0]->time_ms, LEVEL_WARNING, "log-lost");
        log_number(&note, "lines", (int64_t)lost);
        log_end(&note);
        if (deliver(log, (const struct log_line *const[]){&note}, 1) == 0)
            lost = 0;
    }
    lost += deliver(log, lines, n);
}
