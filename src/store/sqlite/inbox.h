/* SPDX-License-Identifier: MIT
 *
 * inbox: where events wait, beside the log: in the table inbox, or as files below a folder. The rest of the backend says
 * what happens to an event; only what is behind this header knows that there are files, and with a table it does nothing.
 *
 * With files the table has what is ignored, and what waited in it before; an event of the log with neither row nor file
 * is done.
 */
#ifndef INBOX_H
#define INBOX_H

#include "db.h"

enum { SQLITE_WHY = 400 /* bytes of why an event is dead, with the NUL */ };

/* Are there files? */
bool sqlite_inbox_is_files(const struct db *s);

/* Open the folder beside the open database, made if the options say so; what a crash left unshown is shown. */
int sqlite_inbox_open(struct db *s, const struct store_options *o, struct err *e);
void sqlite_inbox_close(struct db *s);

/* Could a file be written below this folder now? NULL: there are no files. */
int sqlite_inbox_check(const char *folder, struct err *e);

/* ---- a transaction, under the writers' lock ---- */

/* Before anything is written: show what a crash has left unshown. */
void sqlite_inbox_sweep(struct db *s);

/* Write the file of an event that was just put into the log. A done event has no file. */
int sqlite_inbox_put(struct db *s, const struct record *r, const char *endpoint, int64_t now_ms, struct err *e);

/* Before the commit: what was written is durable. */
int sqlite_inbox_sync(struct db *s, struct err *e);

/* After it: show what was written; and bring an imported one to where its past puts it. */
void sqlite_inbox_publish(struct db *s);
void sqlite_inbox_place(struct db *s, const struct record *r, int64_t now_ms);

/* After a failure. What was perhaps committed all the same is left: the next sweep decides. */
enum sqlite_commit { SQLITE_NOT_COMMITTED, SQLITE_PERHAPS_COMMITTED };
void sqlite_inbox_drop(struct db *s, enum sqlite_commit how);

/* ---- how events stand ---- */

/* The files of waiting and dead events, by number, and those of events done since a time. NULL: the inbox is a table. */
struct sqlite_look;
int sqlite_inbox_look(struct db *s, int64_t done_since_ms, struct sqlite_look **look, struct err *e);
void sqlite_inbox_look_end(struct sqlite_look *look);

/* Fill in what the table does not know of an event that was read: its state, attempts, why it is dead. */
void sqlite_inbox_fill_in(struct db *s, struct sqlite_look *look,
                          struct store_event *v); /* v lives until the next one */

/* The state of an event that has no row: 0, 1 or 2. */
int sqlite_inbox_state(const struct sqlite_look *look, const char *endpoint, int64_t created_ms, int64_t seq);

/* Does it have a file? By its number alone: what may be another's file is left alone as well. */
bool sqlite_inbox_has_file(const struct sqlite_look *look, int64_t seq);

/* ---- files alone: they are there, or nothing is done ---- */

/* Remove every file of an event, wherever a worker may have brought it by now; durable after the flush. */
int sqlite_files_erase(struct db *s, const struct sqlite_look *look, const char *endpoint, int64_t created_ms,
                       int64_t seq, struct err *e);
int sqlite_inbox_flush(struct db *s, struct err *e);

/* Remove the files of what was done before this; how many, or -1 and *e. */
int64_t sqlite_inbox_prune(struct db *s, int64_t before_ms, struct err *e);

int sqlite_files_facts(struct db *s, int64_t now_ms, struct store_facts *facts, struct err *e);
/* Fill in what the table does not know of one event: state, attempts, when it is due. */
int sqlite_files_state(struct db *s, struct store_event *v, char why[SQLITE_WHY], struct err *e);
/* A new database beside files of an older one: its numbers begin above theirs, so that no name comes twice. */
int sqlite_files_floor(struct db *s, struct err *e);

/* ---- in the place of what a table does; only with files ---- */

int sqlite_files_list(struct db *s, const struct store_query *q, store_each *each, void *ctx, struct err *e);
int sqlite_files_claim(struct db *s, const struct store_want *w, int n, int64_t now_ms, store_claimed *each,
                       void *ctx, struct err *e);
int sqlite_files_settle(struct db *s, struct store_lease *lease, enum store_verb verb, const char *why, int64_t ms,
                        int64_t now_ms, struct err *e);

#endif
