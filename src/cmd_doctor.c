/* SPDX-License-Identifier: MIT
 * cmd_doctor: is everything as it must be, and if not, which line changes it? */
#include "cmd.h"
#include "cmd_json.h"
#include "directory.h"
#include "receiver.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum verdict { OK, WARNING, WRONG };

struct report {
    const struct cmd *cmd;
    int wrong;
};

/* One finding: what, how it stands, and, unless it is ok, the cure. */
static void find(struct report *r, enum verdict verdict, const char *what, const char *cure, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void find(struct report *r, enum verdict verdict, const char *what, const char *cure, const char *format, ...)
{
    static const char *const words[] = {"ok", "warning", "wrong"};
    char text[600];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    r->wrong += verdict == WRONG;
    if (!r->cmd->json) {
        printf("%-8s %-14s %s\n", words[verdict], what, text);
        if (verdict != OK && *cure)
            printf("%-8s %-14s -> %s\n", "", "", cure);
        return;
    }
    struct cmd_json *j = cmd_json_new();
    cmd_json_number(j, "schema", 1);
    cmd_json_text(j, "verdict", span_of(words[verdict]));
    cmd_json_text(j, "what", span_of(what));
    cmd_json_text(j, "finding", span_of(text));
    cmd_json_text(j, "cure", verdict != OK && *cure ? span_of(cure) : (struct span){0});
    cmd_json_end(j);
}

static void check_secrets(struct report *r, const struct config *c)
{
    for (size_t i = 0; i < c->n_endpoints; i++) {
        const struct config_endpoint *p = &c->endpoint[i];
        size_t usable = 0;
        for (size_t k = 0; k < p->secrets.n; k++)
            usable += !p->secrets.list[k].retired;
        if (usable == 0)
            find(r, WARNING, "secrets", "put the webhook's secret into its file", "endpoint %s: all %zu are retired",
                 p->name, p->secrets.n);
        else
            find(r, OK, "secrets", "", "endpoint %s: %zu in force, %zu retired", p->name, usable,
                 p->secrets.n - usable);
        for (size_t k = 0; k < p->secrets.n; k++)
            if (!p->secrets.list[k].retired && p->secrets.list[k].value.len < 16)
                find(r, WARNING, "secrets", "compare it with what ComplyCube showed; a webhook's has 32 characters",
                     "endpoint %s: the secret %s is short, and easy to guess", p->name, p->secrets.list[k].name);
        if (p->narrowed)
            find(r, WARNING, "secret file", "upload it with mode 0600 from now on",
                 "%s could be read by others; it is 0600 now", p->secret_file);
    }
}

static void check_one_folder(struct report *r, const char *path, const struct config *c, gid_t group)
{
    struct stat st;
    char cure[PATH_MAX + 80];
    if (stat(path, &st) != 0) {
        find(r, WRONG, "directory", "complycube-inbox init", "%s: %s", path, strerror(errno));
    } else if (access(path, R_OK | W_OK | X_OK) != 0) {
        snprintf(cure, sizeof cure, "chown it to this user, or chmod u+rwx '%s'", path);
        find(r, WRONG, "directory", cure, "%s cannot be used by this user: %s", path, strerror(errno));
    } else if (group != (gid_t)-1 && (st.st_gid != group || (st.st_mode & 02070) != 02070)) {
        find(r, WRONG, "group", "complycube-inbox init", "%s has mode %04o: consumers of the group %s cannot use it",
             path, (unsigned)(st.st_mode & 07777), c->group);
    }
}

/* The folders of each endpoint, with the days of done/, and the settings. */
static void check_folders(struct report *r, const struct config *c, gid_t group)
{
    static const char *const folders[] = {"tmp", "new", "cur", "done", "dead"};
    struct directory_setting setting = {0};
    struct directory *d = NULL;
    struct err e = {0};
    char path[PATH_MAX];
    for (size_t i = 0; i < c->n_endpoints; i++) {
        for (size_t k = 0; k < sizeof folders / sizeof *folders; k++)
            if (snprintf(path, sizeof path, "%s/%s/%s", c->directory, c->names[i], folders[k]) < (int)sizeof path)
                check_one_folder(r, path, c, group);
        glob_t days = {0};
        if (snprintf(path, sizeof path, "%s/%s/done/[0-9]*", c->directory, c->names[i]) < (int)sizeof path &&
            glob(path, 0, NULL, &days) == 0)
            for (size_t k = 0; k < days.gl_pathc; k++)
                check_one_folder(r, days.gl_pathv[k], c, group);
        globfree(&days);
    }
    if (directory_open(&d, c->directory, group, false, &setting, &e) != 0 ||
        directory_read_setting(d, &setting, &e) != 0)
        find(r, WRONG, "setting", "remove it, and run complycube-inbox init", "%s", e.msg);
    directory_close(d);
}

/* The directory form: consumers of another user rename files in it, and must get there. */
static void check_directory(struct report *r, const struct config *c, gid_t group)
{
    char folder[PATH_MAX], cure[2 * PATH_MAX + 80];
    struct stat st;
    if (files_folder(c->directory, folder, sizeof folder) != 0 || stat(folder, &st) != 0)
        return;
    snprintf(cure, sizeof cure, "chgrp %s '%s' && chmod g+x '%s'", c->group, folder, folder);
    bool reached = (st.st_mode & 0001) || (st.st_gid == group && (st.st_mode & 0010));
    if (group != (gid_t)-1 && !reached)
        find(r, WRONG, "group", cure, "%s has mode %04o: consumers of the group %s cannot reach the inbox in it",
             folder, (unsigned)(st.st_mode & 07777), c->group);
    if (stat(c->directory, &st) != 0)
        return; /* told with the database */
    else if (st.st_mode & S_IRWXO)
        find(r, WRONG, "permissions", "chmod o= it", "%s has mode %04o: any user of this host reads the events in it",
             c->directory, (unsigned)(st.st_mode & 07777));
    else if (group != (gid_t)-1 && (st.st_gid != group || (st.st_mode & 02070) != 02070))
        find(r, WRONG, "group", "complycube-inbox init", "%s has mode %04o: consumers of the group %s cannot use it",
             c->directory, (unsigned)(st.st_mode & 07777), c->group);
    else
        find(r, OK, "directory", "", "%s", c->directory);
    check_folders(r, c, group);
}

/* Consumers of another user write the database and make its side files, so they need its folder too. */
static void check_folder(struct report *r, const char *path, const struct config *c, gid_t group)
{
    char folder[PATH_MAX], cure[2 * PATH_MAX + 80];
    struct stat st;
    if (files_folder(path, folder, sizeof folder) != 0 || stat(folder, &st) != 0)
        return;
    snprintf(cure, sizeof cure, "chgrp %s '%s' && chmod 2770 '%s'", c->group, folder, folder);
    if (st.st_gid != group || (st.st_mode & 02070) != 02070)
        find(r, WRONG, "group", cure, "%s has mode %04o: consumers of the group %s cannot use the database in it",
             folder, (unsigned)(st.st_mode & 07777), c->group);
}

static void check_modes(struct report *r, const char *path, const struct config *c, gid_t group)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    char name[PATH_MAX + 8], cure[PATH_MAX + 40];
    if (c->files)
        check_directory(r, c, group);
    else if (group != (gid_t)-1)
        check_folder(r, path, c, group);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        struct stat st;
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        if (stat(name, &st) != 0)
            continue;
        snprintf(cure, sizeof cure, "chmod o= %s", name);
        if (st.st_mode & S_IRWXO)
            find(r, WRONG, "permissions", cure, "%s has mode %04o: any user of this host reaches the events in it",
                 name, (unsigned)(st.st_mode & 07777));
        else if (group != (gid_t)-1 && (st.st_gid != group || (st.st_mode & 0060) != 0060))
            find(r, WRONG, "group", "complycube-inbox init",
                 "%s has mode %04o: consumers of the group %s cannot write it", name, (unsigned)(st.st_mode & 07777),
                 c->group);
        else
            find(r, OK, "permissions", "", "%s has mode %04o", name, (unsigned)(st.st_mode & 07777));
    }
}

static void check_store(struct report *r, const struct config *c)
{
    struct err e = {0};
    struct store_facts facts;
    struct store *s = cmd_store(c, false, &e);
    if (!s || store_read_facts(s, r->cmd->now_ms, &facts, &e) != 0) {
        find(r, WRONG, err_word(e.code), e.code == ERR_NOT_FOUND ? "complycube-inbox init" : "", "%s", e.msg);
        store_close(s);
        return;
    }
    bool wal = strcmp(facts.journal, "wal") == 0;
    if (!wal && strcmp(c->journal, "wal") == 0)
        find(r, WARNING, "journal", "write journal = \"auto\"", "wal was asked for, but its file system gives %s",
             facts.journal);
    else
        find(r, OK, "journal", "", "%s", facts.journal);
    find(r, OK, "schema", "", "version %d", facts.schema);
    find(r, facts.dead ? WARNING : OK, "inbox", "complycube-inbox list --state dead",
         "%lld waiting, %lld dead, %lld events in all", (long long)facts.waiting, (long long)facts.dead,
         (long long)facts.events);
    if (facts.orphaned)
        find(r, WARNING, "inbox",
             "put the database back that has them, or let a library of consumers/ read the folder",
             "%lld files are of events that the log does not know: the database was replaced",
             (long long)facts.orphaned);
    if (facts.stranded)
        find(r, WARNING, "inbox", "write inbox = \"table\", let the consumers work them off, and change back",
             "%lld wait in the table, from before inbox = \"directory\"", (long long)facts.stranded);
    find(r, facts.quarantined ? WARNING : OK, "quarantine", "look at the table quarantine: each row has its reason",
         "%lld", (long long)facts.quarantined);
    store_close(s);
}

static void check_configuration(struct report *r, const struct config *c)
{
    struct store_options o;
    struct err e = {0};
    find(r, OK, "configuration", "", "%s", *c->path ? c->path : "the environment");
    check_secrets(r, c);
    if (receiver_store_options(c, true, &o, &e) != 0 || store_probe(&o, &e) != 0) {
        find(r, WRONG, err_word(e.code), "", "%s", e.msg);
        return;
    }
    find(r, OK, "database", "", "%s", c->database);
    check_modes(r, strncmp(c->database, "sqlite:", 7) == 0 ? c->database + 7 : c->database, c, o.group);
    check_store(r, c);
}

int cmd_doctor(const struct cmd *cmd, struct err *e)
{
    struct report r = {.cmd = cmd};
    struct config *c = cmd_config(cmd, e);
    if (c)
        check_configuration(&r, c);
    else
        find(&r, WRONG, err_word(e->code), "", "%s", e->msg);
    config_free(c);
    if (r.wrong == 0)
        return 0;
    return err_set(e, ERR_NOT_FOUND, "%d wrong; run this as the web server's user, since rights differ by user",
                   r.wrong);
}
