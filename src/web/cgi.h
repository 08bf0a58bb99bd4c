/* SPDX-License-Identifier: MIT
 *
 * cgi: one request from the environment and standard input, one answer on standard output.
 *
 * Commits before the last byte of the answer and leaves at once: servers kill a CGI that lingers.
 * source: RFC 3875
 */
#ifndef CGI_H
#define CGI_H

#include "receiver/receiver.h"

/* Answer the request. Returns the exit code. Reads the environment, fd 0, and writes fd 1. */
int web_cgi(struct receiver *r);

#endif
