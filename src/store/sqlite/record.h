/* SPDX-License-Identifier: MIT
 *
 * record: the parts of recording, which accepting by hand shares. */
#ifndef RECORD_H
#define RECORD_H

#include "db.h"

/* The rows of a record's names, made when they are new; *n counts the known names. NULL and *e. */
const struct name *sqlite_names(struct db *s, const struct verified *v, size_t *n, struct err *e);

/* The number of the event that is written next; 0: the one after the last. */
int sqlite_next(struct db *s, int64_t *seq, struct err *e);

/* Bind SQL_EVENT or SQL_EVENT_REPLACE. seq 0: the next one. */
void sqlite_bind_event(sqlite3_stmt *q, const struct record *r, const struct name *name, int64_t seq, int64_t now_ms);

/* The state that it begins with: new, ignored, or what its past says. */
int sqlite_state_of(const struct record *r);

/* Bring an event that was just inserted into the log into the inbox, in either form: r->outcome. */
int sqlite_put_inbox(struct db *s, struct record *r, const struct name *name, int64_t now_ms, struct err *e);

/* Of a record that was made of an object: is that known by now? known.c */
int sqlite_knows_object(struct db *s, const struct record *r, bool *known, struct err *e);

/* Put a delivery aside, with its reason, or count it again: r->outcome. at_ms: when it came. aside.c */
int sqlite_put_aside(struct db *s, struct record *r, const char *reason, const struct name *name, int64_t at_ms,
                     struct err *e);

/* The signature of a body; absent where it was imported without one. */
struct span sqlite_signature(const struct verified *v);

/* Bind what may be absent, and is NULL then. */
void sqlite_bind_text(sqlite3_stmt *q, int at, struct span text);
void sqlite_bind_blob(sqlite3_stmt *q, int at, struct span bytes);
void sqlite_bind_id(sqlite3_stmt *q, int at, int64_t id); /* 0: absent */
void sqlite_bind_body(sqlite3_stmt *q, int at, const struct record *r);

#endif
