/* SPDX-License-Identifier: MIT
 * complycube-webhook: the receiver, as a CGI or a FastCGI program, decided at start. */
#include "base/clock.h"
#include "base/core.h"
#include "base/limits.h"
#include "base/print.h"
#include "base/version.h"
#include "config/startup.h"
#include "sandbox/sandbox.h"
#include "store/store_file.h"
#include "web/cgi.h"
#include "web/exposure.h"
#include "web/fcgi.h"
#include "web/web.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SYSTEMD_FD = 3 };

static const char usage[] =
    "usage: complycube-webhook [-n | -V | -h]\n"
    "\n"
    "The receiver of signed ComplyCube webhooks. A web server starts it, not a person:\n"
    "as a CGI program (REQUEST_METHOD is set), or as a FastCGI program (standard input,\n"
    "or descriptor 3 from systemd, is a listening socket).\n"
    "\n"
    "  -n  test the configuration, print what was understood, exit non-zero when it is broken\n"
    "  -V  print the version (also --version)\n"
    "  -h  print this (also --help)\n"
    "\n"
    "The configuration is the file that COMPLYCUBE_WEBHOOK_CONFIG names, else\n"
    "complycube-webhook.conf beside the program, else\n";

/* A socket that systemd passes is meant for this very process. source: sd_listen_fds(3) */
static bool from_systemd(void)
{
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
    bool mine = pid && n && strtol(pid, NULL, 10) == (long)getpid() && strcmp(n, "1") == 0 &&
                startup_is_listening(SYSTEMD_FD);
    if (mine) {
        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDS");
    }
    return mine;
}

static void print_endpoint(const struct config *c, const struct config_endpoint *p)
{
    struct trust_weak weak;
    char by[CONFIG_EXPOSED_BY];
    print_out("endpoint %s\n", p->name);
    print_out("  secret_file  %s%s\n", p->secret_file ? p->secret_file : "(the environment)",
              p->secrets.narrowed ? "  (narrowed to mode 0600)" : "");
    if (config_exposed(c, p, &weak))
        print_out("  exposed      %s\n", config_exposed_by(&weak, by));
    if (p->secrets.padded)
        print_out("  line %-6d  used as it is, with its NAME= or its ; or ,\n", p->secrets.padded);
    for (size_t i = 0; i < p->secrets.n; i++)
        print_out("  secret       %s%s\n", p->secrets.list[i].name, p->secrets.list[i].retired ? "  (retired)" : "");
    for (size_t i = 0; i < p->n_events; i++)
        print_out("  events       %s\n", p->events[i]);
}

/* The receiver that starts next logs to standard error then. */
static void print_log(const struct config *c)
{
    struct log_need need;
    int why = log_needs(c->log, &need) ? need.error : 0;
    if (!why && *need.path && faccessat(AT_FDCWD, need.path, need.mode, AT_EACCESS) != 0)
        why = errno;
    print_out("log            %s%s%s\n", c->log, why ? "  cannot be opened: " : "", why ? strerror(why) : "");
}

static void print_sandbox(const struct config *c)
{
    struct sandbox_report report;
    sandbox_look(c, &report);
    print_out("sandbox        %s\n", c->sandbox);
    for (size_t i = 0; i < SANDBOX_LAYERS && strcmp(c->sandbox, "off") != 0; i++)
        print_out("  %-11s  %s%s\n", report.layer[i].name,
                  report.layer[i].on ? "" : "absent: ", report.layer[i].text);
}

static int test_configuration(const struct config_env *env)
{
    struct config *c = config_load(env, clock_time_ms());
    if (!c)
        return err_exit(ERR_MEMORY);
    struct err e = c->error;
    struct store_options o;
    bool ready = false;
    if (e.code == ERR_NONE) {
        print_out("configuration  %s\ndatabase       %s\ninbox          %s%s%s\nmax_body       %zu bytes\n"
                  "journal        %s\ngroup          %s\nspool          %s\n",
                  *c->path ? c->path : "(the environment)", c->database, c->inbox, c->files ? ", " : "",
                  c->files ? c->directory : "", c->max_body, c->journal, *c->group ? c->group : "(none)",
                  *c->spool ? c->spool : "(none)");
        print_log(c);
        print_sandbox(c);
        for (size_t i = 0; i < c->n_endpoints; i++)
            print_endpoint(c, &c->endpoint[i]);
        ready =
            config_may_begin(c, &e) == 0 && receiver_store_options(c, true, &o, &e) == 0 && store_probe(&o, &e) == 0;
        if (ready && (print_out("ready\n") < 0 || fflush(stdout) != 0 || ferror(stdout))) {
            ready = false;
            err_set(&e, ERR_SYSTEM, "what it had to say could not be written to standard output");
        }
    }
    config_free(c);
    if (ready)
        return 0;
    enum err_code code = err_failure(&e);
    print_err("complycube-webhook: %s: %s\n", err_word(code), e.msg);
    return err_exit(code);
}

/* Said once, at start; events come all the same. */
static void warn_of_reach(struct receiver *r, int fd)
{
    char name[160], text[480];
    enum exposure reach = exposure_socket(fd, name, sizeof name);
    if (reach == EXPOSURE_NARROW)
        return;
    snprintf(
        text, sizeof text,
        "%s can connect to %s, and forge every variable of a request; use a unix socket of mode 0660 that belongs "
        "to the web server's user",
        exposure_who(reach), name);
    receiver_note(r, clock_time_ms(), "socket", "msg", text);
}

/* fd: the listening socket, or -1 for a CGI */
static int receive(struct config_env *env, int fd)
{
    struct receiver r;
    struct err e = {0};
    sandbox_begin(fd);
    startup_take_secret(env);
    if (receiver_open(&r, env, fd < 0, clock_time_ms(), &e) != 0) {
        print_err("complycube-webhook: %s\n", e.msg);
        return err_exit(err_failure(&e));
    }
    if (fd >= 0)
        warn_of_reach(&r, fd);
    r.reaches = sandbox_reaches;
    int code = fd < 0 ? web_cgi(&r) : web_fcgi(&r, fd);
    receiver_close(&r);
    return code;
}

int main(int argc, char **argv)
{
    char folder[PATH_MAX];
    core_forbid();
    files_hold_standard();
    limits_survive();
    startup_folder(argv[0], folder, sizeof folder);
    struct config_env env = startup_config(folder);
    if (from_systemd())
        return receive(&env, SYSTEMD_FD);
    if (startup_is_listening(STDIN_FILENO))
        return receive(&env, STDIN_FILENO);
    if (getenv("REQUEST_METHOD")) /* argv may come from a query string: never look at it */
        return receive(&env, -1);
    if (argc == 2 && strcmp(argv[1], "-n") == 0)
        return test_configuration(&env);
    if (argc == 2 && (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0))
        return print_out("complycube-webhook %s\n", VERSION) < 0;
    bool asked = argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);
    print_bytes(asked ? stdout : stderr, span_of(usage));
    print_to(asked ? stdout : stderr, "%s/complycube-webhook.conf. See complycube-webhook(8).\n", env.sysconfdir);
    return asked ? 0 : 2;
}
