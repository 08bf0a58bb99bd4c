/* SPDX-License-Identifier: MIT
 * page_log: a line is on the disk before anything is shown. */
#include "page_log.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* In one write, after a newline of its own: the line before may have been cut, by a disk that was full. */
static int write_durably(int fd, struct log_line *line)
{
    char *from = strstr(line->text, "time=") - 1; /* the blank after the program's name */
    size_t len = line->len - (size_t)(from - line->text);
    *from = '\n';
    ssize_t n;
    do
        n = write(fd, from, len);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n < len)
        errno = ENOSPC;
    return n == (ssize_t)len && fdatasync(fd) == 0 ? 0 : -1;
}

int page_log_write(const char *path, const struct page_look *look, struct err *e)
{
    struct log log;
    struct log_line line;
    if (log_open(&log, path, e) != 0)
        return -1;
    log_begin(&line, look->now_ms, LEVEL_INFO, "looked");
    log_number(&line, look->quarantined ? "quarantine" : "seq", look->number);
    log_text(&line, "user", look->user);
    log_text(&line, "address", look->address);
    log_text(&line, "type", look->type);
    log_text(&line, "event_id", look->id);
    log_end(&line);
    int failed = log.sink != LOG_FILE                ? err_set(e, ERR_CONFIG, "%s is no file", path)
                 : write_durably(log.fd, &line) != 0 ? err_set(e, err_is_full(errno) ? ERR_FULL : ERR_READONLY,
                                                               "writing %s: %s", path, strerror(errno))
                                                     : 0;
    log_close(&log);
    return failed;
}
