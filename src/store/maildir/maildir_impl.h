/* SPDX-License-Identifier: MIT
 *
 * maildir_impl: what the two halves of the directory form share.
 */
#ifndef MAILDIR_IMPL_H
#define MAILDIR_IMPL_H

#include "base/files.h"
#include "maildir.h"

#include <limits.h>

enum { MAILDIR_ENDPOINTS_MAX = 64, MAILDIR_PLAIN_SIZE = 48 /* "CREATED.SEQ.json" */ };

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

/*
 * Open a folder of an endpoint ("new", "done/20260129"), for what is done with the names in it. Each step is a folder itself, or
 * a link that may be followed (trust_link).
 * out:    a descriptor, or -1 with errno and *e
 * errors: ERR_READONLY  another user's link stands in its place;  ERR_DATABASE  it is missing
 * cost:   an open for each step
 */
int maildir_enter(const struct maildir *d, const char *endpoint, const char *folder, struct err *e);

/* As files_make_dir_at. One of ours that a crash left with less than its mode is put right. */
int maildir_make_folder(const struct maildir *d, const struct files_place *p, struct err *e);

/* Is a name there, whatever it is? */
bool maildir_has(int folder, const char *name);

/* Call each for the events of one folder of an endpoint ("new", "done/20260129"); one that is missing is empty. */
int maildir_list_folder(const struct maildir *d, const char *endpoint, const char *folder, maildir_each *each,
                        void *ctx, struct err *e);

/* Say what errno says of reading a folder of an endpoint; always -1. */
int maildir_fail_reading(const struct maildir *d, const char *endpoint, const char *folder, struct err *e);

/* Remove a file of this plain name from each day of done/; false, with errno, if one is left: `left` is its day. */
bool maildir_remove_from_days(const struct maildir *d, const char *endpoint, const char *base,
                              char left[MAILDIR_PLAIN_SIZE]);

#endif
