/* SPDX-License-Identifier: MIT
 *
 * config: what the administrator wrote, read whole, checked whole, and never half in force.
 *
 * One file in libconfuse's syntax, or two variables of the process environment. Nothing ever comes from a
 * request. A struct config is immutable once loaded; a changed file makes a new one.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/err.h"
#include "base/files.h"
#include "secrets.h"

#include <limits.h>
#include <stdint.h>

enum {
    CONFIG_ENDPOINTS_MAX = 32,
    CONFIG_EVENTS_MAX = 64,
    CONFIG_SECRETS_MAX = 256 /* in force */,
    CONFIG_KEYS_MAX = 16,
    CONFIG_USERS_MAX = 64 /* of the page */,
    CONFIG_WORD = 224 /* bytes of an unknown option that are kept */,
    CONFIG_REST_MS = 500 /* after its last change a file is at rest */
};

#define CONFIG_API "https://api.complycube.com/v1"

/* Where the configuration may be found; each may be NULL. From the process, never from a request. */
struct config_env {
    const char *config;          /* COMPLYCUBE_WEBHOOK_CONFIG: the file, first choice */
    const char *secret;          /* COMPLYCUBE_WEBHOOK_SECRET, with ... */
    const char *database;        /* ... COMPLYCUBE_WEBHOOK_DATABASE: no file at all, second choice */
    const char *folder;          /* of the executable: complycube-webhook.conf there, third choice */
    const char *sysconfdir;      /* the same there, last choice */
    const struct secrets *taken; /* where not NULL: what `secret` was; none and ... */
    const struct err *refused;   /* ... why not */
    bool without_secrets; /* leave the secret files alone: whoever works on events need not be able to read them */
};

struct config_endpoint {
    const char *name, *secret_file;
    const char *const *events; /* n_events of them; "*" means all types */
    size_t n_events;
    const char *api_key_file, *url; /* of the tool, "": none; the file is never opened here, and neither is judged */
    int secret_file_line, events_line, api_key_file_line, url_line; /* where they stand in the file; 0: nowhere */
    struct secrets secrets;
};

/* A list of the page's users, in the order of the file. */
struct config_users {
    const char *const *name; /* n of them */
    size_t n;
    int line; /* where it stands in the file; 0: nowhere */
};

/* The block of complycube-page. The receiver reads it and judges nothing in it. */
struct config_page {
    struct config_users users, payload;
    const char *log, *metrics, *title; /* paths are absolute; "": none */
    int log_line, metrics_line, title_line;
};

/* What is wrong with a configuration, for a program; `error` says it to people. What does not apply is 0. */
enum config_what {
    CONFIG_OTHER,
    CONFIG_UNPARSED,    /* line: it cannot be parsed */
    CONFIG_UNKNOWN,     /* line, word, meant: there is no such option */
    CONFIG_VALUE,       /* key: it cannot have this value */
    CONFIG_NO_DIRECTORY /* inbox = "directory" without its folder */
};
struct config_fault {
    enum config_what what;
    int line;
    size_t key;             /* of config_keys */
    char word[CONFIG_WORD]; /* as it was written */
    const char *meant;      /* the option that was probably meant; NULL: none is similar */
};

struct config {
    char path[PATH_MAX];                                                        /* the file, "" for the environment */
    const char *database, *inbox, *directory, *journal, *log, *group, *sandbox; /* paths are absolute */
    const char *named; /* the database as it is configured: where that is a link, `database` is the file itself */
    const char *spool; /* the folder, absolute; "": none */
    const char *api;   /* the URL of the vendor's API; judged by the tool, so that no fault in it stops a receiver */
    bool files;        /* inbox = "directory" */
    size_t max_body;   /* bytes */
    int64_t retain_ms; /* how long what is done is kept; 0: for ever */
    struct config_page page;
    struct config_endpoint *endpoint;
    size_t n_endpoints;
    const char *names[CONFIG_ENDPOINTS_MAX]; /* of the endpoints */
    const char *value[CONFIG_KEYS_MAX];      /* of each of config_keys, as text, paths absolute */
    int line[CONFIG_KEYS_MAX];               /* where it stands in the file; 0: nowhere */
    bool without_secrets;
    struct trust trusted;      /* whose secret files are accepted */
    struct err error;          /* ERR_NONE, or why it must not be used, ... */
    struct config_fault fault; /* ... and what the error is about */
    struct files_stamp print;
    void *parsed;   /* libconfuse's, and ... */
    char *made[12]; /* ... strings of our own */
    size_t n_made;
};

/* One row of the configuration file's key table; the manual and `-n` follow it. */
struct config_key {
    const char *name;
    const char *standard; /* default */
    const char *choices;  /* "a|b", or NULL: free text */
    const char *help;
};
extern const struct config_key config_keys[];

extern const size_t config_n_keys;

/*
 * Find, read and check the configuration and its secret files.
 * out:    never NULL but when memory is out; (*c)->error says whether it may be used. To be freed.
 * errors: in (*c)->error: ERR_CONFIG or ERR_SECRETS, with the file, the line and the cure
 */
struct config *config_load(const struct config_env *env, int64_t now_ms);
void config_free(struct config *c); /* wipes the secrets; NULL is legal */

/*
 * Has a file changed since it was read, and come to rest? A file is at rest half a second after its last
 * change, so that a file is not read while it is being written. Or does the database's link lead to another file by now?
 * A few stats.
 */
bool config_changed(const struct config *c, int64_t now_ms);

/* Milliseconds since the latest change of any of its files. */
int64_t config_age(const struct config *c, int64_t now_ms);

/* The line of the file that gives this key, one of config_keys; 0: none does. */
int config_line(const struct config *c, const char *key);

/* Is this type one that the endpoint asks for? */
bool config_wants(const struct config *c, const char *endpoint, struct span type);

/* Is this an endpoint of the configuration? One that has no events may still be misspelt. */
bool config_has_endpoint(const struct config *c, const char *endpoint);

/* Does any endpoint have this secret, retired or not? */
bool config_has_secret(const struct config *c, const struct secret *secret);

/*
 * Could anybody but the trusted put another file in the place of an endpoint's secret file? true, and *weak: the folder or
 * link that lets them, and how. False if there is no file or this process cannot reach it. cost: as trust_walk
 */
bool config_exposed(const struct config *c, const struct config_endpoint *p, struct trust_weak *weak);

/* Who that is, in words of a message: "group 100 may change /folder". Returns `out`, of CONFIG_EXPOSED_BY bytes. */
enum { CONFIG_EXPOSED_BY = PATH_MAX + 40 };
const char *config_exposed_by(const struct trust_weak *weak, char *out);

/* The first endpoint that is exposed so; NULL: none is. */
const struct config_endpoint *config_first_exposed(const struct config *c, struct trust_weak *weak);

/*
 * May a database be begun under this configuration? One that is there, or has left a trace, goes on in any layout.
 * errors: ERR_SECRETS  there is none, and a secret file lies below a folder that others may change: which, and the cure
 */
int config_may_begin(const struct config *c, struct err *e);

/* The receiver's user: this process's own; for root the owner of the database's folder, whose is what root makes there. */
uid_t config_receiver(const struct config *c);

/* At least one secret is in force, and none stands in two endpoints: whose event would it be? -1 and c->error. */
int config_check_secrets(struct config *c);

/*
 * The file that the path of a database leads to, where that is a link: SQLite has its log beside the file, and so must
 * all have what they look for. A link to nothing stays as it is. out: to be freed; NULL when memory is out
 */
char *config_real(const char *path);

/* A size: "1048576", "512K", "1M"; 0 when it is none. */
size_t config_size(const char *text);

/* A time: "90d", "12h"; -1 when it is none. */
int64_t config_time_ms(const char *text);

#endif
