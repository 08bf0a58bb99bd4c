/* SPDX-License-Identifier: MIT
 * doctor_receivers: processes that have the database open and run a program that was replaced since. What /proc does not
 * show to this user is passed over. */
#include "doctor.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FDS_MAX = 65536 };

/* Is one of the process's open files the database or its lock? */
static bool has_open(const char *pid, const struct stat *database, const struct stat *lock)
{
    char path[300];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    DIR *dir = opendir(path);
    bool found = false;
    const struct dirent *entry;
    for (int n = 0; dir && !found && n < FDS_MAX && (entry = readdir(dir)) != NULL; n++) {
        snprintf(path, sizeof path, "/proc/%.20s/fd/%.20s", pid, entry->d_name);
        if (stat(path, &st) == 0)
            found = (st.st_dev == database->st_dev && st.st_ino == database->st_ino) ||
                    (st.st_dev == lock->st_dev && st.st_ino == lock->st_ino);
    }
    if (dir)
        closedir(dir);
    return found;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* A program that was replaced by a rename is "PATH (deleted)" to the process that still runs it. */
static void look_at(struct doctor *d, const char *pid, int *seen)
{
    char link[64], exe[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%.20s/exe", pid);
    ssize_t n = readlink(link, exe, sizeof exe - 1);
    if (n <= 0)
        return;
    exe[n] = '\0';
    const char *name = strrchr(exe, '/');
    if (!name || strncmp(name + 1, "complycube-webhook", 18) != 0)
        return;
    ++*seen;
    if (!ends_with(exe, " (deleted)")) {
        doctor_find(d, DOCTOR_OK, "receiver", "", "process %s runs %s", pid, exe);
        return;
    }
    exe[n - 10] = '\0';
    doctor_step(d, "kill %s", pid);
    doctor_find(d, DOCTOR_WARNING, "receiver",
                "it goes on with the old program, and its faults; the web server starts "
                "the new one (spawn-fcgi alone does not: start it again)",
                "process %s still runs a former %s", pid, exe);
}

void doctor_receivers(struct doctor *d)
{
    char path[PATH_MAX + 8];
    struct stat database, lock;
    snprintf(path, sizeof path, "%s.lock", d->database);
    if (stat(d->database, &database) != 0)
        return;
    if (stat(path, &lock) != 0)
        lock = database;
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    int seen = 0;
    while (dir && (entry = readdir(dir)) != NULL) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (pid > 0 && *end == '\0' && pid != (long)getpid() && has_open(entry->d_name, &database, &lock))
            look_at(d, entry->d_name, &seen);
    }
    if (dir)
        closedir(dir);
    if (!seen)
        doctor_find(d, DOCTOR_OK, "receiver", "", "no running one is seen that has the database open");
}
