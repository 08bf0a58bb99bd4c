/* SPDX-License-Identifier: MIT
 *
 * page_serve: the page by CGI and by FastCGI, one request at a time.
 */
#ifndef PAGE_SERVE_H
#define PAGE_SERVE_H

#include "config/config.h"

/* One request from the environment and standard input, the answer on standard output. Returns the exit code. */
int page_serve_cgi(const struct config_env *env);

/*
 * Requests from a listening socket. A changed configuration is taken up before the next request. The process ends after 500
 * requests, after 10 minutes without one, and before the first request after a change that it cannot take up: the token, the
 * places of files, a configuration that is broken. The web server starts it again. Returns the exit code: 9 if others than the
 * socket's user and group can connect to it, since they could claim to be any user.
 */
int page_serve_fcgi(const struct config_env *env, int listen_fd);

#endif
