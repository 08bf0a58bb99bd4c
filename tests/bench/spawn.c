/* SPDX-License-Identifier: MIT
 * How long a process takes from start to exit: usage: spawn N PROGRAM [FILE OFFSET LENGTH SIGNATURE_LENGTH]
 *
 * Starts PROGRAM N times, one after another, and prints the microseconds of each on a line of its own. With a FILE of
 * records (signature, body), each start is a CGI request for the next record; an answer that is not a 200 ends it. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int fail(const char *what)
{
    perror(what);
    return 1;
}

/* Put the record into the environment and into what is to be standard input. */
static int load(int records, off_t at, size_t length, size_t signature_length, int in)
{
    char record[65536];
    if (length >= sizeof record || pread(records, record, length, at) != (ssize_t)length)
        return -1;
    char first = record[signature_length], number[24];
    record[signature_length] = '\0';
    snprintf(number, sizeof number, "%zu", length - signature_length);
    setenv("HTTP_COMPLYCUBE_SIGNATURE", record, 1);
    setenv("CONTENT_LENGTH", number, 1);
    setenv("REQUEST_METHOD", "POST", 1);
    record[signature_length] = first;
    size_t size = length - signature_length;
    return pwrite(in, record + signature_length, size, 0) == (ssize_t)size && lseek(in, 0, SEEK_SET) == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    int n = argc > 2 ? (int)strtol(argv[1], NULL, 10) : 0, with = argc == 7;
    int in = memfd_create("in", 0), out = memfd_create("out", 0), records = with ? open(argv[3], O_RDONLY) : -1;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    for (int i = 0; i < n; i++) {
        size_t length = with ? strtoul(argv[5], NULL, 10) : 0;
        if (with && load(records, strtol(argv[4], NULL, 10) + (off_t)i * (off_t)length, length,
                         strtoul(argv[6], NULL, 10), in) != 0)
            return fail(argv[3]);
        char *args[] = {argv[2], NULL}, answer[12] = "";
        pid_t pid;
        int status;
        if (ftruncate(out, 0) != 0 || lseek(out, 0, SEEK_SET) != 0)
            return fail("memfd");
        double start = now_us();
        if (posix_spawn(&pid, argv[2], &actions, NULL, args, environ) != 0 || waitpid(pid, &status, 0) != pid)
            return fail(argv[2]);
        double end = now_us();
        if (status || (with && (pread(out, answer, 11, 0) != 11 || strcmp(answer, "Status: 200") != 0)))
            return fprintf(stderr, "%s: status %d, %s\n", argv[2], status, answer), 1;
        printf("%.1f\n", end - start);
    }
    return 0;
}
