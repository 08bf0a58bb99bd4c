/* SPDX-License-Identifier: MIT
 *
 * log: one event, one line of key=value pairs, and where lines go.
 *
 * A value from outside is escaped: whatever is not a plain printable ASCII character becomes \xNN, so no
 * request can forge a line. Callers never pass a body, a signature, a secret or a payload's field.
 */
#ifndef LOG_H
#define LOG_H

#include "err.h"
#include "span.h"

#include <limits.h>
#include <stdint.h>

struct log_line {
    enum err_level level;
    int64_t time_ms;
    size_t len;
    char text[640]; /* bytes that do not fit are left out; always ends in a newline after log_end */
};

/* Start a line: time (UTC, from now_ms), level, code. */
void log_begin(struct log_line *l, int64_t now_ms, enum err_level level, const char *code);
void log_text(struct log_line *l, const char *key, struct span value); /* nothing for the absent span */
void log_number(struct log_line *l, const char *key, int64_t value);
void log_end(struct log_line *l);

/* A whole line for an error; the code's own level. */
void log_error(struct log_line *l, int64_t now_ms, const struct err *e);

/* Where lines go. */
struct log {
    enum log_sink { LOG_AUTO, LOG_STDERR, LOG_SYSLOG, LOG_FILE } sink;
    int fd; /* LOG_FILE */
};

/*
 * Open "auto", "stderr", "syslog" or an absolute path (appended to, made with mode 0640).
 * errors: ERR_CONFIG  the file cannot be opened
 */
int log_open(struct log *log, const char *spec, struct err *e);
void log_close(struct log *log);

/* What a user must be able to write so that log_open succeeds. */
struct log_need {
    char path[PATH_MAX]; /* of the file, or of the folder that it is made in */
    int mode;            /* as for access(2) */
    int error;           /* why nobody can open it; 0: somebody can */
};

/* out: false if the sink is no file */
bool log_needs(const char *spec, struct log_need *need);

/* Connect to the system's log, open standard error a second time and read the time zone, before the sandbox forbids it.
 * log_open does what its log needs. */
void log_prepare(void);

/* Would a line of this level be written? Then it need not be made. */
bool log_wants(const struct log *log, enum err_level level);

/*
 * Write lines, one write for all of them if the sink is a file, one for each PIPE_BUF bytes if it is a pipe. Never fails and
 * never waits for a reader: what cannot be written is lost, and a line `code=log-lost lines=N` comes before the next that
 * is written. Standard error that this user may not open a second time (another's pipe) is asked first whether it takes a
 * write; if others fill it in between, that write waits. LOG_AUTO is stderr, or syslog where stderr is /dev/null or closed;
 * successes (LEVEL_INFO) are not written to it. What the system's log does not take goes to stderr.
 */
void log_write(const struct log *log, const struct log_line *const lines[], size_t n);

#endif
