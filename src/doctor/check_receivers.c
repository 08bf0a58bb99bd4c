/* SPDX-License-Identifier: MIT
 * check_receivers: processes that have the database open and run a program that was replaced since, and whether they have
 * confined themselves. One that has hides its files from its own user: it is known by its name, its user and the lock of
 * SQLite that it holds. What /proc does not show otherwise is passed over. */
#include "base/clock.h"
#include "doctor.h"
#include "sandbox/sandbox.h"
#include "store/beside.h"
#include "tool/root_helper.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { SLACK_MS = 20 /* clocks tick */ };

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The beginning of a file of /proc/PID: its length, 0 where it cannot be read. */
static size_t slurp(const char *pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s/%.20s", pid, name);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, size - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    return n;
}

/* The number behind a line's name in /proc/PID/status; -1: there is none. */
static long status_of(const char *pid, const char *name)
{
    char text[4096];
    slurp(pid, "status", text, sizeof text);
    const char *at = strstr(text, name);
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* ---- one that hides ---- */

/* Does it hold a lock of this file? *any: it holds one of some file. source: proc(5), /proc/locks */
static bool holds_lock(const char *pid, const struct stat *file, bool *any)
{
    char line[256];
    bool found = false;
    FILE *f = fopen("/proc/locks", "re");
    while (f && fgets(line, sizeof line, f)) {
        long holder = 0;
        unsigned major = 0, minor = 0;
        unsigned long ino = 0;
        /* NOLINTNEXTLINE(cert-err34-c): what does not fit is no lock of ours */
        if (sscanf(line, "%*d: %*s %*s %*s %ld %x:%x:%lu", &holder, &major, &minor, &ino) != 4 ||
            holder != strtol(pid, NULL, 10))
            continue;
        *any = true;
        found |= ino == file->st_ino && makedev(major, minor) == file->st_dev;
    }
    if (f)
        fclose(f);
    return found;
}

/* Is it a receiver of the user in question that hides its files, and may have this database open? */
static bool may_have_open(const struct doctor *d, const char *pid)
{
    char path[PATH_MAX + 8], name[32];
    struct stat shared = {0};
    bool any = false;
    uid_t user = d->user ? d->user->pw_uid : geteuid();
    slurp(pid, "comm", name, sizeof name);
    if (strncmp(name, "complycube-webh", 15) != 0 || status_of(pid, "\nUid:") != (long)user)
        return false;
    snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    DIR *dir = opendir(path);
    if (dir) /* it hides nothing: it has other files */
        closedir(dir);
    if (dir || errno != EACCES)
        return false;
    snprintf(path, sizeof path, "%s-shm", d->database);
    return (stat(path, &shared) == 0 && holds_lock(pid, &shared, &any)) || !any;
}

/* When the process began, in milliseconds since the Epoch. source: proc(5), starttime */
static int64_t began_ms(const char *pid)
{
    char text[1024];
    slurp(pid, "stat", text, sizeof text);
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    int64_t after_boot_ms = at ? strtoll(at, NULL, 10) * 1000 / sysconf(_SC_CLK_TCK) : 0;
    return clock_time_ms() - clock_of(CLOCK_BOOTTIME) + after_boot_ms;
}

/* What it was started as, where that is a path: 0, or -1. *old: that file is younger than the process */
static int program_of(const char *pid, char *exe, bool *old)
{
    struct stat st;
    slurp(pid, "cmdline", exe, PATH_MAX);
    *old = *exe == '/' && stat(exe, &st) == 0 && files_stamp(&st).ctime_ns / 1000000 > began_ms(pid) + SLACK_MS;
    return *exe == '/' ? 0 : -1;
}

/* ---- telling ---- */

static void tell_confined(struct doctor *d, const char *pid)
{
    struct sandbox_report report;
    sandbox_look(d->config, &report);
    bool calls = status_of(pid, "\nSeccomp:") == 2, privileges = status_of(pid, "\nNoNewPrivs:") == 1;
    bool wanted = report.layer[SANDBOX_LAYERS - 1].on;
    if (calls || !wanted) {
        doctor_ok(d, "sandbox", "process %s: no new privileges %s, calls confined %s", pid, privileges ? "yes" : "no",
                  calls ? "yes" : "no");
        return;
    }
    struct finding f = finding_of(
        FINDING_WARNING, "sandbox",
        "whoever takes it over can do whatever its user can; the web server starts a new one, which confines itself "
        "(spawn-fcgi alone does not: start it again)");
    finding_step(&f, "kill %s", pid);
    doctor_tell(d, &f, "process %s has not confined itself", pid);
}

/* A program that was replaced by a rename is "PATH (deleted)" to the process that still runs it. */
static void look_at_process(struct doctor *d, const char *pid, int *seen)
{
    char exe[PATH_MAX];
    bool old = false;
    root_helper_program(pid, exe);
    size_t n = strlen(exe);
    if (n > 0) {
        const char *name = strrchr(exe, '/');
        if (!name || strncmp(name + 1, "complycube-webhook", 18) != 0)
            return;
        old = ends_with(exe, " (deleted)");
        if (old)
            exe[n - 10] = '\0';
    } else if (program_of(pid, exe, &old) != 0) {
        snprintf(exe, sizeof exe, "complycube-webhook");
    }
    ++*seen;
    tell_confined(d, pid);
    if (!old) {
        doctor_ok(d, "receiver", "process %s runs %s", pid, exe);
        return;
    }
    struct finding f = finding_of(FINDING_WARNING, "receiver",
                                  "it goes on with the old program, and its faults; the web server starts "
                                  "the new one (spawn-fcgi alone does not: start it again)");
    finding_step(&f, "kill %s", pid);
    doctor_tell(d, &f, "process %s still runs a former %s", pid, exe);
}

static void tell_layers(struct doctor *d)
{
    struct sandbox_report report;
    if (d->config && strcmp(d->config->sandbox, "off") == 0) {
        struct finding f =
            finding_of(FINDING_WARNING, "sandbox", "whoever takes the receiver over can do whatever its user can");
        doctor_step_key(d->config, &f, "sandbox", "\"auto\"");
        doctor_tell(d, &f, "it is switched off in the configuration");
        return;
    }
    sandbox_look(d->config, &report);
    for (size_t i = 0; i < SANDBOX_LAYERS; i++)
        doctor_ok(d, "sandbox", "%s: %s%s", report.layer[i].name,
                  report.layer[i].on ? "" : "absent: ", report.layer[i].text);
}

void doctor_receivers(struct doctor *d)
{
    char base[PATH_MAX], path[PATH_MAX + 8];
    struct stat database, lock;
    tell_layers(d);
    beside_base(d->database, base, NULL);
    snprintf(path, sizeof path, "%s.lock", base);
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
        if (pid > 0 && *end == '\0' && pid != (long)getpid() &&
            (root_helper_has_open(entry->d_name, &database, &lock) ||
             (!root_helper_is_there() && may_have_open(d, entry->d_name))))
            look_at_process(d, entry->d_name, &seen);
    }
    if (dir)
        closedir(dir);
    if (!seen)
        doctor_ok(d, "receiver", "no running one is seen that has the database open");
}
