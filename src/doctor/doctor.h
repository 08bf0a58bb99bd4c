/* SPDX-License-Identifier: MIT
 *
 * doctor: what all checks share. A subject is a file check_NAME.c, and finding.h has the form of what it finds.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "finding.h"
#include "tool/cmd.h"

#include <limits.h>
#include <pwd.h>

struct doctor {
    const struct cmd *cmd;
    const struct config *config; /* with its secrets where they are sound, else without; NULL: there is none */
    char database[PATH_MAX];     /* its path, without detours */
    gid_t group;                 /* of the consumers; (gid_t)-1: none */
    const struct passwd *user;   /* for whom rights are judged; NULL: for whoever runs this, without a name */
    struct passwd user_is;       /* what it points to */
    char user_name[64];
    const char *url; /* that is tried, or NULL */
    bool sound;      /* the secrets are read too */
    bool reachable;  /* the files of the store may be opened */
    bool color;
    int wrong; /* findings so far */
};

/* Print a finding, count it, and release it; printf-like: what was found. */
void doctor_tell(struct doctor *d, struct finding *f, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same where all is well. */
void doctor_ok(struct doctor *d, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same of a failure, with the word of its code as the subject, and without a cure. */
void doctor_failed(struct doctor *d, const struct err *e);

/* Add the step "complycube-inbox COMMAND" with the configuration that this run has. */
void doctor_step_tool(const struct doctor *d, struct finding *f, const char *command);

/* The same with what precedes it, "sudo -u www-data " for example, and a file after it (NULL: none). */
void doctor_step_run(const struct doctor *d, struct finding *f, const char *before, const char *command,
                     const char *file);

/* Add the step that gives a key of the configuration this line, KEY = VALUE: in place of its own, or a new one. */
void doctor_step_key(const struct config *c, struct finding *f, const char *key, const char *value);

/*
 * The same of any option.
 * line: the option's own, 0: it has none; a line that holds more than the option is left to a person
 */
void doctor_step_option(const struct config *c, struct finding *f, const char *option, const char *value, int line);

/* The cure where TLS has no CA bundle. */
#define DOCTOR_BUNDLE_CURE \
    "by hand: install the package ca-certificates, or set SSL_CERT_FILE to a file of CA certificates"

/* A line of a file without its newline and its leading blanks, at most size - 1 bytes: 0, or -1 when there is none. */
int doctor_line(const char *path, int line, char *text, size_t size);

/* The names of the owner of a file and of a group, for a message; at least 40 bytes at `out`, which is returned. */
const char *doctor_owner(uid_t uid, char *out);
const char *doctor_group(gid_t gid, char *out);

/* A variable of the process's environment, or NULL. */
const char *doctor_variable(const struct doctor *d, const char *name);

/* ---- check_user.c: rights, tried by a process of that user ---- */

struct doctor_path {
    char path[PATH_MAX + 8];
    int mode;  /* as for access(2) */
    int error; /* out: 0, or why not */
};

/* Try them as this user (NULL: as this process). -1 and *e where no process could become the user. */
int doctor_try(const struct passwd *who, struct doctor_path *paths, size_t n, struct err *e);

/* The first folder above a path that this user cannot pass through: true, with its path at `out` of PATH_MAX bytes. */
bool doctor_blocked(const struct passwd *who, const char *path, char *out);

/* Add the step that lets this user pass through a folder; nobody is allowed to list it. */
void doctor_step_pass(const struct doctor *d, struct finding *f, const struct passwd *who, const char *folder);

/*
 * Is this a link, or a side file's second name, that somebody may have put there? No cure may name it, since that would
 * change what it leads to. A folder's may be a link that trust_link allows; of another one it tells. The store tells of files.
 */
bool doctor_is_planted(struct doctor *d, const char *path, bool folder);

/* Is the user a member of the group? */
bool doctor_member(const struct passwd *who, gid_t group);

/* ---- the subjects ---- */

/* Read the configuration, without its secrets, and tell what is wrong with it. *c is to be freed; d->config borrows it. */
void doctor_config(struct doctor *d, struct config **c);
/* The same of the secrets; where all are sound, *c is the configuration with them. After doctor_user. */
void doctor_secrets(struct doctor *d, struct config **c);
/* For which user does all this speak? Sets d->user. 0; 1: for nobody, which was reported, and
 * nothing more is to be checked; or -1 and *e. */
int doctor_user(struct doctor *d, struct err *e);
/* The rights on all files of the store, for the receiver and, with --as, for a consumer. */
void doctor_files(struct doctor *d);
void doctor_consumer(struct doctor *d);
/* Links, FIFOs and the like that somebody put into the directory, the spool or beside the database. */
void doctor_planted_names(struct doctor *d);
/* What stands in the store, and what it stands on. */
void doctor_store(struct doctor *d);
/* The steps to a new database: restore a backup; without one, do what `without` says and begin an empty one. */
void doctor_step_restore(struct doctor *d, struct finding *f, const char *without);
/* Why the database does not open. */
void doctor_unopened(struct doctor *d, const struct err *e);
/* What waits in the spool, and whether it can do its part. */
void doctor_spool(struct doctor *d);
/* Whether the receiver can open its log. */
void doctor_log(struct doctor *d);
/* Whether the database's write-ahead log is written back. */
void doctor_store_log(struct doctor *d);
/* Older copies of the database that stand beside it. */
void doctor_copies(struct doctor *d);
/* Processes that have the database open and are older than the program. */
void doctor_receivers(struct doctor *d);
/* The web server's configuration, where it can be read. */
void doctor_server(struct doctor *d);
/* The socket that such a configuration names. */
struct serverconf;
void doctor_socket(struct doctor *d, const struct serverconf *s);
/* The API keys, and the webhooks that the API has. */
void doctor_api(struct doctor *d);
/* --api: the report of what ComplyCube's pages leave open; nothing else is examined. */
int doctor_questions(struct doctor *d, struct err *e);
/* Probes through the public URL, d->url. */
void doctor_url(struct doctor *d);

#endif
