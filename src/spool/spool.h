/* SPDX-License-Identifier: MIT
 *
 * spool: a folder in which verified events wait, each in a file, while the store cannot be written.
 *
 * A file is "<ms of arrival, 13 digits>.<number, 9 digits>.<process, 8 hex digits>.event", so that names sort in the
 * order of arrival; its text is a few lines and, behind an empty one, the body, byte for byte:
 *
 *     complycube-spool 1
 *     received_ms 1769718742004
 *     endpoint live
 *     secret main
 *     signature 0f3a...          64 hex digits, lower-case
 *     length 1234                of the body, in bytes
 *
 * It is written under a name that begins with a dot, flushed, renamed, and the folder is flushed: then it is durable.
 * What is read back is verified again, with every configured secret, retired ones too: nothing is believed because it
 * lies in this folder. A file that is none, is torn, or was signed with no secret of ours is set aside (".aside" behind
 * its name), and never removed. A file that was recorded is removed after the commit; one that a crash left in between
 * is a duplicate at the next reading, and no name of a file is ever given twice.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include "base/buf.h"
#include "base/files.h"
#include "config/config.h"
#include "event/verify.h"
#include "store/store.h"

enum {
    SPOOL_NAME_SIZE = 48,      /* with ".aside" and the NUL */
    SPOOL_BODY_MAX = 64 << 20, /* bytes; as much as max_body may be */
    SPOOL_LATE_MS = 300000     /* what waits for longer is to be told to a person */
};

/* A spool as one process uses it. */
struct spool {
    char path[PATH_MAX]; /* "": there is none */
    bool waits;          /* the folder may hold events */
    uint32_t process, count;
    struct files_stamp empty; /* of the folder, when it was seen empty; all zero: it was not */
    struct files_stamp left;  /* of the folder, when all that it held was left over; all zero: it was not */
    int64_t rest_until_ms;    /* of clock_ms: what was left the last time stays until then */
};

/* Use the folder at path, "" for none. Nothing is touched; *s needs no release. */
void spool_begin(struct spool *s, const char *path);

/* Make the folder, where it is missing, its parent is there: 0700, 02770 with a group. As files_make_dir. */
int spool_make(const char *path, gid_t group, bool *made, struct err *e);

/*
 * Write events that cannot be recorded now, the oldest first.
 * in:      list   n of them; each has a signature
 *          group  of the files, which are then 0660 instead of 0600; (gid_t)-1: none
 * out:     how many of them, from the first on, are durable; with fewer than n *e says why
 * cost:    a flush for each and one of the folder
 */
size_t spool_put(struct spool *s, const struct verified *const list[], size_t n, gid_t group, int64_t now_ms,
                 struct err *e);

/*
 * Does something wait that is to be recorded now, as far as one can see? A stat while the folder is as it was when it was seen
 * empty, or while what is left over rests; else a listing.
 */
bool spool_waits(struct spool *s, int64_t now_ms);

/* ---- the files ---- */

enum spool_kind {
    SPOOL_EVENT,
    SPOOL_ASIDE,
    SPOOL_UNFINISHED, /* being written, or left by a crash: no event of it was acknowledged */
    SPOOL_FOREIGN,
    SPOOL_KINDS
};

/* What a name is; *received_ms of the first three. */
enum spool_kind spool_kind(const char *name, int64_t *received_ms);

/* The names in the folder, sorted: of events and of what was set aside, by age. To be released; the zero value is empty. */
struct spool_names {
    char (*list)[SPOOL_NAME_SIZE];
    size_t n, cap;
    bool more;                   /* there are more events than these, all of them newer */
    char after[SPOOL_NAME_SIZE]; /* the list begins after this name; "": with the first */
    size_t count[SPOOL_KINDS];   /* of all there is */
    int64_t oldest_ms;           /* when the oldest event came; 0: none waits */
    int64_t unfinished_ms;       /* when the oldest that is not finished was last written to; 0: there is none */
};

/*
 * aside: those that were set aside too
 * errors: ERR_NOT_FOUND  there is no folder;  ERR_READONLY  this user may not read it;  ERR_MEMORY, ERR_SYSTEM
 */
int spool_list(const char *path, bool aside, struct spool_names *names, struct err *e);
void spool_names_release(struct spool_names *names);

/* Replace a list by the names that come after it. errors: as of spool_list */
int spool_list_next(const char *path, struct spool_names *names, struct err *e);

/* A file as it was read: what its spans and names point to is in it. To be released; the zero value is empty. */
struct spool_entry {
    struct buf data;
    int64_t received_ms;
    char endpoint[64], secret[64], signature[2 * VERIFY_DIGEST + 1];
    struct span body;
};

/* The text of a file, exactly as spool_put writes it, or ERR_UNDECODABLE. The body is a part of the text. */
int spool_parse(struct span text, struct spool_entry *entry, struct err *e);

/*
 * Read a file.
 * out:    0; 1: it is not there any more; or -1 and *e
 * errors: ERR_UNDECODABLE  it is no file of a spool, or torn;  ERR_MEMORY  none can be read now;  others  this one cannot
 */
int spool_read(const char *path, const char *name, struct spool_entry *entry, struct err *e);
void spool_entry_release(struct spool_entry *entry);

/* All secrets, retired ones too, and those that still count of a configuration before (NULL: none). */
int spool_verifier(const struct config *c, const struct config *before, struct verifier **v, struct err *e);

/* Give a file another name, unless something has it already, if the file system can tell. out: 0, or -1 with errno */
int spool_rename(const char *from, const char *to);

/* What was removed stays so after a power cut. */
int spool_flush(const char *path, struct err *e);

/* ---- recording what waits ---- */

/* Told of each file that is set aside, and of one that can be neither removed nor set aside. */
typedef void spool_told(void *ctx, const char *name, const struct err *why);

struct spool_drain {
    struct store *store; /* held: see store_hold */
    const struct config *config, *before;
    int budget_ms; /* so long, and a batch more */
    bool keep;     /* the store is a copy: all files stay as they are */
    spool_told *told;
    void *ctx;
    int64_t recorded, aside, refused; /* out; refused: the store refuses them by themselves, and they wait on */
};

/*
 * Record what waits, in the order of arrival, as if it had just come; then its files are removed.
 * out:     0: nothing is left that can be recorded now; 1: there is more; -1 and *e: what is not recorded waits on
 * errors:  those of store_record, and of reading
 */
int spool_drain(struct spool *s, struct spool_drain *d, int64_t now_ms, struct err *e);

/* Let what was set aside wait again: how many, or -1 and *e. */
int64_t spool_retry(const char *path, struct err *e);

#endif
