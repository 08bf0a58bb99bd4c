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
 * Requests from a listening socket. It ends after 500 of them, after 10 minutes without one, and before it accepts the first
 * after a change of the configuration or the token: whoever started it starts it again. Returns the exit code: 9 if others
 * than the socket's user and group can connect to it, since they could claim to be any user.
 */
int page_serve_fcgi(const struct config_env *env, int listen_fd);

#endif
