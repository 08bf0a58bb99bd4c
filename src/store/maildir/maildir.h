/* SPDX-License-Identifier: MIT
 *
 * maildir: the inbox as files, a maildir for each endpoint (complycube-inbox(5), "The directory").
 *
 * It knows names and folders, no database: whoever records an event writes its file first, commits, and publishes it
 * then, all under the writers' lock. Names are always looked up by path, so a folder that was moved away is noticed.
 * No reader ever sees a file that is partial or was not committed.
 */
#ifndef MAILDIR_H
#define MAILDIR_H

#include "base/err.h"
#include "base/lock.h"
#include "base/span.h"

#include <stdint.h>
#include <sys/types.h>

enum { MAILDIR_NAME_SIZE = 192 /* bytes, with the NUL */ };

/* What a name tells: "CREATED.SEQ.json", in cur/ with ",a=N,l=MS" and, where it is claimed, ",w=OWNER". */
struct maildir_name {
    int64_t created_ms, seq, attempts, until_ms;
    bool fresh, claimed, dead; /* fresh: it stands in new/; dead: in dead/ */
    char text[MAILDIR_NAME_SIZE];
};

/* What all workers must agree on: the file "setting". Each is a number from 1, but a backoff_ms of 0 is one of a table. */
#define MAILDIR_NUMBER_MAX INT64_C(1000000000000)
struct maildir_setting {
    int64_t max_attempts, lease_ms, backoff_ms;
};

struct maildir;

/*
 * Open the folder. With create it is made where it is missing, and so is its file "setting", from *first.
 * group: as of struct store_options: folders are 02770 and files 0640 with one, 0700 and 0600 without
 * errors: ERR_READONLY, ERR_FULL, ERR_DATABASE (a folder is missing), ERR_MEMORY
 */
int maildir_open(struct maildir **d, const char *path, gid_t group, bool create, const struct maildir_setting *first,
                 struct err *e);
void maildir_close(struct maildir *d); /* NULL is legal */

/* Make the folders of an endpoint, where they are missing or not as they should be, and know it from now on. */
int maildir_make(struct maildir *d, const char *endpoint, struct err *e);

/* Know an endpoint whose folder may be there. One that is not known is never looked into. */
void maildir_know(struct maildir *d, const char *endpoint);

/* Give all that is below the folder this group and the modes that go with it; *changed tells whether any was not so. */
int maildir_fit(const char *path, gid_t group, bool *changed, struct err *e);

/* Could a file be written now? By a look at the folders alone; `path` may not exist yet. */
int maildir_check(const char *path, struct err *e);

/* ---- writing, under the writers' lock ---- */

/* Write an event's file where nobody looks. Folders that are missing are made. At most MAILDIR_BATCH_MAX a batch. On
 * failure nothing of it stays. */
enum { MAILDIR_BATCH_MAX = 64 };
int maildir_write(struct maildir *d, const char *endpoint, int64_t created_ms, int64_t seq, struct span body,
                  int64_t now_ms, struct err *e);

/* Make what was written durable. cost: an fsync for each file and for each endpoint. */
int maildir_sync(struct maildir *d, struct err *e);

/* After the commit: publish the files. A file that cannot be published now is published by the next sweep. */
void maildir_publish(struct maildir *d);

/*
 * After a failure: forget the files and remove them. `uncertain`: the commit may have succeeded, so keep the files; the
 * next sweep decides.
 */
void maildir_drop(struct maildir *d, bool uncertain);

/*
 * Before the first file of a batch is written: files that a crash left behind are shown when logged() says so, else
 * removed. An endpoint of which one cannot be shown takes no event until it can.
 */
typedef int maildir_logged(void *ctx, const char *endpoint, const struct maildir_name *name, struct err *e);
void maildir_sweep(struct maildir *d, maildir_logged *logged, void *ctx);

/* ---- working, by anyone ---- */

int maildir_read_setting(const struct maildir *d, struct maildir_setting *setting, struct err *e);

/* One name after the other, of all endpoints that are known or of one, from a folder: "new", "cur", "tmp" or "dead". */
typedef int maildir_each(void *ctx, const char *endpoint, const struct maildir_name *name, struct err *e);
int maildir_list(const struct maildir *d, const char *endpoint, const char *folder, maildir_each *each, void *ctx,
                 struct err *e);

/* Open an endpoint's file of locks, for lock_take. errors: as of lock_open */
int maildir_lock(const struct maildir *d, const char *endpoint, struct lock *lock, struct err *e);

/*
 * What can become of a name; each is one rename(2), and 1 when it was done, 0 when another was first, or -1 and *e.
 * *name is the new one then.
 */
int maildir_claim(const struct maildir *d, const char *endpoint, struct maildir_name *name, int64_t until_ms,
                  const char *owner, struct err *e);
int maildir_extend(const struct maildir *d, const char *endpoint, struct maildir_name *name, int64_t until_ms,
                   struct err *e);
int maildir_later(const struct maildir *d, const char *endpoint, struct maildir_name *name, int64_t attempts,
                  int64_t until_ms, struct err *e); /* claimed no more, workable from until_ms on */
int maildir_done(const struct maildir *d, const char *endpoint, const struct maildir_name *name, int64_t now_ms,
                 struct err *e);
int maildir_dead(const struct maildir *d, const char *endpoint, const struct maildir_name *name, const char *why,
                 struct err *e);

/*
 * Before an event's file is shown again: no other of it may be left in dead/ or done/. What cannot be removed stays.
 * cost: a look at each day of done/
 */
void maildir_forget(const struct maildir *d, const char *endpoint, const struct maildir_name *name);

/* Remove this very file: 1; 0 when it has another name by now; or -1 and *e. */
int maildir_remove(const struct maildir *d, const char *endpoint, const struct maildir_name *name, struct err *e);

/*
 * Remove every file of an event but those in cur/ that say more than its name: nothing of it may be left.
 * errors: ERR_READONLY and the like, with the file that stays
 * cost:   as maildir_forget; durable after maildir_flush
 */
int maildir_erase(const struct maildir *d, const char *endpoint, const struct maildir_name *name, struct err *e);

/* What was removed stays so after a power cut. cost: a flush of the file system */
int maildir_flush(const struct maildir *d, struct err *e);

/* The names in the days of done/ that end after a time, of all endpoints that are known. */
int maildir_list_done(const struct maildir *d, int64_t since_ms, maildir_each *each, void *ctx, struct err *e);

/* The name of an event's file as it is in new/. */
void maildir_name(int64_t created_ms, int64_t seq, struct maildir_name *name);

/* Before work begins: could it be told done? Makes the folder of the day. */
int maildir_ready_done(const struct maildir *d, const char *endpoint, int64_t now_ms, struct err *e);

/* Bytes of a dead event's file; 0: it cannot be seen. */
int64_t maildir_dead_size(const struct maildir *d, const char *endpoint, const struct maildir_name *name);

/* Why an event is dead, at most size - 1 bytes; "" where nothing says so. */
void maildir_why_dead(const struct maildir *d, const char *endpoint, const struct maildir_name *name, char *why,
                      size_t size);

/*
 * Does the file of a name in a folder have these bytes? 1, or 0, also where something else stands there; 1 where a worker has
 * moved it on meanwhile. -1 and *e
 */
int maildir_holds(const struct maildir *d, const char *endpoint, const char *folder, const struct maildir_name *name,
                  struct span bytes, struct err *e);

/* Read a name; false when it is none. */
bool maildir_parse(const char *text, struct maildir_name *name);

/* Remove the days of done/ that end before a time: the number of files, or -1 and *e. */
int64_t maildir_prune(const struct maildir *d, int64_t before_ms, struct err *e);

#endif
