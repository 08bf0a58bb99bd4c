/* SPDX-License-Identifier: MIT
 * enter: begins a program of a test, for Proc.pm, which would copy itself page by page to do it:
 *
 *     enter IN OUT ERR USER GROUP FOLDER PROGRAM ARGUMENT...
 *
 * in a session of its own, with these open files as its standard ones, as this user (numbers; "": as the caller), in this
 * folder ("": the caller's). 126: that could not be; 127: the program could not be started. */
#include <grp.h>
#include <stdlib.h>
#include <unistd.h>

enum { IN = 1, USER = 4, GROUP, FOLDER, PROGRAM };

static int become(const char *user, const char *group)
{
    gid_t gid = (gid_t)strtoul(group, NULL, 10);
    return setgroups(1, &gid) || setgid(gid) || setuid((uid_t)strtoul(user, NULL, 10));
}

int main(int argc, char **argv)
{
    if (argc <= PROGRAM)
        return 126;
    setsid();
    for (int fd = 0; fd < 3; fd++)
        if (dup2(atoi(argv[IN + fd]), fd) < 0)
            return 126;
    for (int fd = 0; fd < 3; fd++)
        if (atoi(argv[IN + fd]) > 2)
            close(atoi(argv[IN + fd]));
    if ((*argv[USER] && become(argv[USER], argv[GROUP])) || (*argv[FOLDER] && chdir(argv[FOLDER])))
        return 126;
    execvp(argv[PROGRAM], argv + PROGRAM);
    return 127;
}
