/* SPDX-License-Identifier: MIT
 * check_unopened: why the database does not open, and which was meant if the one that is configured is not there. */
#include "base/near.h"
#include "base/shared.h"
#include "doctor.h"
#include "receiver/begun.h"
#include "store/sqlite/vfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- which was meant ---- */

/* The only name in a folder that differs from this one by one slip; "" if no name does, or several do. */
static void find_similar(const char *folder, const char *name, char found[NAME_MAX + 1])
{
    int n = 0, fd = shared_folder(AT_FDCWD, folder);
    DIR *names = fd >= 0 ? shared_names(fd) : NULL;
    for (struct dirent *p; names && (p = readdir(names));)
        if (near_typo(name, strlen(name), p->d_name) && n++ == 0)
            snprintf(found, NAME_MAX + 1, "%s", p->d_name);
    if (names)
        closedir(names);
    if (fd >= 0)
        close(fd);
    if (n != 1)
        *found = '\0';
}

/* By the mark, or by a slip in one part of its path. */
static bool meant_database(const struct doctor *d, char meant[PATH_MAX])
{
    char at[PATH_MAX], folder[PATH_MAX], found[NAME_MAX + 1] = "";
    struct stat st;
    if (begun_before(d->config, meant) && strcmp(meant, d->database) != 0 && stat(meant, &st) == 0)
        return true;
    snprintf(at, sizeof at, "%s", d->database);
    while (files_folder(at, folder, sizeof folder) == 0 && stat(folder, &st) != 0 && strcmp(folder, at) != 0)
        snprintf(at, sizeof at, "%s", folder);
    const char *name = strrchr(at, '/');
    if (name)
        find_similar(folder, name + 1, found);
    return *found && snprintf(meant, PATH_MAX, "%s/%s%s", folder, found, d->database + strlen(at)) < PATH_MAX &&
           stat(meant, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

/* ---- what to do ---- */

/* A file that is another program's stays; ours gets a name that is free. */
static void step_other_name(struct doctor *d, struct finding *f)
{
    char folder[PATH_MAX], value[PATH_MAX + 48];
    struct stat st;
    if (files_folder(d->database, folder, sizeof folder) != 0)
        return;
    for (int i = 1; i < 100; i++) {
        snprintf(value, sizeof value, "%s/complycube-inbox%.0d.db", folder, i > 1 ? i : 0);
        if (stat(value, &st) != 0)
            break;
    }
    char quoted[PATH_MAX + 50];
    snprintf(quoted, sizeof quoted, "\"%s\"", value);
    doctor_step_key(d->config, f, "database", quoted);
    doctor_step_tool(d, f, "init");
}

/* A backup first: restore moves away what is there by itself, its log too, and init would begin an empty one. */
void doctor_step_restore(struct doctor *d, struct finding *f, const char *without)
{
    finding_step(f, "by hand: with a backup: BACKUP=/path/of/the/newest in the shell, and restore it; it moves away "
                    "what is there, and nothing is to be stopped for it:");
    doctor_step_tool(d, f, "restore \"$BACKUP\"");
    finding_step(f, "by hand: without a backup: %sbegin an empty one:", without);
    doctor_step_tool(d, f, "init");
}

/* Its log holds the last events: only the file that it belongs to can have them back. */
static void step_orphan(struct doctor *d, struct finding *f)
{
    finding_step(f, "by hand: where the file was only moved or renamed, put it back beside its log; else:");
    doctor_step_restore(d, f, "move the -wal away, and ");
}

static void step_missing(struct doctor *d, struct finding *f, bool no_folder)
{
    char meant[PATH_MAX], was[PATH_MAX], quoted[PATH_MAX + 2];
    if (meant_database(d, meant)) {
        finding_step(f, "by hand: did you mean %s? Then:", meant);
        snprintf(quoted, sizeof quoted, "\"%s\"", meant);
        doctor_step_key(d->config, f, "database", quoted);
        return;
    }
    if (begun_before(d->config, was))
        finding_step(
            f,
            "by hand: the database was %s: mount its volume, or put the file back if somebody moved it; else:", was);
    else if (!no_folder) {
        doctor_step_tool(d, f, "init");
        return;
    }
    doctor_step_restore(d, f, "");
}

void doctor_unopened(struct doctor *d, const struct err *e)
{
    struct finding f =
        finding_of(FINDING_WRONG, err_word(e->code),
                   "every event is answered 503 while it is so, and after ten tries ComplyCube disables the webhook");
    if (e->detail == ERR_FOREIGN)
        step_other_name(d, &f);
    else if (e->code == ERR_SCHEMA)
        finding_step(&f, "by hand: install the newer version of complycube-inbox and complycube-webhook");
    else if (e->code == ERR_NOT_FOUND || e->detail == ERR_NO_FOLDER)
        step_missing(d, &f, e->detail == ERR_NO_FOLDER);
    else if (e->detail == ERR_DANGLING)
        finding_step(
            &f, "by hand: mount the volume that it leads to; no event is lost meanwhile if a spool is configured");
    else if (e->detail == ERR_ORPHAN_LOG)
        step_orphan(d, &f);
    else if (e->code == ERR_DATABASE && sqlite_refused(d->database, NULL))
        finding_step(&f, "by hand: find out who put it there, and remove it; the database itself is whole");
    else if (e->code == ERR_DATABASE)
        doctor_step_restore(d, &f, "move the file away with its -wal and -shm, and ");
    else if (e->code == ERR_FULL)
        finding_step(&f, "by hand: make room on the file system of %s", d->database);
    else if (e->code == ERR_BUSY)
        finding_step(
            &f, "by hand: find the program that keeps a transaction or the lock, and end it: fuser -v %s %s.lock",
            d->database, d->database);
    else
        doctor_step_tool(d, &f, "init");
    if (e->code == ERR_NOT_FOUND) /* the receiver makes it with the first event */
        f.why = "consumers cannot open what the receiver makes only with the first event";
    doctor_tell(d, &f, "%s", e->msg);
}
