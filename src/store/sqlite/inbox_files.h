/* SPDX-License-Identifier: MIT
 *
 * inbox_files: the directory form beside the log of events, what its parts share: names of files, and which of
 * them the log knows. Callers are the parts of the SQLite backend only.
 */
#ifndef INBOX_FILES_H
#define INBOX_FILES_H

#include "inbox.h"

/* The files of events that are not done; the zero value is empty, `list` is to be freed. */
struct sqlite_names {
    struct sqlite_named {
        struct maildir_name name;
        int state;
        char endpoint[64];
    } * list;
    size_t n, cap;
    int state; /* of what is being added */
};

/*
 * Add the names of an endpoint (NULL: of all) from new/ and cur/, by age; with `dead` those of dead/ and tmp/ too, by number.
 * note: a name that another worker moves within cur/ meanwhile may be missed, unless the endpoint's lock is held
 */
int sqlite_files_names(struct db *s, const char *endpoint, bool dead, struct sqlite_names *all, struct err *e);

/*
 * The file of an event among names by number; NULL: it has none there. A number alone is not enough: beside a database that
 * replaced another one a file may be of another event.
 */
const struct sqlite_named *sqlite_files_find(const struct sqlite_names *names, struct span endpoint,
                                             int64_t created_ms, int64_t seq);

/* Fill in what the file of an event says, and its absence (NULL): it is done. `owner` lives as long as the names. */
void sqlite_files_tell(const struct sqlite_named *found, struct store_event *v);

/* The same in what sqlite_inbox_look() has read. */
const struct sqlite_named *sqlite_look_find(const struct sqlite_look *look, struct span endpoint, int64_t created_ms,
                                            int64_t seq);

/* Take the endpoint's lock, which whoever moves a name within cur/ holds; to be closed. */
int sqlite_files_lock(struct db *s, const char *endpoint, struct lock *lock, struct err *e);

/* Is this file of an event in the log? A maildir_logged, with the store as its context. */
int sqlite_files_is_logged(void *store, const char *endpoint, const struct maildir_name *name, struct err *e);

#endif
