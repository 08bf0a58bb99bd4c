/* SPDX-License-Identifier: MIT
 * check_copies: older copies of the database that stand beside it: what restore, migrate and people leave there. */
#include "base/when.h"
#include "doctor.h"
#include "receiver/receiver.h"
#include "store/beside.h"
#include "store/store_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOLD_MAX = 20 };
#define AT_WORK_MS INT64_C(3600000)

/* Behind the name of the database: restore leaves .before-TIME, migrate .before-migrate-TIME, a restore that was cut off
 * .restoring; .damaged is a name that people give. Each may have a -wal, -shm or -journal of its own. */
static const char *const marks[] = {".before-", ".restoring", ".damaged", ".backup-", ".restored-from"};

static bool has_mark(const char *name, const char *database)
{
    size_t n = strlen(database);
    if (strncmp(name, database, n) != 0)
        return false;
    name += n;
    for (size_t i = 1; store_files[i]; i++) /* DATABASE-wal.damaged */
        if (strncmp(name, store_files[i], strlen(store_files[i])) == 0) {
            name += strlen(store_files[i]);
            break;
        }
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strncmp(name, marks[i], strlen(marks[i])) == 0)
            return true;
    return false;
}

/* One that was written to a moment ago belongs to a restore that runs. */
static bool is_left(const struct doctor *d, const char *path, const char *name)
{
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    return !strstr(name, ".restoring") || (int64_t)st.st_mtime * 1000 < d->cmd->now_ms - AT_WORK_MS;
}

/* What a receiver saved holds events that it had acknowledged. Brought over twice, they are there once. */
static void tell_saved(struct doctor *d, const char *path, const char *name, const char *database)
{
    size_t n = strlen(database);
    struct stat st;
    if (strncmp(name, database, n) != 0 || strncmp(name + n, ".deleted-", 9) != 0 || lstat(path, &st) != 0 ||
        !S_ISREG(st.st_mode))
        return;
    struct finding f = finding_of(FINDING_WARNING, "copies", "events that were acknowledged may be in it alone");
    doctor_step_run(d, &f, "", "restore", path);
    finding_step(&f, "rm %q", path);
    doctor_tell(d, &f, "the database was deleted or replaced while in use; what it held is %s", path);
}

static void report_missed_copy(struct doctor *d, const char *path, const char *name, const char *database)
{
    size_t n = strlen(database);
    char time[32];
    struct stat st;
    if (strncmp(name, database, n) != 0 || strcmp(name + n, RECEIVER_MISSED) != 0 || lstat(path, &st) != 0)
        return;
    struct finding f = finding_of(FINDING_WARNING, "copies", "what was recorded in it is not there any more");
    finding_step(&f,
                 "by hand: bring back what it held, where there is a backup: complycube-inbox restore BACKUP; then:");
    finding_step(&f, "rm %q", path);
    doctor_tell(d, &f, "the database was gone at %s, and was begun anew",
                when_time((int64_t)st.st_mtime * 1000, time));
}

/* An older copy is to be removed; the first time, a look at it comes before. */
static void step_remove(struct finding *f, const char *path)
{
    if (!f->steps)
        finding_step(f, "by hand: look that nothing is missed of them (complycube-inbox export --database FILE "
                        "| complycube-inbox import - brings it over); then:");
    finding_step(f, "rm %q", path);
}

void doctor_copies(struct doctor *d)
{
    char base[PATH_MAX], folder[PATH_MAX], path[PATH_MAX];
    struct dirent **names = NULL;
    const char *database = strrchr(d->database, '/');
    beside_base(d->database, base, NULL);
    if (!database || files_folder(base, folder, sizeof folder) != 0)
        return;
    struct finding older =
        finding_of(FINDING_WARNING, "copies", "an older copy of the database still holds what was erased since");
    int n = scandir(folder, &names, NULL, alphasort), found = 0;
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        if (snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path) {
            tell_saved(d, path, name, database + 1);
            report_missed_copy(d, path, name, database + 1);
            if (has_mark(name, database + 1) && is_left(d, path, name) && found++ < TOLD_MAX)
                step_remove(&older, path);
        }
        free(names[i]);
    }
    free(names);
    if (found)
        doctor_tell(d, &older, "%d files beside the database are of older copies of it", found);
}
