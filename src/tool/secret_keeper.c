/* SPDX-License-Identifier: MIT
 * secret_keeper: a secret goes over a pair of sockets, an error comes back. */
#include "secret_keeper.h"

#include "secret_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECRET_BYTES = 256 };

static int keeper = -1;
static pid_t keeper_pid;

static _Noreturn void keep_secret(int fd, struct secret_file *f, const char *label)
{
    char secret[SECRET_BYTES];
    struct err e = {0};
    if (recv(fd, secret, sizeof secret, MSG_WAITALL) == (ssize_t)sizeof secret && !secret[sizeof secret - 1]) {
        secret_file_add(f, label, secret, &e);
        send(fd, &e, sizeof e, MSG_NOSIGNAL);
    }
    explicit_bzero(secret, sizeof secret);
    secret_file_release(f);
    _exit(0);
}

int secret_keeper_begin(const char *path, const struct trust *with, const char *label, struct err *e)
{
    struct secret_file f;
    int ends[2];
    if (secret_file_begin(&f, path, with, label, e) != 0) {
        secret_file_release(&f);
        return -1;
    }
    pid_t pid = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? fork() : -1;
    if (pid == 0) {
        close(ends[0]);
        keep_secret(ends[1], &f, label);
    }
    int failed = errno;
    f.made = f.made && pid < 0; /* else it is the other process's */
    secret_file_release(&f);
    if (pid < 0)
        return err_set(e, ERR_SYSTEM, "starting a process: %s", strerror(failed));
    close(ends[1]);
    keeper = ends[0];
    keeper_pid = pid;
    return 0;
}

bool secret_keeper_is_there(void) { return keeper >= 0; }

int secret_keeper_add(const char *secret, struct err *e)
{
    char text[SECRET_BYTES] = "";
    struct err answer;
    snprintf(text, sizeof text, "%s", secret);
    bool sent = send(keeper, text, sizeof text, MSG_NOSIGNAL) == (ssize_t)sizeof text;
    explicit_bzero(text, sizeof text);
    if (!sent || recv(keeper, &answer, sizeof answer, MSG_WAITALL) != (ssize_t)sizeof answer)
        return err_set(e, ERR_SYSTEM, "the process that writes the secret file has ended");
    if (answer.code == ERR_NONE)
        return 0;
    *e = answer;
    return -1;
}

void secret_keeper_end(void)
{
    if (keeper < 0)
        return;
    close(keeper);
    keeper = -1;
    while (waitpid(keeper_pid, NULL, 0) < 0 && errno == EINTR) {
    }
}
