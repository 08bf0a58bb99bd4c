/* SPDX-License-Identifier: MIT
 * cmd_metrics: the inbox's figures for Prometheus, to standard output or into a file that its node_exporter reads. */
#include "base/files.h"
#include "base/print.h"
#include "base/shared.h"
#include "health/metrics.h"
#include "judged.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* node_exporter reads names that end in .prom: not this one. */
static int name_part(const char *path, char part[PATH_MAX], struct err *e)
{
    return snprintf(part, PATH_MAX, "%s.%ld", path, (long)getpid()) < PATH_MAX
               ? 0
               : err_set(e, ERR_USAGE, "the path is too long");
}

static int say_part(const char *doing, const char *part, struct err *e)
{
    return err_set(e, err_is_full(errno) ? ERR_FULL : ERR_READONLY, "%s %.250s: %s", doing, part, strerror(errno));
}

static int fill_part(int fd, const char *part, struct span text, struct err *e)
{
    for (size_t at = 0; at < text.len;) {
        ssize_t n = write(fd, text.at + at, text.len - at);
        if (n <= 0)
            return say_part("writing", part, e);
        at += (size_t)n;
    }
    return files_ensure_mode(fd, part, 0644) == 0 && fsync(fd) == 0 ? 0 : say_part("writing", part, e);
}

/* Whoever reads the file sees the old one or the new one, whole; so does a power cut. */
static int replace_file(const char *path, struct span text, struct err *e)
{
    char part[PATH_MAX];
    if (name_part(path, part, e) != 0)
        return -1;
    unlink(part); /* of a process that was killed and had this number */
    int fd = shared_make(AT_FDCWD, part);
    if (fd < 0)
        return say_part("making", part, e);
    int result = fill_part(fd, part, text, e);
    close(fd);
    if (result == 0 && rename(part, path) != 0)
        result = say_part("naming", part, e);
    if (result != 0)
        unlink(part);
    return result;
}

int cmd_metrics(const struct cmd *cmd, struct err *e)
{
    struct judged *j = calloc(1, sizeof *j);
    struct buf text = {0};
    if (!j)
        return err_set(e, ERR_MEMORY, "looking: out of memory");
    int result = judged_read(j, cmd, e) == 0 ? metrics_write(&j->figures, &j->alarm, &text, e) : -1;
    if (result == 0 && cmd->file)
        result = replace_file(cmd->file, (struct span){text.at, text.len}, e);
    else if (result == 0)
        print_bytes(stdout, (struct span){text.at, text.len});
    buf_release(&text);
    free(j);
    return result;
}
