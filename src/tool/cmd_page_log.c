/* SPDX-License-Identifier: MIT
 * cmd_page_log: who looked at what is in an event, by the page: its record, the oldest first. */
#include "base/print.h"
#include "base/shared.h"
#include "cmd.h"
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

/* As the record has it, so that times compare as texts. */
static void format_utc(int64_t ms, char out[24])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    *out = '\0';
    if (ms && gmtime_r(&seconds, &tm))
        strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Each look is written after a newline of its own, so that every other line is empty. */
static bool is_since(struct span line, const char *since)
{
    size_t len = strlen(since);
    return (!len && line.len) ||
           (line.len >= 5 + len && memcmp(line.at, "time=", 5) == 0 && memcmp(line.at + 5, since, len) >= 0);
}

static int print_lines(FILE *from, const char *since)
{
    struct lines lines = {.from = from};
    struct span line;
    int more;
    while ((more = lines_next(&lines, &line)) > 0)
        if (is_since(line, since)) {
            print_text(stdout, line, 0);
            print_out("\n");
        }
    lines_release(&lines);
    return more;
}

int cmd_page_log(const struct cmd *cmd, struct err *e)
{
    const char *path = cmd->config->page.log;
    struct stat st;
    char since[24];
    if (!*path)
        return err_set(e, ERR_NOT_FOUND, "the configuration names no log of the page: page { log = \"...\" }");
    int fd = shared_open(AT_FDCWD, path, O_RDONLY, &st);
    if (fd < 0 && errno == ENOENT)
        return 0; /* nobody has looked yet */
    FILE *from = fd < 0 ? NULL : fdopen(fd, "r");
    if (!from)
        return err_set(e, ERR_READONLY, "reading %s: %s", path, strerror(errno));
    format_utc(cmd->since_ms, since);
    int failed = print_lines(from, since) < 0 ? err_set(e, ERR_SYSTEM, "reading %s: %s", path, strerror(errno)) : 0;
    fclose(from);
    return failed;
}
