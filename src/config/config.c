/* SPDX-License-Identifier: MIT
 * config: found and read whole. The only user of libconfuse. */
#include "config_impl.h"

#include "base/near.h"

#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct config_key config_keys[] = {
    {"database", "", NULL, "the SQLite file that events are recorded in"},
    {"inbox", "table", "table|directory", "the form in which applications read events"},
    {"directory", "", NULL, "the folder of the directory form"},
    {"max_body", "1M", NULL, "the largest body that is accepted, in bytes, K or M"},
    {"journal", "auto", "auto|wal|delete", "SQLite's journal; auto is delete on network file systems"},
    {"log", "auto", NULL, "auto, stderr, syslog or the path of a file"},
    {"group", "", NULL, "the consumers' group, where they run as another user"},
    {"retain", "", NULL, "how long prune leaves what is done: 90d, 12h; empty: for ever"},
    {"spool", "", NULL, "the folder of events that wait while the database cannot be written; empty: none"},
    {"sandbox", "auto", "auto|off", "auto: the receiver confines itself with what the kernel has"},
    {"api", CONFIG_API, NULL, "the URL of ComplyCube's API, for complycube-inbox"},
};
const size_t config_n_keys = sizeof config_keys / sizeof *config_keys;

enum { KEYS = sizeof config_keys / sizeof *config_keys };
_Static_assert((int)KEYS <= (int)CONFIG_KEYS_MAX, "a row of struct config for each key");

/* ---- finding ---- */

static bool try_path(struct config *c, const char *folder)
{
    int n = folder ? snprintf(c->path, sizeof c->path, "%s/complycube-webhook.conf", folder) : -1;
    if (n > 0 && n < (int)sizeof c->path && access(c->path, F_OK) == 0)
        return true;
    c->path[0] = '\0';
    return false;
}

/* Set c->path; true when the environment alone is to be used. */
static bool find(struct config *c, const struct config_env *env)
{
    if (env->config && *env->config) {
        char here[PATH_MAX] = "";
        if (*env->config != '/' && !getcwd(here, sizeof here))
            *here = '\0';
        if (snprintf(c->path, sizeof c->path, "%s%s%s", here, *here ? "/" : "", env->config) >= (int)sizeof c->path)
            err_set(&c->error, ERR_CONFIG, "the configuration's path is too long");
        return false;
    }
    if (env->secret || env->database)
        return true;
    if (!try_path(c, env->folder) && !try_path(c, env->sysconfdir))
        err_set(&c->error, ERR_CONFIG,
                "no configuration found; put complycube-webhook.conf beside the program, or name it in "
                "COMPLYCUBE_WEBHOOK_CONFIG, or give it to complycube-inbox with -c (looked for: "
                "%s/complycube-webhook.conf and %s/complycube-webhook.conf)",
                env->folder ? env->folder : ".", env->sysconfdir ? env->sysconfdir : ".");
    return false;
}

/* ---- strings ---- */

/* Ours until the configuration is freed; "" when memory is out, with the error set. */
static const char *own(struct config *c, char *text)
{
    if (!text || c->n_made == sizeof c->made / sizeof *c->made) {
        free(text);
        config_broken(c, ERR_MEMORY, "out of memory", "");
        return "";
    }
    return c->made[c->n_made++] = text;
}

/* Without slashes behind: such a path would be the folder it is in. */
static char *trimmed(char *path)
{
    size_t len = path ? strlen(path) : 0;
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    return path;
}

/* A path as it is when absolute, else from the folder of the configuration file. */
static char *absolute(const struct config *c, const char *path)
{
    char folder[PATH_MAX], *out = NULL;
    if (strncmp(path, "sqlite:", 7) == 0)
        path += 7;
    if (*path == '/' || *path == '\0' || !*c->path || files_folder(c->path, folder, sizeof folder) != 0)
        return trimmed(strdup(path));
    return asprintf(&out, "%s/%s", folder, path) < 0 ? NULL : trimmed(out);
}

/* ---- reading ---- */

/* The first complaint of libconfuse, whose error function is given no context. */
static _Thread_local struct complaint {
    const char *format; /* libconfuse's own; NULL: it did not complain */
    int line;
    char word[CONFIG_WORD]; /* what the complaint is about; "": it names no word */
    char text[240];
} complaint;

static void take_complaint(cfg_t *cfg, const char *format, va_list ap)
{
    const char *argument = strchr(format, '%');
    va_list first;
    if (complaint.format)
        return;
    complaint = (struct complaint){.format = format, .line = cfg ? cfg->line : 0};
    if (argument && argument[1] == 's') {
        va_copy(first, ap);
        snprintf(complaint.word, sizeof complaint.word, "%s", va_arg(first, const char *));
        va_end(first);
    }
    vsnprintf(complaint.text, sizeof complaint.text, format, ap);
}

static int note_line(cfg_t *cfg, cfg_opt_t *opt)
{
    char line[16];
    snprintf(line, sizeof line, "%d", cfg->line);
    return cfg_opt_setcomment(opt, line);
}

/* Called for each option as it is read. One that comes twice would silently count the last time only. */
static int note_option(cfg_t *cfg, cfg_opt_t *opt)
{
    if (cfg_opt_getcomment(opt)) {
        cfg_error(cfg, "%s stands here a second time; remove one of the two", cfg_opt_name(opt));
        return -1;
    }
    return note_line(cfg, opt);
}

/* For a list it is called once per member and, before anything is read, once per member of the default. */
static int note_list(cfg_t *cfg, cfg_opt_t *opt) { return cfg_opt_size(opt) == 1 ? note_line(cfg, opt) : 0; }

static int line_of(cfg_t *cfg, const char *name)
{
    cfg_opt_t *opt = cfg_getopt(cfg, name);
    const char *line = opt->flags & CFGF_RESET ? NULL : cfg_opt_getcomment(opt); /* RESET: it has its default */
    return line ? (int)strtol(line, NULL, 10) : 0;
}

static int read_endpoint(struct config *c, cfg_t *section, struct config_endpoint *p)
{
    p->name = cfg_title(section);
    if (!text_is_name(span_of(p->name)))
        return config_broken(c, ERR_CONFIG,
                             "an endpoint's name may hold letters, digits, dot, dash and underscore only",
                             "endpoint live { ... }");
    const char *file = cfg_getstr(section, "secret_file");
    if (!file || !*file)
        return err_set(&c->error, ERR_CONFIG, "%s: endpoint %s has no secret_file", c->path, p->name);
    p->secret_file_line = line_of(section, "secret_file");
    p->events_line = line_of(section, "events");
    p->api_key_file_line = line_of(section, "api_key_file");
    p->url_line = line_of(section, "url");
    p->url = cfg_getstr(section, "url");
    p->n_events = cfg_size(section, "events");
    if (p->n_events == 0 || p->n_events > CONFIG_EVENTS_MAX)
        return err_set(&c->error, ERR_CONFIG, "%s: endpoint %s: events is a list of 1 to %d types, or {\"*\"}",
                       c->path, p->name, CONFIG_EVENTS_MAX);
    const char **events = calloc(p->n_events, sizeof *events);
    for (size_t i = 0; events && i < p->n_events; i++)
        events[i] = cfg_getnstr(section, "events", (unsigned)i);
    for (size_t i = 0; events && i < p->n_events; i++)
        if (!*events[i] || strpbrk(events[i], " \t,"))
            err_set(
                &c->error, ERR_CONFIG,
                "%s: endpoint %s: a type in events is empty or holds a blank or a comma; write each in quotes of its "
                "own: {\"check.completed\", \"check.pending\"}",
                c->path, p->name);
    p->events = events;
    p->secret_file = absolute(c, file);
    p->api_key_file = absolute(c, cfg_getstr(section, "api_key_file"));
    if (!events || !p->secret_file || !p->api_key_file)
        return config_broken(c, ERR_MEMORY, "out of memory", "");
    if (c->error.code != ERR_NONE || c->without_secrets)
        return c->error.code != ERR_NONE ? -1 : 0;
    if (secrets_read(&p->secrets, p->secret_file, &c->trusted, &c->error) != 0)
        return -1;
    if (p->secrets.n == 0)
        return err_set(&c->error, ERR_SECRETS, "%s holds no secret; put that of the webhook into it, a line each",
                       p->secret_file);
    return 0;
}

/* More than CONFIG_USERS_MAX are counted and not kept: the page refuses such a list. */
static int read_users(struct config *c, cfg_t *section, const char *key, struct config_users *users)
{
    users->n = cfg_size(section, key);
    users->line = line_of(section, key);
    size_t kept = users->n < CONFIG_USERS_MAX ? users->n : CONFIG_USERS_MAX;
    const char **name = calloc(CONFIG_USERS_MAX, sizeof *name);
    for (size_t i = 0; name && i < kept; i++)
        name[i] = cfg_getnstr(section, key, (unsigned)i);
    users->name = name;
    return name ? 0 : config_broken(c, ERR_MEMORY, "out of memory", "");
}

static int read_page_block(struct config *c, cfg_t *section)
{
    struct config_page *p = &c->page;
    p->log_line = line_of(section, "log");
    p->metrics_line = line_of(section, "metrics");
    p->title_line = line_of(section, "title");
    p->title = cfg_getstr(section, "title");
    p->log = own(c, absolute(c, cfg_getstr(section, "log")));
    p->metrics = own(c, absolute(c, cfg_getstr(section, "metrics")));
    return c->error.code == ERR_NONE && read_users(c, section, "users", &p->users) == 0 &&
                   read_users(c, section, "payload", &p->payload) == 0
               ? 0
               : -1;
}

static int read_sections(struct config *c, cfg_t *cfg)
{
    size_t n = cfg_size(cfg, "endpoint");
    if (n == 0 || n > CONFIG_ENDPOINTS_MAX)
        return config_broken(c, ERR_CONFIG, "there is no endpoint, or more than 32",
                             "write: endpoint live { secret_file = \"../private/secrets\" }");
    c->endpoint = calloc(n, sizeof *c->endpoint);
    if (!c->endpoint)
        return config_broken(c, ERR_MEMORY, "out of memory", "");
    int result = 0;
    while (result == 0 && c->n_endpoints < n) {
        size_t i = c->n_endpoints++; /* counted before it is read: it is to be freed, and watched, all the same */
        result = read_endpoint(c, cfg_getnsec(cfg, "endpoint", (unsigned)i), &c->endpoint[i]);
    }
    return result;
}

/*
 * libconfuse does not mind a section that is still open at the end of the text. So a line of ours stands behind
 * it: inside an open section its option is unknown, inside an open string it is never set.
 */
#define END_MARK "end_of_this_file"
#define END_LINE "\n" END_MARK " = \"reached\"\n"

/*
 * Replace comments by blanks: libconfuse counts lines wrongly after them, some versions three for one. C-style comments,
 * and whatever follows one, are left alone.
 */
static void blank_comments(char *text)
{
    char quote = '\0';
    for (char *c = text; *c; c++) {
        if (quote && *c == '\\' && c[1])
            c++;
        else if (quote)
            quote = *c == quote ? '\0' : quote;
        else if (*c == '"' || *c == '\'')
            quote = *c;
        else if (*c == '/' && (c[1] == '/' || c[1] == '*'))
            return;
        else if (*c == '#') {
            size_t n = strcspn(c, "\n");
            memset(c, ' ', n);
            c += n - 1;
        }
    }
}

/*
 * A text that ends inside a string or a comment leaves libconfuse's only lexer there, and the next one would begin inside
 * it for as long as the first is kept. Freeing any of them sets it back.
 */
static void reset_lexer(void)
{
    cfg_opt_t none[] = {CFG_END()};
    cfg_free(cfg_init(none, CFGF_NONE));
}

/* Does libconfuse complain of this text in the same form? It gives no codes, and another version may use other words. */
static bool is_complaint_of(const struct complaint *seen, const char *text)
{
    cfg_opt_t none[] = {CFG_END()};
    reset_lexer();
    complaint.format = NULL;
    cfg_t *cfg = cfg_init(none, CFGF_NONE);
    if (cfg) {
        cfg_set_error_function(cfg, take_complaint);
        cfg_parse_buf(cfg, text);
        cfg_free(cfg);
    }
    return complaint.format && strcmp(seen->format, complaint.format) == 0;
}

static const char *meant_by(const char *word)
{
    static const char *const of_section[] = {"endpoint", "secret_file", "events",  "api_key_file", "url",
                                             "page",     "users",       "payload", "metrics",      "title"};
    for (size_t i = 0; i < KEYS + sizeof of_section / sizeof *of_section; i++) {
        const char *name = i < KEYS ? config_keys[i].name : of_section[i - KEYS];
        if (near_typo(word, strlen(word), name))
            return name;
    }
    return NULL;
}

static void broken_text(struct config *c)
{
    const struct complaint seen = complaint;
    char cure[80] = "";
    c->fault = (struct config_fault){.what = CONFIG_UNPARSED, .line = seen.line};
    if (is_complaint_of(&seen, "unknown = 1")) {
        c->fault.what = CONFIG_UNKNOWN;
        memcpy(c->fault.word, seen.word, sizeof seen.word);
        c->fault.meant = meant_by(seen.word);
    }
    if (is_complaint_of(&seen, "="))
        snprintf(cure, sizeof cure, "; a text stands in quotes, a list of them in braces: {\"*\"}");
    else if (c->fault.meant)
        snprintf(cure, sizeof cure, "; did you mean %s?", c->fault.meant);
    err_set(&c->error, ERR_CONFIG, "%s, line %d: %s%s", c->path, seen.line, seen.text, cure);
}

/* libconfuse's own tables, from ours. */
static cfg_t *parse_config(struct config *c, char *text)
{
    char all[] = "{\"*\"}";
    cfg_opt_t section[] = {CFG_STR("secret_file", "", CFGF_NONE), CFG_STR_LIST("events", all, CFGF_NONE),
                           CFG_STR("api_key_file", "", CFGF_NONE), CFG_STR("url", "", CFGF_NONE), CFG_END()};
    cfg_opt_t page[] = {CFG_STR_LIST("users", NULL, CFGF_NONE), CFG_STR_LIST("payload", NULL, CFGF_NONE),
                        CFG_STR("log", "", CFGF_NONE),          CFG_STR("metrics", "", CFGF_NONE),
                        CFG_STR("title", "", CFGF_NONE),        CFG_END()};
    cfg_opt_t options[KEYS + 4];
    for (size_t i = 0; i < KEYS; i++)
        options[i] = (cfg_opt_t)CFG_STR(config_keys[i].name, config_keys[i].standard, CFGF_NONE);
    options[KEYS] = (cfg_opt_t)CFG_SEC("endpoint", section, CFGF_TITLE | CFGF_MULTI | CFGF_NO_TITLE_DUPES);
    options[KEYS + 1] = (cfg_opt_t)CFG_SEC("page", page, CFGF_NONE);
    options[KEYS + 2] = (cfg_opt_t)CFG_STR(END_MARK, "", CFGF_NONE);
    options[KEYS + 3] = (cfg_opt_t)CFG_END();
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (!cfg)
        return NULL;
    reset_lexer();
    complaint = (struct complaint){.format = NULL};
    blank_comments(text);
    cfg_set_error_function(cfg, take_complaint);
    for (size_t i = 0; i < KEYS; i++)
        cfg_set_validate_func(cfg, config_keys[i].name, note_option);
    cfg_set_validate_func(cfg, "endpoint|secret_file", note_option);
    cfg_set_validate_func(cfg, "endpoint|events", note_list);
    cfg_set_validate_func(cfg, "endpoint|api_key_file", note_option);
    cfg_set_validate_func(cfg, "endpoint|url", note_option);
    cfg_set_validate_func(cfg, "page|users", note_list);
    cfg_set_validate_func(cfg, "page|payload", note_list);
    cfg_set_validate_func(cfg, "page|log", note_option);
    cfg_set_validate_func(cfg, "page|metrics", note_option);
    cfg_set_validate_func(cfg, "page|title", note_option);
    bool good = cfg_parse_buf(cfg, text) == CFG_SUCCESS;
    if ((good && !*cfg_getstr(cfg, END_MARK)) || strstr(complaint.word, END_MARK))
        config_broken(c, ERR_CONFIG, "a closing brace, bracket or quote is missing", "finish writing it");
    else if (complaint.format)
        broken_text(c);
    else if (!good)
        config_broken(c, ERR_CONFIG, "it cannot be parsed", "compare it with the sample");
    return cfg;
}

/* Into c->parsed; *st: of the file that was read. */
static int parse_file(struct config *c, struct stat *st)
{
    struct buf text = {0};
    int result = -1;
    if (files_read_text(c->path, &text, st, &c->error) != 0)
        goto out;
    c->print = files_stamp(st);
    if (buf_room(&text, sizeof END_LINE, (size_t)2 * FILES_TEXT_MAX) < sizeof END_LINE) {
        config_broken(c, ERR_MEMORY, "out of memory", "");
        goto out;
    }
    memcpy(text.at + text.len, END_LINE, sizeof END_LINE);
    c->parsed = parse_config(c, text.at);
    if (!c->parsed)
        config_broken(c, ERR_MEMORY, "out of memory", "");
    else if (c->error.code == ERR_NONE && st->st_mode & S_IWOTH)
        config_broken(c, ERR_CONFIG, "anyone may write it", "chmod o-w it");
    result = c->error.code == ERR_NONE ? 0 : -1;
out:
    buf_release(&text);
    return result;
}

static int read_config_file(struct config *c)
{
    struct stat st;
    c->print = files_look(c->path);
    if (parse_file(c, &st) != 0)
        return -1;
    cfg_t *cfg = c->parsed;
    c->named = own(c, absolute(c, cfg_getstr(cfg, "database")));
    c->database = own(c, config_real(c->named));
    c->trusted = trust_in(config_receiver(c), st.st_uid);
    c->directory = own(c, absolute(c, cfg_getstr(cfg, "directory")));
    c->spool = own(c, absolute(c, cfg_getstr(cfg, "spool")));
    for (size_t i = 0; i < KEYS; i++)
        c->line[i] = line_of(cfg, config_keys[i].name);
    c->inbox = cfg_getstr(cfg, "inbox");
    c->journal = cfg_getstr(cfg, "journal");
    c->group = cfg_getstr(cfg, "group");
    c->sandbox = cfg_getstr(cfg, "sandbox");
    c->log = cfg_getstr(cfg, "log");
    c->api = cfg_getstr(cfg, "api");
    if (strpbrk(c->log, "/.")) /* no slip in a word */
        c->log = own(c, absolute(c, c->log));
    if (c->error.code != ERR_NONE ||
        config_check_values(c, cfg_getstr(cfg, "max_body"), cfg_getstr(cfg, "retain")) != 0)
        return -1;
    return read_page_block(c, cfg_getsec(cfg, "page")) == 0 ? read_sections(c, cfg) : -1;
}

static int read_environment(struct config *c, const struct config_env *env)
{
    static const char *const all[] = {"*"};
    c->endpoint = calloc(1, sizeof *c->endpoint);
    if (!c->endpoint)
        return config_broken(c, ERR_MEMORY, "out of memory", "");
    c->n_endpoints = 1;
    *c->endpoint =
        (struct config_endpoint){.name = "default", .events = all, .n_events = 1, .api_key_file = "", .url = ""};
    if (!env->database || !*env->database)
        return config_broken(c, ERR_CONFIG, "COMPLYCUBE_WEBHOOK_SECRET is set without COMPLYCUBE_WEBHOOK_DATABASE",
                             "set both");
    if (!env->secret)
        return config_broken(c, ERR_SECRETS, "COMPLYCUBE_WEBHOOK_DATABASE is set without its _SECRET", "set both");
    c->named = own(c, strdup(env->database));
    c->database = own(c, config_real(c->named));
    if (config_check_values(c, "1M", "") != 0)
        return -1;
    if (!env->taken)
        return secrets_from_text(&c->endpoint->secrets, env->secret, &c->error);
    c->endpoint->secrets = *env->taken;
    c->error = *env->refused;
    return c->error.code == ERR_NONE ? 0 : -1;
}

/* A file that may still be changing is looked at once more: no later change could hide in the same tick. */
static void distrust_young(struct files_stamp *print, int64_t now_ms)
{
    if (now_ms - print->ctime_ns / 1000000 < CONFIG_REST_MS)
        print->mtime_ns = -1;
}

struct config *config_load(const struct config_env *env, int64_t now_ms)
{
    struct config *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->database = c->named = c->directory = c->spool = c->group = "";
    c->inbox = "table";
    c->journal = c->log = c->sandbox = "auto";
    c->api = CONFIG_API;
    c->page = (struct config_page){.log = "", .metrics = "", .title = ""};
    c->without_secrets = env->without_secrets;
    bool environment = find(c, env);
    if (c->error.code == ERR_NONE && (environment ? read_environment(c, env) : read_config_file(c)) == 0 &&
        config_check_directory(c) == 0 && !c->without_secrets)
        config_check_secrets(c);
    distrust_young(&c->print, now_ms);
    for (size_t i = 0; i < c->n_endpoints; i++)
        distrust_young(&c->endpoint[i].secrets.print, now_ms);
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_endpoints; i++) {
        secrets_release(&c->endpoint[i].secrets);
        if (c->endpoint[i].secret_file) { /* of a file: these are ours */
            free((void *)(uintptr_t)c->endpoint[i].secret_file);
            free((void *)(uintptr_t)c->endpoint[i].events);
            free((void *)(uintptr_t)c->endpoint[i].api_key_file);
        }
    }
    free(c->endpoint);
    free((void *)(uintptr_t)c->page.users.name);
    free((void *)(uintptr_t)c->page.payload.name);
    for (size_t i = 0; i < c->n_made; i++)
        free(c->made[i]);
    cfg_free(c->parsed);
    free(c);
}
