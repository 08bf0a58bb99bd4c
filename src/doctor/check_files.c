/* SPDX-License-Identifier: MIT
 * check_files: owners and modes of all files of the store, for the receiver, and with --as for a consumer. */
#include "doctor.h"
#include "receiver/receiver.h"
#include "store/beside.h"
#include "store/maildir/maildir.h"
#include "store/store_file.h"

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATHS_MAX = 1024 };
static const char no_record[] = "the receiver cannot record events there: it answers 503, and after ten tries "
                                "ComplyCube disables the webhook";
static const char leaks[] = "events hold personal data";

/* ---- which files there are ---- */

struct paths {
    struct doctor *d;
    struct doctor_path *list; /* room for PATHS_MAX */
    size_t n;
    char planted[PATH_MAX + 8]; /* the last one that was */
};

/* No right is judged on what somebody put there: no cure may change what it leads to. */
static bool is_planted(struct paths *p, const char *path, int mode)
{
    size_t n = strlen(p->planted);
    if (n && strncmp(path, p->planted, n) == 0 && (path[n] == '/' || !path[n]))
        return true;
    if (!doctor_is_planted(p->d, path, mode & X_OK))
        return false;
    snprintf(p->planted, sizeof p->planted, "%s", path);
    return true;
}

static void add_path(struct paths *p, int mode, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void add_path(struct paths *p, int mode, const char *format, ...)
{
    struct stat st;
    va_list ap;
    if (p->n == PATHS_MAX)
        return;
    struct doctor_path *one = &p->list[p->n];
    va_start(ap, format);
    int n = vsnprintf(one->path, sizeof one->path, format, ap);
    va_end(ap);
    if (n >= 0 && n < (int)sizeof one->path && !is_planted(p, one->path, mode) &&
        (stat(one->path, &st) == 0 ? !(mode & X_OK) || S_ISDIR(st.st_mode) : errno == EACCES)) {
        one->mode = mode;
        p->n++;
    }
}

/* The folder that holds the database, and all of the database's files. */
static void add_database(struct paths *p, const struct doctor *d)
{
    char folder[PATH_MAX];
    if (files_folder(d->database, folder, sizeof folder) == 0)
        add_path(p, R_OK | W_OK | X_OK, "%s", folder);
    for (size_t i = 0; store_files[i]; i++)
        add_path(p, R_OK | W_OK, "%s%s", d->database, store_files[i]);
}

/* The receiver's own files, and their folder where a group shares the database's. */
static void add_own_files(struct paths *p, const struct doctor *d)
{
    char base[PATH_MAX], folder[PATH_MAX];
    beside_base(d->database, base, NULL);
    if (strcmp(base, d->database) != 0 && files_folder(base, folder, sizeof folder) == 0)
        add_path(p, R_OK | W_OK | X_OK, "%s", folder);
    add_path(p, R_OK | W_OK, "%s.lock", base);
    add_path(p, R_OK | W_OK, "%s.refused", base);
}

/* The folders of each endpoint, with the days of done/, and the settings. */
static void add_inbox_files(struct paths *p, const struct config *c)
{
    static const char *const folders[] = {"", "/tmp", "/new", "/cur", "/done", "/dead"};
    char pattern[PATH_MAX];
    if (!c->files)
        return;
    add_path(p, R_OK | W_OK | X_OK, "%s", c->directory);
    add_path(p, R_OK, "%s/setting", c->directory);
    for (size_t i = 0; i < c->n_endpoints; i++) {
        for (size_t k = 0; k < sizeof folders / sizeof *folders; k++)
            add_path(p, R_OK | W_OK | X_OK, "%s/%s%s", c->directory, c->names[i], folders[k]);
        glob_t days = {0};
        if (snprintf(pattern, sizeof pattern, "%s/%s/done/[0-9]*", c->directory, c->names[i]) < (int)sizeof pattern &&
            glob(pattern, 0, NULL, &days) == 0)
            for (size_t k = 0; k < days.gl_pathc; k++)
                add_path(p, R_OK | W_OK | X_OK, "%s", days.gl_pathv[k]);
        globfree(&days);
    }
}

/* ---- the receiver's user ---- */

static const char *describe_path(const char *path, char *out, size_t size)
{
    struct stat st;
    char owner[40], group[40];
    *out = '\0';
    if (stat(path, &st) == 0)
        snprintf(out, size, "; it is %s:%s, mode %04o", doctor_owner(st.st_uid, owner),
                 doctor_group(st.st_gid, group), (unsigned)(st.st_mode & 07777));
    return out;
}

static void report_refused_file(struct doctor *d, const struct doctor_path *p, bool database)
{
    struct stat st = {0};
    char name[40], is[160];
    uid_t uid = d->user ? d->user->pw_uid : geteuid();
    bool seen = stat(p->path, &st) == 0, folder = seen && S_ISDIR(st.st_mode);
    const char *root = !d->cmd->root ? "  # as root" : "";
    char blocked[PATH_MAX];
    struct finding f = finding_of(FINDING_WRONG, database ? "database" : "directory", no_record);
    if (doctor_blocked(d->user, p->path, blocked))
        doctor_step_pass(d, &f, d->user, blocked);
    else if (st.st_uid != uid)
        finding_step(&f, "chown -h %w %q%s", doctor_owner(uid, name), p->path, root);
    else
        finding_step(&f, folder ? "chmod u+rwx %q" : "chmod u+rw %q", p->path);
    doctor_tell(d, &f, "%s cannot be used by %s: %s%s", p->path, d->user ? d->user->pw_name : "this user",
                strerror(p->error), describe_path(p->path, is, sizeof is));
}

static bool check_receiver(struct doctor *d, struct paths *p, size_t of_database)
{
    struct err e = {0};
    char blocked[PATH_MAX];
    bool good = true;
    if (doctor_try(d->user, p->list, p->n, &e) != 0) {
        struct finding f = finding_of(FINDING_WARNING, "user", "rights could not be tried");
        doctor_tell(d, &f, "%s", e.msg);
        return true;
    }
    for (size_t i = 0; i < p->n; i++)
        if (p->list[i].error) {
            good = false;
            report_refused_file(d, &p->list[i], i < of_database);
            if (doctor_blocked(d->user, p->list[i].path, blocked)) /* the others are behind that too */
                return false;
        }
    return good;
}

/* ---- modes: others, and the group ---- */

static bool fits_group(const struct stat *st, gid_t group)
{
    mode_t needed = S_ISDIR(st->st_mode) ? 02070 : 0060;
    return st->st_gid == group && (st->st_mode & needed) == needed;
}

static void check_file_mode(struct doctor *d, const char *path, const char *what)
{
    struct stat st;
    char group[40];
    const char *of = d->config->group;
    if (stat(path, &st) != 0)
        return;
    unsigned mode = st.st_mode & 07777;
    if (st.st_mode & S_IRWXO) {
        struct finding f = finding_of(FINDING_WRONG, "permissions", leaks);
        finding_step(&f, "chmod o= %q", path);
        doctor_tell(d, &f,
                    "%s has mode %04o: any user of this host reaches the events "
                    "in it",
                    path, mode);
    } else if (d->group != (gid_t)-1 && !fits_group(&st, d->group)) {
        struct finding f =
            finding_of(FINDING_WRONG, "group", "a consumer needs to write what it reads, and makes side files");
        doctor_step_tool(d, &f, "init");
        doctor_tell(d, &f, "%s has mode %04o and the group %s: consumers of the group %s cannot write it", path, mode,
                    doctor_group(st.st_gid, group), of);
    } else {
        doctor_ok(d, what, "%s has mode %04o", path, mode);
    }
}

static void tell_open(struct doctor *d, const char *folder, const struct stat *st)
{
    if (!(st->st_mode & S_IWOTH))
        return;
    struct finding f = finding_of(FINDING_WRONG, "permissions",
                                  "a file that is there before the receiver's own is used in its place, or stops it");
    if (st->st_mode & S_ISVTX)
        finding_step(&f, "by hand: move the database into a folder of its own, and name it in %s", d->config->path);
    else
        finding_step(&f, "chmod o-w %q", folder);
    doctor_tell(d, &f, "%s has mode %04o: any user of this host may put files beside the database", folder,
                (unsigned)(st->st_mode & 07777));
}

/* Consumers of another user write the database and make its side files, so they need its folder too. */
static void check_database_folder(struct doctor *d)
{
    char folder[PATH_MAX], group[40];
    struct stat st;
    if (files_folder(d->database, folder, sizeof folder) != 0 || stat(folder, &st) != 0)
        return;
    tell_open(d, folder, &st);
    if (d->group == (gid_t)-1 || fits_group(&st, d->group))
        return;
    struct finding f = finding_of(FINDING_WRONG, "group", "a consumer makes the database's side files there");
    finding_step(&f, "chgrp %w %q && chmod 3770 %q", d->config->group, folder, folder);
    doctor_tell(d, &f, "%s has mode %04o and the group %s: consumers of the group %s cannot use the database in it",
                folder, (unsigned)(st.st_mode & 07777), doctor_group(st.st_gid, group), d->config->group);
}

/* What the receiver alone writes lies apart from what consumers may replace. */
static void check_own(struct doctor *d)
{
    char base[PATH_MAX], folder[PATH_MAX];
    struct err e = {0};
    struct stat st;
    uid_t uid = d->user ? d->user->pw_uid : geteuid();
    if (beside_base(d->database, base, &e) != 0) {
        char own[PATH_MAX + 8];
        snprintf(own, sizeof own, "%s" BESIDE_OWN, d->database);
        struct finding f = finding_of(FINDING_WRONG, "own folder", no_record);
        finding_step(&f, "mv -T %q %q.planted", own, own);
        doctor_step_tool(d, &f, "init");
        doctor_tell(d, &f, "%s", e.msg);
        return;
    }
    if (d->group == (gid_t)-1 || strcmp(base, d->database) != 0 || access(d->database, F_OK) != 0 ||
        files_folder(base, folder, sizeof folder) != 0 || stat(folder, &st) != 0 || st.st_uid != uid)
        return;
    struct finding f =
        finding_of(FINDING_WARNING, "own folder",
                   "a consumer of the group could put another file in the place of the lock or of the counts there");
    doctor_step_tool(d, &f, "init");
    doctor_tell(d, &f, "the receiver's own files lie beside %s, where consumers may write", d->database);
}

/* The directory form: consumers of another user rename files in it, and must get there. */
static void check_directory(struct doctor *d, const struct paths *p, size_t from)
{
    const struct config *c = d->config;
    char folder[PATH_MAX];
    struct stat st;
    if (files_folder(c->directory, folder, sizeof folder) != 0 || stat(folder, &st) != 0)
        return;
    bool reached = (st.st_mode & 0001) || (st.st_gid == d->group && (st.st_mode & 0010));
    if (d->group != (gid_t)-1 && !reached) {
        struct finding f = finding_of(FINDING_WRONG, "group", "a consumer goes through it to its events");
        finding_step(&f, "chgrp %w %q && chmod g+x %q", c->group, folder, folder);
        doctor_tell(d, &f, "%s has mode %04o: consumers of the group %s cannot reach the inbox in it", folder,
                    (unsigned)(st.st_mode & 07777), c->group);
    }
    check_file_mode(d, c->directory, "directory");
    for (size_t i = from; d->group != (gid_t)-1 && i < p->n; i++)
        if (stat(p->list[i].path, &st) == 0 && S_ISDIR(st.st_mode) && !fits_group(&st, d->group)) {
            struct finding f = finding_of(FINDING_WRONG, "group", "a consumer renames files in it");
            doctor_step_tool(d, &f, "init");
            doctor_tell(d, &f, "%s has mode %04o: consumers of the group %s cannot use it", p->list[i].path,
                        (unsigned)(st.st_mode & 07777), c->group);
        }
}

static void check_missing(struct doctor *d)
{
    static const char *const folders[] = {"tmp", "new", "cur", "done", "dead"};
    const struct config *c = d->config;
    char path[PATH_MAX];
    struct stat st;
    struct maildir_setting setting = {0};
    struct maildir *dir = NULL;
    struct err e = {0};
    for (size_t i = 0; i < c->n_endpoints; i++)
        for (size_t k = 0; k < sizeof folders / sizeof *folders; k++)
            if (snprintf(path, sizeof path, "%s/%s/%s", c->directory, c->names[i], folders[k]) < (int)sizeof path &&
                stat(path, &st) != 0 && errno == ENOENT) {
                struct finding f = finding_of(FINDING_WRONG, "directory", no_record);
                doctor_step_tool(d, &f, "init");
                doctor_tell(d, &f, "%s: %s", path, strerror(ENOENT));
            }
    if (maildir_open(&dir, c->directory, d->group, false, &setting, &e) != 0 ||
        maildir_read_setting(dir, &setting, &e) != 0) {
        struct finding f =
            finding_of(FINDING_WRONG, "setting", "workers read there how often to try and how long a lease is");
        finding_step(&f, "rm -f %q/setting", c->directory);
        doctor_step_tool(d, &f, "init");
        doctor_tell(d, &f, "%s", e.msg);
    }
    maildir_close(dir);
}

static void check_modes(struct doctor *d, const struct paths *p, size_t of_database)
{
    if (!d->config->files)
        check_database_folder(d);
    for (size_t i = 1; i < of_database; i++) /* the first is the folder */
        check_file_mode(d, p->list[i].path, "permissions");
    bool planted = d->config->files && strcmp(d->config->directory, p->planted) == 0;
    if (d->config->files && !planted &&
        files_check_link(d->config->directory, NULL) == 0) { /* the store reports that */
        check_directory(d, p, of_database);
        check_missing(d);
    }
}

/* The configuration itself, for a receiver of another user than who runs this. */
static void check_config_file(struct doctor *d)
{
    struct doctor_path p = {.mode = R_OK};
    struct err e = {0};
    snprintf(p.path, sizeof p.path, "%s", d->config->path);
    if (!*p.path || doctor_try(d->user, &p, 1, &e) != 0 || p.error == 0)
        return;
    char blocked[PATH_MAX];
    struct finding f =
        finding_of(FINDING_WRONG, "configuration", "the receiver answers 500 to every event while it cannot read it");
    if (doctor_blocked(d->user, p.path, blocked))
        doctor_step_pass(d, &f, d->user, blocked);
    else
        finding_step(&f, "chmod a+r %q", p.path);
    doctor_tell(d, &f, "%s cannot be read by %s: %s", p.path, d->user ? d->user->pw_name : "this user",
                strerror(p.error));
}

void doctor_files(struct doctor *d)
{
    struct paths p = {.d = d, .list = calloc(PATHS_MAX, sizeof *p.list)};
    if (!p.list)
        return;
    check_config_file(d);
    add_database(&p, d);
    size_t of_database = p.n;
    add_inbox_files(&p, d->config);
    d->reachable = check_receiver(d, &p, of_database);
    check_modes(d, &p, of_database);
    check_own(d);
    p.n = 0;
    add_own_files(&p, d);
    d->reachable &= check_receiver(d, &p, p.n);
    free(p.list);
}

/* ---- a consumer's user ---- */

/* Each folder above a path must be passed through. */
static void add_folders_above(struct paths *p, const char *path)
{
    for (const char *slash = strchr(path + 1, '/'); slash && slash[1]; slash = strchr(slash + 1, '/'))
        add_path(p, X_OK, "%.*s", (int)(slash - path), path);
}

static void step_consumer(struct doctor *d, struct finding *f, const struct passwd *who, const struct doctor_path *p)
{
    struct stat st;
    if (p->mode == X_OK)
        doctor_step_pass(d, f, who, p->path);
    else if (!doctor_member(who, d->group))
        finding_step(f, "usermod -aG %s %s", d->config->group, who->pw_name);
    else if (stat(p->path, &st) == 0 && S_ISDIR(st.st_mode) && strncmp(d->database, p->path, strlen(p->path)) == 0)
        finding_step(f, "chgrp %w %q && chmod 3770 %q", d->config->group, p->path, p->path);
    else
        doctor_step_tool(d, f, "init");
}

/* Without a group there is nothing that both users could share. */
static void tell_group_unset(struct doctor *d, const struct passwd *who, const struct doctor_path *p)
{
    char folder[PATH_MAX], name[40];
    if (files_folder(d->database, folder, sizeof folder) != 0)
        return;
    struct finding f = finding_of(FINDING_WRONG, "consumer",
                                  "a consumer of another user than the receiver shares its files by a group; "
                                  "membership counts from the next login or restart on");
    finding_step(&f, "groupadd -f complycube-app");
    finding_step(&f, "usermod -aG complycube-app %s", who->pw_name);
    finding_step(&f, "usermod -aG complycube-app %s", doctor_owner(d->user ? d->user->pw_uid : geteuid(), name));
    finding_step(&f, "chgrp complycube-app %q && chmod 3770 %q", folder, folder);
    doctor_step_key(d->config, &f, "group", "\"complycube-app\"");
    doctor_step_tool(d, &f, "init");
    doctor_tell(d, &f, "%s cannot use %s: %s; no group is configured", who->pw_name, p->path, strerror(p->error));
}

static size_t tell_consumer(struct doctor *d, const struct passwd *who, const struct paths *p)
{
    size_t wrong = 0;
    char is[160];
    for (size_t i = 0; i < p->n; i++) {
        const struct doctor_path *one = &p->list[i];
        if (one->error == 0 || one->error == ENOENT)
            continue;
        wrong++;
        if (d->group == (gid_t)-1 && one->mode != X_OK) {
            tell_group_unset(d, who, one);
            return wrong;
        }
        struct finding f = finding_of(FINDING_WRONG, "consumer", "it can neither claim an event nor tell it done");
        step_consumer(d, &f, who, one);
        doctor_tell(d, &f, "%s cannot use %s: %s%s", who->pw_name, one->path, strerror(one->error),
                    describe_path(one->path, is, sizeof is));
        if (one->mode == X_OK) /* what is below is not to be told */
            return wrong;
    }
    return wrong;
}

/* Who reads a secret can forge events; a consumer needs none. */
static void check_secrets_hidden(struct doctor *d, const struct passwd *who)
{
    for (size_t i = 0; i < d->config->n_endpoints; i++) {
        struct doctor_path p = {.mode = R_OK};
        struct err e = {0};
        struct stat st;
        char name[40];
        const char *file = d->config->endpoint[i].secret_file;
        struct finding f =
            finding_of(FINDING_WARNING, "consumer", "who reads a secret can forge events; a consumer needs none");
        if (!file || snprintf(p.path, sizeof p.path, "%s", file) >= (int)sizeof p.path || stat(file, &st) != 0 ||
            doctor_try(who, &p, 1, &e) != 0 || p.error)
            continue;
        if (st.st_uid == who->pw_uid && d->user)
            finding_step(&f, "chown -h %w %q", doctor_owner(d->user->pw_uid, name), file);
        finding_step(&f, "chmod 600 %q", file);
        doctor_tell(d, &f, "%s can read the secrets in %s", who->pw_name, file);
    }
}

void doctor_consumer(struct doctor *d)
{
    struct passwd who = {0};
    char name[64];
    struct err e = {0};
    const struct passwd *found = getpwnam(d->cmd->as);
    struct paths p = {.d = d, .list = calloc(PATHS_MAX, sizeof *p.list)};
    if (!found || !p.list || snprintf(name, sizeof name, "%s", found->pw_name) >= (int)sizeof name)
        goto out;
    who.pw_name = name;
    who.pw_uid = found->pw_uid;
    who.pw_gid = found->pw_gid;
    char folder[PATH_MAX];
    bool at = files_folder(d->database, folder, sizeof folder) == 0;
    if (at)
        add_folders_above(&p, folder);
    if (d->config->files) /* it needs no database then */
        add_folders_above(&p, d->config->directory);
    else
        add_database(&p, d);
    add_inbox_files(&p, d->config);
    if (doctor_try(&who, p.list, p.n, &e) != 0) {
        struct finding f = finding_of(FINDING_WRONG, "consumer", "");
        doctor_tell(d, &f, "%s", e.msg);
    } else if (tell_consumer(d, &who, &p) == 0) {
        doctor_ok(d, "consumer", "%s can use the inbox", name);
    }
    bool distinct = who.pw_uid != (d->user ? d->user->pw_uid : geteuid());
    if (distinct && who.pw_uid != 0)
        check_secrets_hidden(d, &who);
out:
    free(p.list);
}
