/* SPDX-License-Identifier: MIT
 * new_file: the file that --file makes. */
#include "new_file.h"

#include "as_root.h"
#include "base/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

FILE *new_file_open(const struct cmd *cmd, struct err *e)
{
    const char *path = cmd->file;
    if (!path)
        return stdout;
    int fd = cmd->output ? dup(cmd->output->fd) : shared_make(AT_FDCWD, path);
    FILE *to = fd >= 0 && (cmd->output || files_ensure_mode(fd, path, 0600) == 0) ? fdopen(fd, "w") : NULL;
    if (to)
        return to;
    err_set(e, errno == EEXIST ? ERR_USAGE : ERR_READONLY, "%.200s cannot be made: %s%s", path, strerror(errno),
            errno == EEXIST ? "; name a new file" : "");
    if (fd >= 0) {
        close(fd);
        if (!cmd->output)
            unlink(path);
    }
    return NULL;
}

int new_file_close(const struct cmd *cmd, FILE *to, bool whole, struct err *e)
{
    if (!cmd->file)
        return 0;
    bool bad = fflush(to) != 0 || fsync(fileno(to)) != 0;
    bad |= fclose(to) != 0;
    int result = whole && bad ? err_set(e, err_is_full(errno) ? ERR_FULL : ERR_SYSTEM, "writing %.200s: %s",
                                        cmd->file, strerror(errno))
                              : 0;
    bool keeps = whole && result == 0;
    if (cmd->output)
        *cmd->output->complete = keeps;
    else if (!keeps)
        unlink(cmd->file);
    return result;
}
