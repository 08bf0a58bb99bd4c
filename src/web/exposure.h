/* SPDX-License-Identifier: MIT
 *
 * exposure: who can connect to a FastCGI socket? Whoever can may forge every variable of a request, and meets libfcgi, which
 * trusts its peer; a signature cannot be forged. It is told and never refused: a socket that is too open still brings events.
 */
#ifndef EXPOSURE_H
#define EXPOSURE_H

#include <stddef.h>

enum reach {
    REACH_NARROW,  /* its owner and its group, or nothing is known */
    REACH_MACHINE, /* any user of this machine */
    REACH_NETWORK  /* any machine that finds a way to it */
};

/*
 * Of a listening socket.
 * out: `name` (size bytes, at least 1) has its path, "@NAME" or "ADDRESS:PORT"; empty where it cannot be told
 */
enum reach reach_socket(int fd, char *name, size_t size);

/* Of a unix socket's file: its mode and those of the folders above it. */
enum reach reach_file(const char *path);

/* Of an address as a web server's configuration has it, "127.0.0.1" or "localhost", without its port. */
enum reach reach_address(const char *host);

/* For a message: "any user of this machine". Static. */
const char *reach_who(enum reach reach);

#endif
