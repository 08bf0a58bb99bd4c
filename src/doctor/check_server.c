/* SPDX-License-Identifier: MIT
 * check_server: which web server reaches the receiver, and does its configuration let whole events through?
 *
 * source: what Apache 2.4, mod_fcgid 2.3.9, lighttpd 1.4.69 and nginx 1.22 were seen to do with long and cut bodies */
#include "doctor.h"
#include "serverconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { FCGID_DEFAULT = 131072 /* bytes: FcgidMaxRequestLen */, NGINX_DEFAULT = 1 << 20 };

static const char long_events[] = "a longer event gets an error, and ten errors disable the webhook";

static const struct server {
    const char *name, *restart;
} servers[] = {{"Apache", "systemctl restart apache2"},
               {"lighttpd", "systemctl restart lighttpd"},
               {"nginx", "systemctl restart nginx"}};

struct look {
    struct doctor *d;
    const struct serverconf *s;
    int hit; /* a line that leads to the receiver */
    long long max_body;
};

/* What the web server must let through: more than max_body, so that the receiver itself says what is too large. */
static long long enough(const struct look *k) { return 2 * k->max_body; }

static void restart(const struct look *k, struct finding *f)
{
    finding_step(f, "by hand: restart %s, as this host does it: %s", servers[k->s->kind].name,
                 servers[k->s->kind].restart);
}

/* A line gets this text; where there is none, it is added to the file that leads to the receiver. */
static void step_by_server(const struct look *k, struct finding *f, int at, const char *name, const char *text)
{
    char raw[4096];
    const struct serverconf_line *hit = &k->s->line[k->hit], *l = at >= 0 ? &k->s->line[at] : NULL;
    if (l && doctor_line(l->file, l->line, raw, sizeof raw) == 0 && strncasecmp(raw, name, strlen(name)) == 0 &&
        (k->s->kind == SERVERCONF_APACHE || !strchr(raw, '{')) &&
        !(k->s->kind == SERVERCONF_NGINX && !strchr(raw, ';')))
        finding_step(f, "in %s:%d write: %s", l->file, l->line, text);
    else if (l)
        finding_step(f, "by hand: in %s, line %d, change it to %s", l->file, l->line, text);
    else if (k->s->kind != SERVERCONF_NGINX) /* .htaccess may not have it */
        finding_step(f, "in %s add: %s", strstr(hit->file, ".htaccess") ? k->s->files[0] : hit->file, text);
    else if (doctor_line(hit->file, hit->line, raw, sizeof raw) == 0 && strpbrk(raw, "{;"))
        finding_step(f, "in %s:%d add: %s", hit->file, hit->line, text);
    else
        finding_step(f, "by hand: in %s, in the section of line %d, write %s", hit->file, hit->line, text);
    restart(k, f);
}

static void place(const struct look *k, int at, char *out, size_t size)
{
    if (at < 0)
        snprintf(out, size, "by default");
    else
        snprintf(out, size, "in %s:%d", k->s->line[at].file, k->s->line[at].line);
}

/* A size as nginx writes it, k and m behind it. */
static long long size_of_directive(const char *value)
{
    char *end;
    long long n = strtoll(value, &end, 10);
    if (n < 0 || n > (1LL << 40))
        return n < 0 ? 0 : 1LL << 40;
    return *end == 'k' || *end == 'K'   ? n << 10
           : *end == 'm' || *end == 'M' ? n << 20
           : *end == 'g' || *end == 'G' ? n << 30
                                        : n;
}

/* ---- Apache ---- */

/* Does mod_fcgid start the receiver? */
static bool by_fcgid(const struct look *k)
{
    const struct serverconf_line *hit = &k->s->line[k->hit];
    for (size_t i = 0; i < k->s->n; i++) {
        const struct serverconf_line *l = &k->s->line[i];
        bool handler = (strcasecmp(l->name, "SetHandler") == 0 || strcasecmp(l->name, "AddHandler") == 0) &&
                       strcasestr(l->value, "fcgid-script");
        bool ours =
            l->file == hit->file || (l->parent >= 0 && serverconf_mentions(&k->s->line[l->parent], "complycube"));
        bool given = strcasecmp(l->name, "FcgidInitialEnv") == 0 || strcasecmp(l->name, "FcgidWrapper") == 0;
        if ((handler && ours) || (given && serverconf_mentions(l, "complycube")))
            return true;
    }
    return false;
}

static bool fcgid_loaded(const struct serverconf *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcasecmp(s->line[i].name, "LoadModule") == 0 && strncmp(s->line[i].value, "fcgid_module", 12) == 0)
            return true;
    return false;
}

static void check_fcgid_length(const struct look *k)
{
    int at = serverconf_effective(k->s, "FcgidMaxRequestLen", k->hit);
    long long n = at >= 0 ? size_of_directive(k->s->line[at].value) : FCGID_DEFAULT;
    char text[80], where[4200];
    if (n >= k->max_body) {
        doctor_ok(k->d, "web server", "FcgidMaxRequestLen is %lld", n);
        return;
    }
    place(k, at, where, sizeof where);
    snprintf(text, sizeof text, "FcgidMaxRequestLen %lld", enough(k));
    struct finding f = finding_of(FINDING_WRONG, "web server", long_events);
    step_by_server(k, &f, at, "FcgidMaxRequestLen", text);
    doctor_tell(k->d, &f, "Apache: FcgidMaxRequestLen is %lld %s, and max_body %lld", n, where, k->max_body);
}

/* Of what mod_proxy hands on, Apache 2.4.71 applies no LimitRequestBody; others are said to. */
static void check_limit(const struct look *k, bool fcgid)
{
    bool proxied = !fcgid && strncasecmp(k->s->line[k->hit].name, "ProxyPass", 9) == 0;
    int at = serverconf_effective(k->s, "LimitRequestBody", k->hit);
    long long n = at >= 0 ? size_of_directive(k->s->line[at].value) : 0;
    char text[80];
    if (at < 0 || n == 0 || (!fcgid && n >= k->max_body))
        return;
    snprintf(text, sizeof text, "LimitRequestBody %lld", fcgid ? 0 : enough(k));
    struct finding f = finding_of(
        proxied ? FINDING_WARNING : FINDING_WRONG, "web server",
        fcgid ? "mod_fcgid then hands on a body that is cut as if it were whole, and it is refused: never use both"
              : long_events);
    step_by_server(k, &f, at, "LimitRequestBody", text);
    doctor_tell(k->d, &f, "Apache: LimitRequestBody is %lld in %s:%d", n, k->s->line[at].file, k->s->line[at].line);
}

static void check_mutex(const struct look *k)
{
    for (size_t i = 0; i < k->s->n; i++) {
        const struct serverconf_line *l = &k->s->line[i];
        struct finding f = finding_of(FINDING_WARNING, "web server",
                                      "with mod_fcgid a burst of requests then ends an Apache child: "
                                      "\"can't lock process table\", and they get no answer");
        if (strcasecmp(l->name, "Mutex") != 0 || strncasecmp(l->value + strspn(l->value, "\""), "file:", 5) != 0)
            continue;
        step_by_server(k, &f, (int)i, "Mutex", "Mutex default");
        doctor_tell(k->d, &f, "Apache: Mutex file: in %s:%d", l->file, l->line);
    }
}

/* The line without the words "enablereuse=on". */
static void check_reuse(const struct look *k)
{
    char raw[4096], text[4096];
    for (size_t i = 0; i < k->s->n; i++) {
        const struct serverconf_line *l = &k->s->line[i];
        const char *word = serverconf_mentions(l, "complycube") || strcasestr(l->value, "fcgi://")
                               ? strcasestr(l->value, "enablereuse=on")
                               : NULL;
        if (!word || strncasecmp(l->name, "ProxyPass", 9) != 0 || doctor_line(l->file, l->line, raw, sizeof raw) != 0)
            continue;
        const char *at = strcasestr(raw, "enablereuse=on");
        size_t before = at ? (size_t)(at - raw) : 0;
        while (before && raw[before - 1] == ' ')
            before--;
        snprintf(text, sizeof text, "%.*s%s", (int)before, raw, at ? at + 14 : "");
        struct finding f = finding_of(FINDING_WARNING, "web server",
                                      "an idle connection that is kept gains nothing here, and may hold "
                                      "up others");
        step_by_server(k, &f, (int)i, at ? "ProxyPass" : "?", at ? text : "the same without enablereuse=on");
        doctor_tell(k->d, &f, "Apache: enablereuse=on in %s:%d", l->file, l->line);
    }
}

/* A line that takes the signature away, or writes another. */
static void check_header(const struct look *k)
{
    char raw[4096], text[4200];
    for (size_t i = 0; i < k->s->n; i++) {
        const struct serverconf_line *l = &k->s->line[i];
        if (strcasecmp(l->name, "RequestHeader") != 0 || !strcasestr(l->value, "ComplyCube-Signature") ||
            doctor_line(l->file, l->line, raw, sizeof raw) != 0)
            continue;
        snprintf(text, sizeof text, "# %s", raw);
        struct finding f =
            finding_of(FINDING_WRONG, "web server", "without its own signature every event is refused");
        step_by_server(k, &f, (int)i, "RequestHeader", text);
        doctor_tell(k->d, &f, "Apache: RequestHeader changes ComplyCube-Signature in %s:%d", l->file, l->line);
    }
}

static void check_apache(const struct look *k)
{
    bool alone = strstr(k->s->line[k->hit].file, ".htaccess") != NULL && k->s->n_files == 1;
    bool fcgid = by_fcgid(k) && (alone || fcgid_loaded(k->s));
    if (fcgid && !alone)
        check_fcgid_length(k);
    if (fcgid)
        check_mutex(k);
    check_limit(k, fcgid);
    check_reuse(k);
    check_header(k);
}

/* ---- lighttpd ---- */

static void check_lighttpd(const struct look *k)
{
    char text[80];
    int at = serverconf_effective(k->s, "server.max-request-size", k->hit);
    long long n = at >= 0 ? size_of_directive(k->s->line[at].value) : 0;
    if (n && n << 10 < k->max_body) { /* KiB; 0: without limit */
        snprintf(text, sizeof text, "server.max-request-size = %lld", enough(k) >> 10);
        struct finding f = finding_of(FINDING_WRONG, "web server", long_events);
        step_by_server(k, &f, at, "server.max-request-size", text);
        doctor_tell(k->d, &f, "lighttpd: server.max-request-size is %lld KiB in %s:%d, and max_body %lld bytes", n,
                    k->s->line[at].file, k->s->line[at].line, k->max_body);
    }
    at = serverconf_effective(k->s, "server.stream-request-body", k->hit);
    if (at >= 0 && size_of_directive(k->s->line[at].value)) {
        struct finding f = finding_of(FINDING_WRONG, "web server",
                                      "bodies that break off reach the receiver, and one without a length "
                                      "is refused with 411");
        step_by_server(k, &f, at, "server.stream-request-body", "server.stream-request-body = 0");
        doctor_tell(k->d, &f, "lighttpd: server.stream-request-body is not 0 in %s:%d", k->s->line[at].file,
                    k->s->line[at].line);
    }
}

/* ---- nginx ---- */

static void check_nginx(const struct look *k)
{
    char text[80], where[4200];
    int at = serverconf_effective(k->s, "client_max_body_size", k->hit);
    long long n = at >= 0 ? size_of_directive(k->s->line[at].value) : NGINX_DEFAULT;
    if (n && n < k->max_body) {
        place(k, at, where, sizeof where);
        snprintf(text, sizeof text, "client_max_body_size %lld;", enough(k));
        struct finding f = finding_of(FINDING_WRONG, "web server", long_events);
        step_by_server(k, &f, at, "client_max_body_size", text);
        doctor_tell(k->d, &f, "nginx: client_max_body_size is %lld %s, and max_body %lld", n, where, k->max_body);
    }
    at = serverconf_effective(k->s, "fastcgi_keep_conn", k->hit);
    if (at >= 0 && strcmp(k->s->line[at].value, "on") == 0) {
        struct finding f = finding_of(FINDING_WARNING, "web server",
                                      "an idle connection that is kept gains nothing here, and may hold "
                                      "up others");
        step_by_server(k, &f, at, "fastcgi_keep_conn", "fastcgi_keep_conn off;");
        doctor_tell(k->d, &f, "nginx: fastcgi_keep_conn is on in %s:%d", k->s->line[at].file, k->s->line[at].line);
    }
    at = serverconf_effective(k->s, "fastcgi_request_buffering", k->hit);
    if (at >= 0 && strcmp(k->s->line[at].value, "off") == 0) {
        struct finding f =
            finding_of(FINDING_WARNING, "web server", "a slow sender then holds a connection to the receiver");
        step_by_server(k, &f, at, "fastcgi_request_buffering", "fastcgi_request_buffering on;");
        doctor_tell(k->d, &f, "nginx: fastcgi_request_buffering is off in %s:%d", k->s->line[at].file,
                    k->s->line[at].line);
    }
}

/* ---- finding it ---- */

/* What may lead to a program; a line of a log's path or a definition does not. */
static bool leads(const struct serverconf_line *l)
{
    static const char *const names[] = {"Alias",
                                        "AliasMatch",
                                        "ScriptAlias",
                                        "ScriptAliasMatch",
                                        "ProxyPass",
                                        "ProxyPassMatch",
                                        "ProxyPassReverse",
                                        "FcgidInitialEnv",
                                        "FcgidWrapper",
                                        "SetHandler",
                                        "RewriteRule",
                                        "SetEnv",
                                        "Location",
                                        "LocationMatch",
                                        "Files",
                                        "FilesMatch",
                                        "Directory",
                                        "fastcgi.server",
                                        "cgi.assign",
                                        "alias.url",
                                        "$HTTP",
                                        "setenv.add-environment",
                                        "setenv.set-environment",
                                        "url.rewrite",
                                        "location",
                                        "fastcgi_pass",
                                        "fastcgi_param",
                                        "upstream",
                                        "server"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(l->name, names[i]) == 0)
            return serverconf_mentions(l, "complycube");
    return false;
}

static bool judge(struct doctor *d, const struct serverconf *s)
{
    static void (*const check[])(const struct look *) = {check_apache, check_lighttpd, check_nginx};
    int hit = 0;
    while (hit < (int)s->n && !leads(&s->line[hit]))
        hit++;
    if (hit == (int)s->n)
        return false;
    struct look k = {d, s, hit, (long long)d->config->max_body};
    doctor_ok(d, "web server", "%s leads to the receiver in %s:%d", servers[s->kind].name, s->line[hit].file,
              s->line[hit].line);
    check[s->kind](&k);
    doctor_socket(d, s);
    return true;
}

/* The .htaccess beside the configuration: a folder of uploaded programs may have settings of its own. */
static void add_htaccess(struct doctor *d, struct serverconf *s)
{
    char path[PATH_MAX + 16];
    if (files_folder(d->config->path, path, PATH_MAX) != 0 || !*d->config->path)
        return;
    memcpy(path + strlen(path), "/.htaccess", sizeof "/.htaccess");
    if (access(path, R_OK) == 0)
        serverconf_read(s, path);
}

/* Does a directive's path, perhaps in quotes, stand above a folder? */
static bool above(const char *path, const char *folder)
{
    path += strspn(path, "\"'");
    size_t n = strcspn(path, "\"'");
    while (n && path[n - 1] == '/')
        n--;
    return n && strncmp(folder, path, n) == 0 && (folder[n] == '/' || folder[n] == '\0');
}

/* Has a folder a URL, by what Apache's own configuration says? Where that is a pattern, it may have one. */
static bool may_serve(const struct serverconf *s, const char *folder)
{
    static const char *const patterns[] = {"AliasMatch", "ScriptAliasMatch", "VirtualDocumentRoot",
                                           "VirtualScriptAlias"};
    for (size_t i = 0; i < s->n; i++) {
        const char *name = s->line[i].name, *value = s->line[i].value;
        const char *second = value + strcspn(value, " \t");
        second += strspn(second, " \t");
        if ((strcasecmp(name, "DocumentRoot") == 0 && above(value, folder)) ||
            (strcasecmp(name, "UserDir") == 0 && (above(value, folder) || strstr(folder, value))) ||
            ((strcasecmp(name, "Alias") == 0 || strcasecmp(name, "ScriptAlias") == 0) && above(second, folder)))
            return true;
        for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++)
            if (strcasecmp(name, patterns[k]) == 0)
                return true;
    }
    return false;
}

static void look_in(struct doctor *d, const char *path)
{
    struct serverconf s = {.kind = serverconf_guess(path)};
    if (serverconf_read(&s, path) != 0) {
        struct finding f = finding_of(FINDING_WRONG, "web server", "--server names a file that this user may read");
        doctor_tell(d, &f, "%s cannot be read", path);
    } else {
        if (s.kind == SERVERCONF_APACHE)
            add_htaccess(d, &s);
        if (!judge(d, &s)) {
            struct finding f =
                finding_of(FINDING_WARNING, "web server", "--server names the file that leads to the receiver");
            doctor_tell(d, &f, "nothing in %s or what it includes mentions complycube", path);
        }
    }
    serverconf_release(&s);
}

void doctor_server(struct doctor *d)
{
    static const struct {
        enum serverconf_kind kind;
        const char *path;
    } usual[] = {{SERVERCONF_APACHE, "/etc/apache2/apache2.conf"},
                 {SERVERCONF_APACHE, "/etc/httpd/conf/httpd.conf"},
                 {SERVERCONF_LIGHTTPD, "/etc/lighttpd/lighttpd.conf"},
                 {SERVERCONF_NGINX, "/etc/nginx/nginx.conf"}};
    bool found = false;
    if (d->cmd->server) {
        look_in(d, d->cmd->server);
        return;
    }
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        struct serverconf s = {.kind = usual[i].kind};
        bool read = access(usual[i].path, R_OK) == 0 && serverconf_read(&s, usual[i].path) == 0;
        if (s.kind == SERVERCONF_APACHE && read && may_serve(&s, d->config->path))
            add_htaccess(d, &s);
        found |= read && judge(d, &s);
        serverconf_release(&s);
    }
    struct serverconf own = {.kind = SERVERCONF_APACHE};
    if (!found)
        add_htaccess(d, &own);
    found |= own.n && judge(d, &own);
    serverconf_release(&own);
    if (!found)
        doctor_ok(d, "web server",
                  "no configuration in the usual places leads to the receiver; --server "
                  "FILE names another, --url URL tries it");
}
