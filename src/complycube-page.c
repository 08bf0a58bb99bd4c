/* SPDX-License-Identifier: MIT
 * complycube-page: the inbox as a page, as a CGI or a FastCGI program, decided at start. */
#include "base/clock.h"
#include "base/core.h"
#include "base/limits.h"
#include "base/print.h"
#include "base/version.h"
#include "config/startup.h"
#include "page/page.h"
#include "page/page_serve.h"
#include "sandbox/sandbox.h"

#include <stdlib.h>
#include <unistd.h>

static const char usage[] =
    "usage: complycube-page [-n | -V | -h]\n"
    "\n"
    "Shows the inbox to those whom the block page of the configuration names, and changes\n"
    "nothing. A web server starts it, not a person: as a CGI program (REQUEST_METHOD is set),\n"
    "or as a FastCGI program (standard input is a listening socket). Protect it by the web\n"
    "server's own authentication; without that it answers 403.\n"
    "\n"
    "  -n  test the configuration, print what was understood, exit non-zero when it is broken\n"
    "  -V  print the version (also --version)\n"
    "  -h  print this (also --help)\n"
    "\n"
    "The configuration is the receiver's; see complycube-webhook.conf(5), complycube-page(8).\n";

static void print_users(const char *name, const struct config_users *users)
{
    print_out("%s", name);
    for (size_t i = 0; i < users->n; i++)
        print_out("%s%s", i ? ", " : "", users->name[i]);
    print_out("%s\n", users->n ? "" : "(nobody)");
}

static int test_page(const struct config_env *env)
{
    struct config *c = config_load(env, clock_time_ms());
    struct err e = {0};
    if (!c)
        return err_exit(ERR_MEMORY);
    e = c->error;
    if (e.code == ERR_NONE && page_check(c, &e) == 0) {
        print_out("configuration  %s\ndatabase       %s\n", *c->path ? c->path : "(the environment)", c->database);
        print_users("users          ", &c->page.users);
        print_users("payload        ", &c->page.payload);
        print_out("log            %s\n%s\n", *c->page.log ? c->page.log : "(none)",
                  c->page.users.n ? "open to these, once the web server has authenticated them"
                                  : "closed: no users are named");
    }
    bool closed = c->page.users.n == 0;
    config_free(c);
    if (e.code == ERR_NONE)
        return closed ? 1 : 0;
    enum err_code code = err_failure(&e);
    print_err("complycube-page: %s: %s\n", err_word(code), e.msg);
    return err_exit(code);
}

int main(int argc, char **argv)
{
    char folder[PATH_MAX];
    core_forbid();
    files_hold_standard();
    limits_survive();
    startup_folder(argv[0], folder, sizeof folder);
    struct config_env env = startup_config(folder);
    env.without_secrets = true;
    bool listening = startup_is_listening(STDIN_FILENO);
    if (listening || getenv("REQUEST_METHOD")) { /* argv may come from a query string: never look at it */
        sandbox_begin(-1);
        return listening ? page_serve_fcgi(&env, STDIN_FILENO) : page_serve_cgi(&env);
    }
    if (argc == 2 && strcmp(argv[1], "-n") == 0)
        return test_page(&env);
    if (argc == 2 && (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0))
        return print_out("complycube-page %s\n", VERSION) < 0;
    bool asked = argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);
    print_bytes(asked ? stdout : stderr, span_of(usage));
    return asked ? 0 : 2;
}
