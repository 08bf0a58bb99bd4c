/* SPDX-License-Identifier: MIT
 * root_helper: questions and answers of a fixed size over a pair of sockets. */
#include "root_helper.h"

#include "base/core.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FDS_MAX = 65536 };

struct question {
    enum { TRY, PROCESS_HAS_OPEN, PROGRAM } what;
    char user[64], path[PATH_MAX], pid[24];
    int mode;
    dev_t dev[2];
    ino_t ino[2];
};

struct answer {
    int error; /* or 1 of a thing that is so */
    char text[PATH_MAX];
};

static int helper = -1;

static void try_as(const struct question *q)
{
    const struct passwd *who = getpwnam(q->user);
    if (!who || initgroups(who->pw_name, who->pw_gid) != 0 || setgid(who->pw_gid) != 0 || setuid(who->pw_uid) != 0 ||
        core_forbid() != 0)
        _exit(255);
    _exit(faccessat(AT_FDCWD, q->path, q->mode, AT_EACCESS) == 0 ? 0 : errno < 255 ? errno : EACCES);
}

static int answer_try(const struct question *q)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        try_as(q);
    bool ended = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 255;
    return ended ? WEXITSTATUS(status) : -1;
}

static bool process_has_open(const struct question *q)
{
    char path[300];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%.20s/fd", q->pid);
    DIR *dir = opendir(path);
    bool found = false;
    const struct dirent *entry;
    for (int n = 0; dir && !found && n < FDS_MAX && (entry = readdir(dir)) != NULL; n++) {
        snprintf(path, sizeof path, "/proc/%.20s/fd/%.20s", q->pid, entry->d_name);
        for (int i = 0; i < 2 && stat(path, &st) == 0; i++)
            found |= st.st_dev == q->dev[i] && st.st_ino == q->ino[i];
    }
    if (dir)
        closedir(dir);
    return found;
}

static void answer_question(const struct question *q, struct answer *a)
{
    char link[64];
    *a = (struct answer){.error = 0};
    if (q->what == TRY)
        a->error = answer_try(q);
    else if (q->what == PROCESS_HAS_OPEN)
        a->error = process_has_open(q);
    else {
        snprintf(link, sizeof link, "/proc/%.20s/exe", q->pid);
        ssize_t n = readlink(link, a->text, sizeof a->text - 1);
        a->text[n > 0 ? n : 0] = '\0';
    }
}

/* Until the other end is closed. */
static void serve_questions(int fd)
{
    struct question q;
    struct answer a;
    while (recv(fd, &q, sizeof q, MSG_WAITALL) == (ssize_t)sizeof q) {
        answer_question(&q, &a);
        if (send(fd, &a, sizeof a, MSG_NOSIGNAL) != (ssize_t)sizeof a)
            break;
    }
    _exit(0);
}

int root_helper_begin(struct err *e)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return err_set(e, ERR_SYSTEM, "starting a process: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        serve_questions(ends[1]);
    }
    close(ends[1]);
    helper = ends[0];
    return pid > 0 ? 0 : err_set(e, ERR_SYSTEM, "starting a process: %s", strerror(errno));
}

bool root_helper_is_there(void) { return helper >= 0; }

static void ask(const struct question *q, struct answer *a)
{
    *a = (struct answer){.error = -1};
    if (helper < 0)
        answer_question(q, a);
    else if (send(helper, q, sizeof *q, MSG_NOSIGNAL) != (ssize_t)sizeof *q ||
             recv(helper, a, sizeof *a, MSG_WAITALL) != (ssize_t)sizeof *a)
        *a = (struct answer){.error = -1};
}

int root_helper_try(const struct passwd *who, const char *path, int mode)
{
    struct question q = {.what = TRY, .mode = mode};
    struct answer a;
    snprintf(q.user, sizeof q.user, "%s", who->pw_name);
    snprintf(q.path, sizeof q.path, "%s", path);
    ask(&q, &a);
    return a.error;
}

bool root_helper_has_open(const char *pid, const struct stat *a, const struct stat *b)
{
    struct question q = {.what = PROCESS_HAS_OPEN, .dev = {a->st_dev, b->st_dev}, .ino = {a->st_ino, b->st_ino}};
    struct answer said;
    snprintf(q.pid, sizeof q.pid, "%.20s", pid);
    ask(&q, &said);
    return said.error == 1;
}

void root_helper_program(const char *pid, char *exe)
{
    struct question q = {.what = PROGRAM};
    struct answer a;
    snprintf(q.pid, sizeof q.pid, "%.20s", pid);
    ask(&q, &a);
    memcpy(exe, a.text, sizeof a.text);
}
