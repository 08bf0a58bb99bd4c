/* SPDX-License-Identifier: MIT
 * check_spool: the folder in which events wait while the database cannot be written, and what waits in it. */
#include "base/when.h"
#include "doctor.h"
#include "spool/spool.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { UNFINISHED_MS = 60000 };

static const char unusable[] = "it is there for when the database is not: an event is answered 503 then";
static const char acknowledged[] = "they were acknowledged, and nobody sends them again";

/* ---- the folder ---- */

static bool check_there(struct doctor *d, const char *path, struct stat *st)
{
    char folder[PATH_MAX], name[40];
    if (doctor_is_planted(d, path, true)) /* which is reported by now */
        return false;
    bool there = stat(path, st) == 0;
    if (there && S_ISDIR(st->st_mode))
        return true;
    if (!there && errno == EACCES) /* its rights are judged for the receiver's user alone */
        return false;
    if (there) {
        struct finding f = finding_of(FINDING_WRONG, "spool", unusable);
        finding_step(&f, "by hand: name a folder: in %s line %d, spool = \"...\"", d->config->path,
                     config_line(d->config, "spool"));
        doctor_tell(d, &f, "%s is no folder", path);
        return false;
    }
    struct finding f = finding_of(FINDING_WRONG, "spool", unusable);
    struct err e;
    if (files_check_link(path, &e) != 0) {
        finding_step(&f, "by hand: mount the volume that it leads to");
        doctor_tell(d, &f, "%s", e.msg);
        return false;
    }
    if (files_folder(path, folder, sizeof folder) == 0 && access(folder, F_OK) != 0)
        finding_step(&f, "mkdir -p %q", folder);
    if (access(folder, W_OK) != 0) /* only root can make it there */
        finding_step(&f, "install -d -o %w -m 700 %q%s", doctor_owner(geteuid(), name), path,
                     !d->cmd->root ? "  # as root" : "");
    doctor_step_tool(d, &f, "init");
    doctor_tell(d, &f, "%s: %s", path, strerror(ENOENT));
    return false;
}

static bool check_rights(struct doctor *d, const char *path, const struct stat *st)
{
    struct doctor_path p = {.mode = R_OK | W_OK | X_OK};
    struct err e = {0};
    char name[40], owner[40], blocked[PATH_MAX];
    snprintf(p.path, sizeof p.path, "%s", path);
    if (doctor_try(d->user, &p, 1, &e) != 0 || p.error == 0)
        return true;
    uid_t uid = d->user ? d->user->pw_uid : geteuid();
    struct finding f = finding_of(FINDING_WRONG, "spool", unusable);
    if (doctor_blocked(d->user, path, blocked))
        doctor_step_pass(d, &f, d->user, blocked);
    else if (st->st_uid != uid)
        finding_step(&f, "chown -h %w %q%s", doctor_owner(uid, name), path, !d->cmd->root ? "  # as root" : "");
    else
        finding_step(&f, "chmod u+rwx %q", path);
    doctor_tell(d, &f, "%s cannot be used by %s: %s; it is %s's, mode %04o", path,
                d->user ? d->user->pw_name : "this user", strerror(p.error), doctor_owner(st->st_uid, owner),
                (unsigned)(st->st_mode & 07777));
    return false;
}

static void check_spool_mode(struct doctor *d, const char *path, const struct stat *st)
{
    char group[40];
    unsigned mode = st->st_mode & 07777;
    if (st->st_mode & S_IRWXO) {
        struct finding f =
            finding_of(FINDING_WRONG, "spool", "bodies are personal data, and what is removed there is lost");
        finding_step(&f, "chmod o= %q", path);
        doctor_tell(d, &f, "%s has mode %04o: any user of this host reaches the events in it", path, mode);
    } else if (d->group != (gid_t)-1 && (st->st_gid != d->group || (mode & 02070) != 02070)) {
        struct finding f =
            finding_of(FINDING_WARNING, "spool", "the tool, run by one of the group, cannot record what waits there");
        doctor_step_tool(d, &f, "init");
        doctor_tell(d, &f, "%s has mode %04o and the group %s instead of %s", path, mode,
                    doctor_group(st->st_gid, group), d->config->group);
    }
}

static void check_spool_system(struct doctor *d, const char *path, const struct stat *st)
{
    struct stat database;
    enum files_system system = files_system(path);
    char folder[PATH_MAX];
    bool same = files_folder(d->database, folder, sizeof folder) == 0 && stat(folder, &database) == 0 &&
                database.st_dev == st->st_dev;
    if (system == FILES_MEMORY || system == FILES_OVERLAY) {
        struct finding f = finding_of(FINDING_WARNING, "spool", acknowledged);
        finding_step(&f, "by hand: name a folder on a disk (in a container: a volume): spool = \"...\"");
        doctor_tell(d, &f, "%s lies on %s", path,
                    system == FILES_MEMORY ? "a tmpfs: it is gone after a reboot"
                                           : "an overlay: in a container it is gone with the container");
    } else if (same) {
        struct finding f =
            finding_of(FINDING_WARNING, "spool",
                       "it helps where the database is locked or damaged, and not where the disk is full or fails");
        finding_step(&f, "by hand: name a folder on another file system: spool = \"...\"");
        doctor_tell(d, &f, "%s is on the database's own file system", path);
    } else {
        doctor_ok(d, "spool", "%s, on a file system of its own", path);
    }
}

/* ---- what is in it ---- */

static void check_waiting(struct doctor *d, const struct spool_names *names)
{
    char time[32] = "";
    bool late = names->oldest_ms && names->oldest_ms < d->cmd->now_ms - SPOOL_LATE_MS;
    size_t n = names->count[SPOOL_EVENT];
    if (n == 0)
        return;
    struct finding f = finding_of(
        late ? FINDING_WARNING : FINDING_OK, "spooled",
        "the next event, or a FastCGI receiver by itself, records them as soon as the database can be written");
    if (late)
        doctor_step_tool(d, &f, "spool record");
    doctor_tell(d, &f, "%d wait in it, the oldest since %s", (int)n, when_time(names->oldest_ms, time));
}

/* What was set aside: how many are torn, and the first of those that are whole, which no secret of ours has signed. */
struct aside {
    size_t torn, whole;
    char name[SPOOL_NAME_SIZE]; /* of one that is torn */
    struct spool_entry entry;
};

static void look_aside(const char *path, const struct spool_names *names, struct aside *a)
{
    int64_t ms;
    struct err e;
    struct spool_entry entry = {.received_ms = 0};
    for (size_t i = 0; i < names->n; i++) {
        if (spool_kind(names->list[i], &ms) != SPOOL_ASIDE)
            continue;
        int failed = spool_read(path, names->list[i], &entry, &e);
        if (failed)
            snprintf(a->name, sizeof a->name, "%s", names->list[i]);
        else if (a->whole == 0)
            memcpy(&a->entry, &entry, sizeof entry); /* of which the names are used */
        a->torn += failed != 0;
        a->whole += failed == 0;
    }
    spool_entry_release(&entry);
}

static void check_aside(struct doctor *d, const char *path, const struct spool_names *names)
{
    struct aside a = {.torn = 0};
    look_aside(path, names, &a);
    if (a.whole) {
        struct finding f = finding_of(FINDING_WARNING, "spooled", acknowledged);
        finding_step(&f, "by hand: add the secret that was called %s to the file of endpoint %s again, retired",
                     a.entry.secret, a.entry.endpoint);
        doctor_step_tool(d, &f, "spool record");
        doctor_tell(d, &f,
                    "%d are set aside, since the secret that signed them is in no file any more (or their bodies are "
                    "damaged)",
                    (int)a.whole);
    }
    if (a.torn) {
        struct finding f = finding_of(FINDING_WARNING, "spooled", acknowledged);
        finding_step(&f, "by hand: look at what is left of it, keep that elsewhere, and remove %s/%s", path, a.name);
        doctor_tell(d, &f, "%d are damaged, and set aside: %s", (int)a.torn, a.name);
    }
}

static void check_odd(struct doctor *d, const char *path, const struct spool_names *names)
{
    if (names->unfinished_ms && names->unfinished_ms < d->cmd->now_ms - UNFINISHED_MS) {
        struct finding f = finding_of(FINDING_WARNING, "spooled",
                                      "nobody was told that they were received, but they hold personal data");
        doctor_step_tool(d, &f, "spool record");
        doctor_tell(d, &f, "%d files in it were left unfinished by a crash", (int)names->count[SPOOL_UNFINISHED]);
    }
    if (names->count[SPOOL_FOREIGN]) {
        struct finding f =
            finding_of(FINDING_WARNING, "spooled", "nothing reads them there: are they events that were renamed?");
        finding_step(&f, "by hand: move away what is none of ours: ls -la %s", path);
        doctor_tell(d, &f, "%d files in it are none of a spool", (int)names->count[SPOOL_FOREIGN]);
    }
}

void doctor_spool(struct doctor *d)
{
    struct stat st;
    struct spool_names names;
    struct err e = {0};
    const char *path = d->config->spool;
    if (!*path || !check_there(d, path, &st) || !check_rights(d, path, &st))
        return;
    check_spool_mode(d, path, &st);
    check_spool_system(d, path, &st);
    if (spool_list(path, true, &names, &e) != 0) {
        struct finding f = finding_of(FINDING_WARNING, "spool", "what waits in it cannot be told");
        doctor_tell(d, &f, "%s", e.msg);
        return;
    }
    check_waiting(d, &names);
    check_aside(d, path, &names);
    check_odd(d, path, &names);
    spool_names_release(&names);
}
