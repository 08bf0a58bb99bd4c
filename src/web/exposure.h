/* SPDX-License-Identifier: MIT
 *
 * exposure: who can connect to a FastCGI socket? A peer can forge every variable of a request, though no signature, and reaches
 * libfcgi, which trusts it. An exposed socket is reported, never rejected: it still brings events.
 */
#ifndef EXPOSURE_H
#define EXPOSURE_H

#include <stddef.h>

enum exposure {
    EXPOSURE_NARROW,  /* its owner and its group, or nothing is known */
    EXPOSURE_MACHINE, /* any user of this machine */
    EXPOSURE_NETWORK  /* any machine that finds a way to it */
};

/*
 * Of a listening socket.
 * out: `name` (size bytes, at least 1) has its path, "@NAME" or "ADDRESS:PORT"; empty where it cannot be told
 */
enum exposure exposure_socket(int fd, char *name, size_t size);

/* Of a unix socket's file: its mode and those of the folders above it. */
enum exposure exposure_file(const char *path);

/* Of an address as a web server's configuration has it, "127.0.0.1" or "localhost", without its port. */
enum exposure exposure_address(const char *host);

/* For a message: "any user of this machine". Static. */
const char *exposure_who(enum exposure reach);

#endif
