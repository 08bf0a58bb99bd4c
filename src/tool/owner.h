/* SPDX-License-Identifier: MIT
 *
 * owner: whom root acts as.
 *
 * Who may write the database's folder decides what stands there: a link, a journal, a row. Root that opened it would do with
 * root's rights what such a file says. So root's tool becomes the owner of that folder before it opens anything in it, and
 * stays so. It acts as root only where nobody but root could have arranged what it finds.
 */
#ifndef OWNER_H
#define OWNER_H

#include "config/config.h"

struct owner {
    uid_t uid;
    gid_t gid;
    char name[64]; /* "": a number that no user has */
    gid_t group;   /* of the consumers, if `named`; else (gid_t)-1 */
    bool named;    /* the configuration is root's alone to change: what it names, root meant */
};

/*
 * Whom root is to become for this configuration. One that cannot be used, or names no database, leaves root as it is: then
 * there is nothing to open.
 *
 * in:     database  of which; that of the configuration, or another that the command line names
 * out:    0 and *o: the owner of the folder, or where it is still to be made of the folder above it; uid 0 is root itself
 * errors: ERR_READONLY  root would act as root, but others may write the folder, that of the events' files or the spool, or
 *                       change the configuration or a folder on the way to one of these
 */
int owner_find(const struct config *c, const char *database, struct owner *o, struct err *e);

/*
 * Become that user for ever, with its groups, the consumers' and without root's.
 * errors: ERR_SYSTEM  it cannot be done; nothing may be opened then
 */
int owner_become(const struct owner *o, struct err *e);

#endif
