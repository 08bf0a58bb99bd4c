/* SPDX-License-Identifier: MIT
 * check_socket: who else can connect to the socket between the web server and the receiver? By the web server's
 * configuration, since the kernel shows a process's sockets to few. */
#include "doctor.h"
#include "serverconf.h"
#include "web/exposure.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

/* The text behind a word, as far as it is one: at `out` of PATH_MAX bytes; false where it does not stand there. */
static bool behind(const char *text, const char *word, char *out)
{
    const char *at = strcasestr(text, word);
    if (!at)
        return false;
    at += strlen(word);
    at += strspn(at, " \t=>\"'");
    size_t n = strcspn(at, " \t\"'|,;)]");
    if (n == 0 || n >= PATH_MAX)
        return false;
    memcpy(out, at, n);
    out[n] = '\0';
    return true;
}

/* Does the line, or a section around it, name the receiver? */
static bool is_about_receiver(const struct serverconf *s, const struct serverconf_line *l)
{
    for (; l; l = l->parent >= 0 ? &s->line[l->parent] : NULL)
        if (serverconf_mentions(l, "complycube"))
            return true;
    return false;
}

/* Is it nginx's section "upstream NAME", and this the name that leads to the receiver? */
static bool is_upstream(const struct serverconf *s, int at)
{
    if (at < 0 || strcmp(s->line[at].name, "upstream") != 0)
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->line[i].name, "fastcgi_pass") == 0 && strcmp(s->line[i].value, s->line[at].value) == 0 &&
            is_about_receiver(s, &s->line[i]))
            return true;
    return false;
}

static bool of_the_receiver(const struct serverconf *s, const struct serverconf_line *l)
{
    static const char *const names[] = {"ProxyPass",   "ProxyPassMatch", "SetHandler",
                                        "RewriteRule", "fastcgi.server", "fastcgi_pass"};
    if (!l->section && strcmp(l->name, "server") == 0)
        return is_upstream(s, l->parent);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(l->name, names[i]) == 0)
            return is_about_receiver(s, l);
    return false;
}

/* As whom the web server connects, where its configuration says so. */
static const struct passwd *web_user(const struct serverconf *s)
{
    static const char *const name[] = {"User", "server.username", "user"};
    for (size_t i = s->n; i-- > 0;)
        if (strcasecmp(s->line[i].name, name[s->kind]) == 0) {
            char user[PATH_MAX];
            return behind(s->line[i].value, "", user) ? getpwnam(user) : NULL;
        }
    return NULL;
}

static void check_socket_file(struct doctor *d, const struct serverconf *s, const char *path)
{
    struct stat st;
    const struct passwd *user = web_user(s);
    if (exposure_file(path) == EXPOSURE_NARROW) {
        doctor_ok(d, "socket", "%s is closed to others", path);
        return;
    }
    struct finding f = finding_of(
        FINDING_WARNING, "socket",
        "who can connect may forge every variable of a request, and hold its places; a signature nobody can");
    if (d->cmd->root && user && stat(path, &st) == 0 && st.st_uid != user->pw_uid)
        finding_step(&f, "chown -h %w %q", user->pw_name, path);
    finding_step(&f, "chmod 0660 %q", path);
    finding_step(&f,
                 "by hand: let it be made so: with spawn-fcgi -M 0660 -U and -G the web server's user; under systemd "
                 "SocketMode=0660, SocketUser=");
    doctor_tell(d, &f, "%s: %s can connect to it", path, exposure_who(EXPOSURE_MACHINE));
}

static void check_address(struct doctor *d, const struct serverconf_line *l, char *address)
{
    char host[PATH_MAX];
    address[strcspn(address, "/")] = '\0';
    const char *bare = *address == '[' ? address + 1 : address, *end = strpbrk(bare, *address == '[' ? "]" : ":");
    snprintf(host, sizeof host, "%.*s", end ? (int)(end - bare) : (int)strlen(bare), bare);
    struct finding f = finding_of(
        FINDING_WARNING, "socket",
        "who can connect may forge every variable of a request, and hold its places; a signature nobody can");
    finding_step(&f,
                 "by hand: let the receiver listen on a unix socket of mode 0660, spawn-fcgi -s "
                 "/run/complycube/webhook.sock -M 0660 -U www-data -G www-data say, and name it in %s, line %d",
                 l->file, l->line);
    doctor_tell(d, &f, "%s in %s:%d: %s can connect to it", address, l->file, l->line,
                exposure_who(exposure_address(host)));
}

/* Host and port of a lighttpd's fastcgi.server, as "HOST:PORT". */
static bool host_and_port(const char *value, char *out)
{
    char port[PATH_MAX];
    if (!behind(value, "port ", port) && !behind(value, "port=", port))
        return false;
    if (!behind(value, "host ", out) && !behind(value, "host=", out))
        memcpy(out, "127.0.0.1", sizeof "127.0.0.1");
    size_t len = strlen(out);
    snprintf(out + len, PATH_MAX - len, ":%.5s", port);
    return true;
}

/* The address and port that a line names, where it names no unix socket. */
static bool has_address(const struct serverconf *s, const struct serverconf_line *l, char *out)
{
    if (s->kind == SERVERCONF_LIGHTTPD)
        return host_and_port(l->value, out);
    if (behind(l->value, "fcgi://", out))
        return true;
    return s->kind == SERVERCONF_NGINX && strpbrk(l->value, ":.") && behind(l->value, "", out);
}

static void look_at_socket(struct doctor *d, const struct serverconf *s, const struct serverconf_line *l)
{
    char at[PATH_MAX], own[PATH_MAX];
    bool lighttpd = s->kind == SERVERCONF_LIGHTTPD;
    if (lighttpd && behind(l->value, "bin-path", own))
        return; /* it makes the socket itself, for itself */
    if (lighttpd ? behind(l->value, "socket ", at) || behind(l->value, "socket=", at) : behind(l->value, "unix:", at))
        check_socket_file(d, s, at);
    else if (has_address(s, l, at))
        check_address(d, l, at);
}

void doctor_socket(struct doctor *d, const struct serverconf *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (of_the_receiver(s, &s->line[i]))
            look_at_socket(d, s, &s->line[i]);
}
