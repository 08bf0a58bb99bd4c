/* SPDX-License-Identifier: MIT
 *
 * trust: who could put another file in the place of the one that a path names?
 *
 * Whoever may write a folder may rename what is in it, whatever the file's own mode says. So a path is as trustworthy as
 * the weakest folder on its way, and each symbolic link on it counts with the folder that it stands in.
 */
#ifndef TRUST_H
#define TRUST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Whom a path may belong to; root always. Users of the same number are one. */
struct trust {
    uid_t user[3];
    size_t n;
};

/* The part of a path that others may change, and how they may. */
struct trust_weak {
    char path[PATH_MAX];
    struct stat st; /* of it, a link not followed */
    enum trust_why {
        TRUST_OWNER, /* it belongs to none of the trusted */
        TRUST_GROUP, /* its group may write it */
        TRUST_OTHERS /* anyone may */
    } why;
};

/*
 * Walk an absolute path from the root, through links, to its last part or to the first that is missing.
 *
 * in:  with   whom folders and links may belong to
 *      leaf   look at the last part itself too, as if it were a folder (false: what it is matters to the caller alone)
 * out: 0: nobody but root and those of `with` may change where it leads; 1 and *weak: somebody may;
 *      -1 with errno: it cannot be walked (too many links, no permission)
 * A folder with the sticky bit lets others add names but not replace someone else's: it passes if it and the name that is
 * looked for in it belong to the trusted. A group whose number is 0 is root's.
 * cost: one lstat a part
 */
int trust_walk(const char *path, const struct trust *with, bool leaf, struct trust_weak *weak);

/* Is this user one of the trusted? */
bool trust_has(const struct trust *with, uid_t user);

/*
 * Is this link to be followed where others may add names to its folder? Root, this user or the owner of the folder made it.
 * in: folder  that the link stands in
 *     link    of lstat, or of a descriptor
 */
bool trust_link(const struct stat *folder, const struct stat *link);

/* The trusted: root, and each of these users. */
struct trust trust_in(uid_t a, uid_t b);

#endif
