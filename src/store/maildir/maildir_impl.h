/* SPDX-License-Identifier: MIT
 *
 * maildir_impl: what the two halves of the directory form share.
 */
#ifndef MAILDIR_IMPL_H
#define MAILDIR_IMPL_H

#include "maildir.h"

#include <limits.h>

enum { MAILDIR_ENDPOINTS_MAX = 64 };

struct maildir {
    char path[PATH_MAX];
    gid_t group;
    bool create;
    struct maildir_setting first; /* what "setting" is made with */
    size_t n_endpoints;
    char endpoint[MAILDIR_ENDPOINTS_MAX][64]; /* whose folders are ours: any other may be anything */
    struct err stuck[MAILDIR_ENDPOINTS_MAX];  /* why a file of an earlier event cannot be shown; ERR_NONE: none */
    size_t n;                                 /* files written and not shown yet */
    struct written {
        char endpoint[64], name[48];
        int fd;
    } written[MAILDIR_BATCH_MAX];
};

/* A path below the folder into `out` of PATH_MAX bytes; printf-like. */
int maildir_path(const struct maildir *d, char *out, struct err *e, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Say what errno says, in our codes; always -1. */
int maildir_error(const char *doing, const char *path, struct err *e);

/* Has somebody linked an endpoint's folder, or the one in it, elsewhere (trust_link)? ERR_READONLY */
int maildir_check_links(const struct maildir *d, const char *endpoint, const char *folder, struct err *e);

int maildir_make_folder(const struct maildir *d, const char *path, struct err *e);

#endif
