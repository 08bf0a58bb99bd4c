/* SPDX-License-Identifier: MIT
 *
 * db: what the parts of the SQLite backend share, and every statement it runs.
 */
#ifndef DB_H
#define DB_H

#include "base/lock.h"
#include "db_keep.h"
#include "store/maildir/maildir.h"
#include "store/store.h"

#include <limits.h>
#include <sqlite3.h>

enum { STORE_SCHEMA = 1, STORE_APPLICATION = 0x43434958 /* "CCIX" */ };
enum { STORE_NAMES_MAX = 2 * STORE_BATCH_MAX, STORE_NAME_SIZE = 64 /* bytes, with the NUL */ };

enum { STORE_HURRY_MS = 250 }; /* for a lock, after one was waited for in vain */

/* clang-format off */
#define STORE_SQL(X)                                                                                              \
    X(SQL_BEGIN, "BEGIN IMMEDIATE")                                                                               \
    X(SQL_BEGIN_ALONE, "BEGIN EXCLUSIVE")                                                                         \
    X(SQL_COMMIT, "COMMIT")                                                                                       \
    X(SQL_ROLLBACK, "ROLLBACK")                                                                                   \
    X(SQL_ENDPOINT, "SELECT id FROM endpoint WHERE name=?1")                                                      \
    X(SQL_ENDPOINT_NEW, "INSERT INTO endpoint(name) VALUES(?1)")                                                  \
    X(SQL_SECRET, "SELECT id FROM secret WHERE endpoint=?1 AND name=?2")                                          \
    X(SQL_SECRET_NEW, "INSERT INTO secret(endpoint,name) VALUES(?1,?2)")                                          \
    X(SQL_EVENT, "INSERT INTO event_log(endpoint,event_id,type,resource_type,resource_id,client_id,status,"       \
                 "outcome,created_ms,received_ms,secret,signature,payload_at,payload_len,body,seq,source,erased_ms," \
                 "payload_sha256) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"                 \
                 "coalesce(?17,'received'),?18,?19)")                                                             \
    X(SQL_INBOX, "INSERT INTO inbox(seq,endpoint,state,due_ms) VALUES(?1,?2,?3,?4)")                              \
    X(SQL_INBOX_PAST, "UPDATE inbox SET attempts=?2,done_ms=?3,error=?4 WHERE seq=?1")                            \
    X(SQL_EVENT_UNDO, "DELETE FROM event_log WHERE seq=?1")                                                       \
    X(SQL_KNOWN, "SELECT payload_at,payload_len,payload_sha256,body,seq,received_ms,source='spool' FROM event_log " \
                 "WHERE event_id=?1 AND type=?2 AND endpoint=?3")                                                 \
    X(SQL_QUARANTINE_AGAIN, "UPDATE quarantine SET times=times+1,last_ms=max(last_ms,?1) WHERE endpoint=?2 AND signature=?3 " \
                            "AND id>0 AND (body=?4 OR " STORE_SQL_EMPTY ")")                                               \
    X(SQL_QUARANTINE_FORGED, "DELETE FROM quarantine WHERE endpoint=?1 AND signature=?2")                         \
    X(SQL_QUARANTINE, "INSERT INTO quarantine(first_ms,last_ms,endpoint,signature,secret,reason,event_id,body,"   \
                      "times) VALUES(?8,?1,?2,?3,?4,?5,?6,?7,?9)")                                                \
    X(SQL_QUARANTINE_SPOOLED, "SELECT 1 FROM quarantine WHERE endpoint=?1 AND signature=?2 AND first_ms<=?3 AND last_ms>=?3 " \
                              "AND id>0 AND (body=?4 OR " STORE_SQL_EMPTY ")") \
    X(SQL_COUNT, "UPDATE counter SET n=n+?5,last_ms=max(last_ms,?6) WHERE hour_ms=?1 AND endpoint=?2 AND secret=?3 AND "       \
                 "outcome=?4")                                                                                    \
    X(SQL_COUNT_NEW, "INSERT INTO counter(hour_ms,endpoint,secret,outcome,n,last_ms) VALUES(?1,?2,?3,?4,?5,?6)")  \
    X(SQL_READABLE, "SELECT max_attempts FROM setting")                                                           \
    X(SQL_LIST, STORE_SQL_EVENT " WHERE " STORE_SQL_FILTER)                                                       \
    X(SQL_LIST_STATE, STORE_SQL_EVENT " WHERE seq IN (SELECT seq FROM inbox WHERE state=?1) AND " STORE_SQL_FILTER) \
    X(SQL_LIST_RESOURCE, STORE_SQL_EVENT " WHERE resource_id=?4 AND " STORE_SQL_FILTER)                           \
    X(SQL_SELECT, "SELECT seq FROM events WHERE " STORE_SQL_FILTER)                                               \
    X(SQL_SELECT_STATE, "SELECT seq FROM events WHERE seq IN (SELECT seq FROM inbox WHERE state=?1) AND "         \
                        STORE_SQL_FILTER)                                                                         \
    X(SQL_SELECT_RESOURCE, "SELECT seq FROM events WHERE resource_id=?4 AND " STORE_SQL_FILTER)                   \
    X(SQL_SHOW_SEQ, STORE_SQL_EVENT " WHERE seq=?1")                                                              \
    X(SQL_SHOW_ID, STORE_SQL_EVENT " WHERE event_id=?1 ORDER BY seq")                                             \
    X(SQL_COUNTS, "SELECT c.hour_ms,c.n,c.last_ms,n.name,s.name,c.outcome FROM counter c "                        \
                  "LEFT JOIN endpoint n ON n.id=c.endpoint LEFT JOIN secret s ON s.id=c.secret "                  \
                  "WHERE c.hour_ms>?1 ORDER BY c.hour_ms,c.endpoint,c.secret,c.outcome")                          \
    X(SQL_IGNORED, "SELECT n.name,e.type,count(*) FROM endpoint n "                                               \
                   "CROSS JOIN inbox i ON i.state=3 AND i.endpoint=n.id AND i.due_ms>=?1 "                        \
                   "CROSS JOIN event_log e ON e.seq=i.seq GROUP BY n.name,e.type ORDER BY 3 DESC,1,2 LIMIT ?2")   \
    X(SQL_ENDPOINTS, "SELECT id,name FROM endpoint ORDER BY name")                                                \
    X(SQL_LAST, "SELECT coalesce((SELECT max(seq) FROM event_log),0),"                                            \
                "coalesce((SELECT min(seq) FROM event_log),1)")                                                   \
    X(SQL_SETTING, "SELECT max_attempts,lease_ms,backoff_ms FROM setting")                                        \
    X(SQL_LOGGED, "SELECT 1 FROM event_log e JOIN endpoint n ON n.id=e.endpoint "                                 \
                  "WHERE e.seq=?1 AND e.created_ms=?2 AND n.name=?3")                                             \
    X(SQL_WAITING, "SELECT 1 FROM inbox WHERE state=0 AND endpoint=?1 AND due_ms<=?2 LIMIT 1")                    \
    X(SQL_CLAIM, "UPDATE inbox SET "                                                                              \
        "state=CASE WHEN ?9 AND " STORE_SQL_OLD " THEN 1 WHEN attempts>=?1 THEN 2 ELSE 0 END,"                    \
        "done_ms=CASE WHEN ?9 AND " STORE_SQL_OLD " THEN ?6 END,"                                                 \
        "error=CASE WHEN ?9 AND " STORE_SQL_OLD " THEN 'superseded' ELSE error END,"                              \
        "attempts=attempts+1,token=?2,owner=?3,due_ms=?4 WHERE seq IN ("                                          \
        "SELECT i.seq FROM inbox i WHERE i.state=0 AND i.endpoint=?5 AND i.due_ms<=?6 "                           \
        "AND (?7 IS NULL OR instr(?7,'\n'||(SELECT e.type FROM event_log e WHERE e.seq=i.seq)||'\n')) "           \
        "AND (NOT ?8 OR NOT EXISTS(SELECT 1 FROM event_log e "                                                    \
        "CROSS JOIN event_log o ON o.resource_id=e.resource_id AND o.endpoint=e.endpoint "                        \
        "AND o.resource_type IS e.resource_type AND o.seq<>e.seq "                                                \
        "CROSS JOIN inbox b ON b.seq=o.seq AND b.state=0 WHERE e.seq=i.seq "                                      \
        "AND ((b.token IS NOT NULL AND b.due_ms>?6) "                                                             \
        "OR ((?7 IS NULL OR instr(?7,'\n'||o.type||'\n')) "                                                       \
        "AND (o.created_ms<e.created_ms OR (o.created_ms=e.created_ms AND o.seq<e.seq)))))) "                     \
        "ORDER BY i.due_ms,i.seq LIMIT ?10)")                                                                     \
    X(SQL_OVER, "SELECT " STORE_SQL_OVER("?1"))                                                                   \
    X(SQL_CLAIMED, STORE_SQL_EVENT " WHERE seq IN (SELECT seq FROM inbox WHERE state=0 AND endpoint=?1 "          \
                   "AND due_ms=?2 AND token=?3) ORDER BY created_ms,seq")                                         \
    X(SQL_ACK, "UPDATE inbox SET state=1,token=NULL,done_ms=?3 WHERE seq=?1 AND token=?2 AND state=0")            \
    X(SQL_NACK, "UPDATE inbox SET state=?5,token=NULL,due_ms=?3,error=?4 "                                        \
                "WHERE seq=?1 AND token=?2 AND state=0")                                                          \
    X(SQL_RELEASE, "UPDATE inbox SET attempts=attempts-1,token=NULL,due_ms=?3 "                                   \
                   "WHERE seq=?1 AND token=?2 AND state=0")                                                       \
    X(SQL_EXTEND, "UPDATE inbox SET due_ms=?3 WHERE seq=?1 AND token=?2 AND state=0")                             \
    X(SQL_FACTS, "SELECT (SELECT count(*) FROM inbox WHERE state=0),(SELECT count(*) FROM inbox WHERE state=2),"  \
                 "(SELECT count(*) FROM quarantine WHERE NOT " STORE_SQL_EMPTY "),"                               \
                 "(SELECT count(*) FROM event_log),"                                                              \
                 "(SELECT count(token) FROM inbox WHERE state=0 AND due_ms>?1),"                                  \
                 "(SELECT count(*)-count(token) FROM inbox WHERE state=0 AND due_ms>?1),"                         \
                 "(SELECT received_ms FROM event_log WHERE seq=(SELECT min(seq) FROM inbox WHERE state=0))")      \
    X(SQL_LIST_RECENT, STORE_SQL_EVENT " WHERE seq>?9 AND " STORE_SQL_FILTER)                                     \
    X(SQL_SELECT_OLDER, "SELECT seq FROM events WHERE seq<=?9 AND " STORE_SQL_MATCH " ORDER BY seq LIMIT ?8")     \
    X(SQL_FOLLOW_END, "SELECT max(seq) FROM (SELECT seq FROM event_log WHERE seq>?1 ORDER BY seq LIMIT 500)")     \
    X(SQL_FOLLOW, STORE_SQL_EVENT " WHERE seq>?9 AND seq<=?10 AND " STORE_SQL_MATCH " ORDER BY seq LIMIT ?8")     \
    X(SQL_TALLY_TYPE, "SELECT type,endpoint FROM event_log") /* of an index, without the bodies */                \
    X(SQL_TALLY_STATE, "SELECT count(*) FROM inbox WHERE state=?1 AND endpoint=?2")                               \
    X(SQL_TALLY_OLDEST, "SELECT e.received_ms FROM event_log e "                                                  \
                        "WHERE e.seq=(SELECT min(seq) FROM inbox WHERE state=0 AND endpoint=?1)")                 \
    X(SQL_TALLY_QUARANTINE, "SELECT endpoint,count(*) FROM quarantine WHERE NOT " STORE_SQL_EMPTY " AND "         \
                            "last_ms>=?1 AND (?2=0 OR last_ms<?2) GROUP BY endpoint")                             \
    X(SQL_TALLY_TIME, "SELECT e.type,e.endpoint,i.state,e.seq,e.received_ms FROM event_log e "                    \
                      "LEFT JOIN inbox i ON i.seq=e.seq WHERE e.received_ms>=?1 AND (?2=0 OR e.received_ms<?2)")  \
    X(SQL_RECEIVED, "SELECT received_ms FROM event_log WHERE seq=?1")                                             \
    X(SQL_STANDING, "SELECT i.state,n.id,n.name,e.created_ms,e.erased_ms IS NOT NULL,e.body FROM event_log e "    \
                    "JOIN endpoint n ON n.id=e.endpoint LEFT JOIN inbox i ON i.seq=e.seq WHERE e.seq=?1")         \
    X(SQL_REQUEUE, "UPDATE inbox SET state=0,attempts=0,token=NULL,done_ms=NULL,due_ms=?2 WHERE seq=?1")          \
    X(SQL_CHANGE_ACK, "UPDATE inbox SET state=1,token=NULL,done_ms=?2 WHERE seq=?1")                              \
    X(SQL_CHANGE_DEAD, "UPDATE inbox SET state=2,token=NULL,due_ms=?2 WHERE seq=?1")                              \
    X(SQL_ERASABLE, "SELECT i.state,n.name,e.created_ms,e.erased_ms IS NOT NULL,e.payload_at,e.payload_len,e.body " \
                    "FROM event_log e JOIN endpoint n ON n.id=e.endpoint LEFT JOIN inbox i ON i.seq=e.seq "       \
                    "WHERE e.seq=?1")                                                                             \
    X(SQL_ERASE, "UPDATE event_log SET body=NULL,signature=NULL,resource_id=NULL,client_id=NULL,status=NULL,"     \
                 "outcome=NULL,payload_at=NULL,payload_len=NULL,erased_ms=?2,payload_sha256=?3 WHERE seq=?1")     \
    X(SQL_ERASE_INBOX, "UPDATE inbox SET state=CASE state WHEN 3 THEN 3 ELSE 1 END,token=NULL,owner=NULL,error=NULL," \
                       "done_ms=CASE WHEN state=0 OR state=2 THEN ?2 ELSE done_ms END,due_ms=0 WHERE seq=?1")     \
    X(SQL_PRUNABLE, "SELECT i.seq FROM endpoint n CROSS JOIN inbox i ON i.state IN (1,3) AND i.endpoint=n.id "    \
                    "AND i.due_ms>0 AND i.due_ms<?1+604800000 CROSS JOIN event_log e ON e.seq=i.seq "             \
                    "WHERE coalesce(i.done_ms,i.due_ms)<?1 AND e.erased_ms IS NULL AND NOT EXISTS(SELECT 1 "      \
                    "FROM event_log o CROSS JOIN inbox b ON b.seq=o.seq WHERE " STORE_SQL_OLDER                   \
                    " AND (b.state IN (0,2) OR coalesce(b.done_ms,b.due_ms)>=?1))")                               \
    X(SQL_PRUNABLE_FILES, "SELECT e.seq FROM event_log e LEFT JOIN inbox i ON i.seq=e.seq "                       \
                          "WHERE e.erased_ms IS NULL AND e.received_ms<?1 AND i.seq IS NULL")                     \
    X(SQL_OLDER, "SELECT o.seq FROM event_log e CROSS JOIN event_log o ON " STORE_SQL_OLDER " WHERE e.seq=?1")    \
    X(SQL_WALK, "SELECT e.seq,e.created_ms,e.received_ms,i.due_ms,i.done_ms,i.attempts,i.state,0,n.name,e.event_id," \
                "e.type,e.resource_type,e.resource_id,e.client_id,e.status,e.outcome,e.source,s.name,"            \
                "lower(hex(e.signature)),NULL,i.owner,i.error,CASE WHEN e.body IS NOT NULL AND e.payload_at IS NOT " \
                 "NULL THEN substr(e.body,e.payload_at+1,e.payload_len) END,e.body,e.erased_ms,e.payload_sha256 " \
                "FROM event_log e LEFT JOIN endpoint n ON n.id=e.endpoint LEFT JOIN inbox i ON i.seq=e.seq "      \
                "LEFT JOIN secret s ON s.id=e.secret WHERE e.seq>?8 AND e.seq<=?9 AND (?1<0 OR i.state IS NULL OR " \
                "i.state=?1) AND (?2 IS NULL OR n.name=?2) AND (?3 IS NULL OR e.type=?3) AND "                    \
                "(?4 IS NULL OR e.resource_id=?4) AND (?5 IS NULL OR e.client_id=?5) AND e.received_ms>=?6 AND "  \
                "(?7=0 OR e.received_ms<?7) ORDER BY e.seq")                                                      \
    X(SQL_PERSON, "SELECT e.seq FROM event_log e JOIN endpoint n ON n.id=e.endpoint WHERE e.client_id=?1 AND "    \
                  STORE_SQL_PERSON " UNION SELECT e.seq FROM (SELECT DISTINCT resource_id,resource_type,endpoint " \
                  "FROM event_log WHERE client_id=?1 AND resource_id IS NOT NULL) r "                             \
                  "CROSS JOIN event_log e ON e.resource_id=r.resource_id AND e.endpoint=r.endpoint "              \
                  "AND e.resource_type IS r.resource_type JOIN endpoint n ON n.id=e.endpoint "                    \
                  "WHERE " STORE_SQL_PERSON " ORDER BY 1")                                                        \
    X(SQL_QUARANTINED, "SELECT q.id,q.first_ms,q.last_ms,q.times,n.name,s.name,lower(hex(q.signature)),q.reason," \
                       "q.event_id,q.body,EXISTS(SELECT 1 FROM event_log e WHERE e.event_id=q.event_id AND "      \
                       "e.endpoint=q.endpoint AND e.erased_ms=?2) FROM quarantine q LEFT JOIN endpoint n "        \
                       "ON n.id=q.endpoint LEFT JOIN secret s ON s.id=q.secret WHERE q.id>?1 AND "                \
                       "NOT " STORE_SQL_EMPTY " ORDER BY q.id")                                                   \
    X(SQL_QUARANTINE_EMPTY, "UPDATE quarantine SET reason='erased',event_id=NULL,body=x'' WHERE id=?1 AND NOT "   \
                            STORE_SQL_EMPTY)                                                                      \
    X(SQL_INBOX_UNDO, "DELETE FROM inbox WHERE seq=?1")                                                           \
    X(SQL_EVENT_REPLACE, "UPDATE event_log SET endpoint=?1,event_id=?2,type=?3,resource_type=?4,resource_id=?5,"  \
                         "client_id=?6,status=?7,outcome=?8,created_ms=?9,received_ms=?10,secret=?11,signature=?12," \
                         "payload_at=?13,payload_len=?14,body=?15,source=coalesce(?17,'received'),erased_ms=?18," \
                         "payload_sha256=?19 WHERE seq=?16")                                                      \
    X(SQL_ACCEPTED, "UPDATE event_log SET source='accepted' WHERE seq=?1")                                        \
    X(SQL_TWIN, "SELECT seq,erased_ms IS NOT NULL FROM event_log WHERE event_id=?1 AND type=?2 AND endpoint=?3")  \
    X(SQL_SWAP, "INSERT OR IGNORE INTO quarantine(id,first_ms,last_ms,endpoint,secret,signature,reason,event_id," \
                "body) SELECT ?1,received_ms,?3,endpoint,secret,coalesce(signature,randomblob(32)),?4,event_id,"  \
                "body FROM event_log WHERE seq=?2")                                                               \
    X(SQL_DROP, "DELETE FROM quarantine WHERE id=?1 AND NOT " STORE_SQL_EMPTY)                                    \
    X(SQL_READ_QUARANTINE, "SELECT q.id,q.first_ms,q.last_ms,q.times,n.name,s.name,lower(hex(q.signature)),q.reason," \
                           "q.event_id,q.body,0 FROM quarantine q LEFT JOIN endpoint n ON n.id=q.endpoint "       \
                           "LEFT JOIN secret s ON s.id=q.secret WHERE (?1=0 OR q.id=?1) AND "                     \
                           "(?2 IS NULL OR n.name=?2) AND NOT " STORE_SQL_EMPTY " ORDER BY q.id DESC")            \
    X(SQL_READ_HISTORY, "SELECT h.id,h.at_ms,h.seq,h.n,h.from_state,h.to_state,h.action,h.os_user,h.sudo_user,"   \
                        "h.host,h.reason,h.detail,n.name,e.event_id,e.type FROM history h "                       \
                        "LEFT JOIN event_log e ON e.seq=h.seq LEFT JOIN endpoint n ON n.id=e.endpoint "           \
                        "WHERE (?1=0 OR h.seq=?1) AND h.at_ms>=?2 AND (?3=0 OR h.at_ms<?3) "                      \
                        "ORDER BY h.id DESC LIMIT ?4")                                                            \
    X(SQL_HISTORY, "INSERT INTO history(at_ms,action,seq,from_state,to_state,n,os_user,sudo_user,host,reason,"    \
                   "detail) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")

/* What a struct store_filter asks for; newest first. */
#define STORE_SQL_FILTER STORE_SQL_MATCH " ORDER BY seq DESC LIMIT ?8"
#define STORE_SQL_MATCH                                                                                           \
    "(?1<0 OR state=?1) AND (?2 IS NULL OR endpoint=?2) AND (?3 IS NULL OR type=?3) AND "                         \
    "(?4 IS NULL OR resource_id=?4) AND (?5 IS NULL OR client_id=?5) AND received_ms>=?6 AND "                    \
    "(?7=0 OR received_ms<?7)"

/* Is an event superseded by one that is worked on: of types ?7, and neither dead nor ignored? */
#define STORE_SQL_OVER(seq)                                                                                       \
    "EXISTS(SELECT 1 FROM newer n LEFT JOIN inbox b ON b.seq=n.newer_seq WHERE n.seq=" seq " AND "                \
    "coalesce(b.state,0)<2 AND (?7 IS NULL OR instr(?7,'\n'||n.newer_type||'\n')))"
#define STORE_SQL_OLD STORE_SQL_OVER("inbox.seq")

/* A row of quarantine that was erased: what stays knows the delivery again, so that it is not taken in once more. */
#define STORE_SQL_EMPTY "(reason='erased' AND length(body)=0)"

#define STORE_SQL_PERSON                                                                                          \
    "(?2 IS NULL OR n.name=?2) AND (?3 IS NULL OR e.resource_id=?3) AND e.received_ms>=?4 AND "                   \
    "(?5=0 OR e.received_ms<?5)"

/* Is o an older event of the resource of e? */
#define STORE_SQL_OLDER                                                                                           \
    "o.resource_id=e.resource_id AND o.created_ms<=e.created_ms AND o.endpoint=e.endpoint "                       \
    "AND o.resource_type IS e.resource_type AND (o.created_ms<e.created_ms OR o.seq<e.seq)"

/* The columns in the order of struct read_column in read.c. */
#define STORE_SQL_EVENT                                                                                           \
    "SELECT seq,created_ms,received_ms,due_ms,done_ms,attempts,state,superseded,endpoint,event_id,type,"          \
    "resource_type,resource_id,client_id,status,outcome,source,secret,signature,created_at,owner,error,payload,"  \
    "body FROM events"
/* clang-format on */

enum store_sql {
#define X(name, sql) name,
    STORE_SQL(X) STORE_SQL_KEEP(X)
#undef X
        STORE_SQL_COUNT
};

struct store {
    const struct store_ops *ops;
    sqlite3 *db;
    sqlite3_stmt *prepared[STORE_SQL_COUNT]; /* made when first used */
    struct lock lock;
    struct maildir *directory; /* NULL: the inbox is the table */
    int64_t floor;  /* numbers begin above it: those of files of an older database, or given before a restore */
    bool floor_met; /* ... which they do from the open transaction on */
    char maildir_path[PATH_MAX];
    int wait_ms, busy_ms;  /* the latter now: what is left of the former */
    int64_t busy_begun_ms; /* of a monotonic clock, while it is waited for */
    char path[PATH_MAX];
    char base[PATH_MAX]; /* of the receiver's own files: see beside.h */
    dev_t dev;
    ino_t ino, log_ino; /* of the file, and of the log beside it; 0: it has none */
    bool hurried;       /* the latest batch waited in vain for a lock */
    bool held;          /* the writers' lock, over several batches, ... */
    int held_ms;        /* ... each of which waits so long for SQLite's */
    int64_t last;       /* before a batch that was spooled */
    size_t names;       /* known in committed rows ... */
    unsigned version;   /* ... of this state of the file: another process may change them */
    struct name {
        char endpoint[STORE_NAME_SIZE], secret[STORE_NAME_SIZE];
        int64_t endpoint_id, secret_id;
    } name[STORE_NAMES_MAX];
};

extern const char sqlite_schema[]; /* schema.sql, and a NUL */

/* Say what SQLite says, in our codes; always -1. */
int sqlite_error(struct store *s, const char *doing, struct err *e);

/* From now on wait so long for SQLite's lock. */
void sqlite_wait(struct store *s, int ms);

/* A statement ready to be bound and run, or NULL and *e. */
sqlite3_stmt *sqlite_prepare(struct store *s, enum store_sql which, struct err *e);

/* Is the open file, with its log, what stands at the path? */
bool sqlite_in_place(struct store *s);

/* Under the writers' lock: what a file that is elsewhere now has left at the path goes after it. */
int sqlite_leave_locked(struct store *s, struct err *e);

/*
 * Where the open file was deleted, with its log written back: save what it holds beside it. 1 and *e, which says where;
 * 0: it was not deleted; -1 and *e.
 */
int sqlite_rescue(struct store *s, struct err *e);

/* A log whose database is gone holds events that no new database must cover up: ERR_DATABASE. */
int sqlite_check_orphan(const char *path, struct err *e);

/* Has a file of these numbers our schema? One version more than ours is fine: it only adds. */
int sqlite_check_version(const char *path, uint32_t application, uint32_t version, struct err *e);

/* Run a statement that is bound already and gives no rows: its result code. */
int sqlite_run(sqlite3_stmt *q);

/* Take the writers' lock, if the file is still in place: 0, or -1 with ERR_BUSY. */
int sqlite_lock(struct store *s, struct err *e);

/* Is the store open without the writers' lock, for an application's user? Then *e says who may do what is to be done. */
bool sqlite_is_consumer(const struct store *s, struct err *e);

/* The highest number in the log, 0 when it is empty. ERR_DATABASE: a number in it cannot be. */
int sqlite_last(struct store *s, int64_t *last, struct err *e);

/* The row at hand, in the order of STORE_SQL_EVENT; its spans live until the statement moves on. */
void sqlite_event(sqlite3_stmt *q, struct store_event *v);

/* A column's bytes, until the statement moves on; the absent span for NULL. */
struct span sqlite_text(sqlite3_stmt *q, int column);

/* Run a bound query of STORE_SQL_EVENT to its end; the number of rows, or -1. */
int64_t sqlite_each(struct store *s, sqlite3_stmt *q, store_each *each, void *ctx, struct err *e);

/* The rows that a filter asks for, but for its state and limit, for sqlite_each; NULL and *e. */
sqlite3_stmt *sqlite_filtered(struct store *s, const struct store_filter *f, int state, int64_t limit, struct err *e);

/* The same, run to its end: the number of rows, or -1. */
int64_t sqlite_newest(struct store *s, const struct store_filter *f, int state, int64_t limit, store_each *each,
                      void *ctx, struct err *e);

/* The row of an event by its number, for sqlite_each; NULL and *e. */
sqlite3_stmt *sqlite_by_seq(struct store *s, int64_t seq, struct err *e);

/* The endpoint that a worker asks for: its id, and its name at `name`, of 64 bytes. */
int sqlite_endpoint(struct store *s, const char *wanted, int64_t *id, char *name, struct err *e);

/* The types that a worker asks for as "\nTYPE\nTYPE\n", to be freed; NULL when it asks for any. -1: no memory. */
int sqlite_types(const struct store_want *w, char **types, struct err *e);

/* The row of the table setting. */
int sqlite_setting(struct store *s, struct maildir_setting *setting, struct err *e);

/* When an event that failed for the n-th time is due again. */
int64_t sqlite_backoff(const struct maildir_setting *setting, int64_t attempts);

/* ---- the directory form: inbox_files.c ---- */

/* Under the writers' lock, before anything is written: show what a crash has left unshown. */
void sqlite_sweep(struct store *s);
/* A new database beside files of an older one: its numbers begin above theirs, so that no name comes twice. */
int sqlite_files_floor(struct store *s, struct err *e);
int sqlite_files_list(struct store *s, const struct store_filter *f, store_each *each, void *ctx, struct err *e);
/* As sqlite_each, with what the files tell, and only those that the filter asks for. */
int64_t sqlite_files_each(struct store *s, const struct store_filter *f, sqlite3_stmt *q, store_each *each, void *ctx,
                          struct err *e);
int sqlite_files_facts(struct store *s, int64_t now_ms, struct store_facts *facts, struct err *e);
/* Fill in what the table does not know of an event: state, attempts, when it is due. */
int sqlite_files_state(struct store *s, struct store_event *v, struct err *e);
int sqlite_files_claim(struct store *s, const struct store_want *w, int n, int64_t now_ms, store_claimed *each,
                       void *ctx, struct err *e);
int sqlite_files_settle(struct store *s, struct store_lease *lease, enum store_verb verb, const char *why, int64_t ms,
                        int64_t now_ms, struct err *e);

/* ---- changes by hand: change.c ---- */

/* Is there a table history? ERR_SCHEMA */
int sqlite_has_history(struct store *s, struct err *e);

/* A row of history; no seq: 0, no state: -1. */
struct sqlite_note {
    const char *action, *detail;
    int64_t seq, n; /* n 0: 1 */
    int from, to;
};
int sqlite_history(struct store *s, const struct sqlite_note *note, const struct store_actor *by, int64_t now_ms,
                   struct err *e);

/*
 * Begin and end a transaction of changes by hand, under the writers' lock and with no trigger at work, since these
 * speak for plain SQL. End it whatever came of it; -1 and *e when it failed or could not be committed.
 */
int sqlite_begin(struct store *s, struct err *e);
int sqlite_commit(struct store *s, bool failed, struct err *e); /* and keep the lock, which is to be released */
int sqlite_end(struct store *s, bool failed, struct err *e);

/* ---- erasing in the directory form: inbox_files_erase.c ---- */

/* What stands in the folders, by number: of what waits or is dead, and of what was done since a time. */
struct sqlite_held;
int sqlite_files_held(struct store *s, int64_t done_since_ms, struct sqlite_held **held, struct err *e);
void sqlite_files_held_free(struct sqlite_held *held);
bool sqlite_files_is_held(const struct sqlite_held *held, int64_t seq);
/* The state of an event that has no row, as its file tells: 0, 1 or 2. */
int sqlite_files_held_state(const struct sqlite_held *held, const char *endpoint, int64_t created_ms, int64_t seq);
/* Remove every file of an event, wherever a worker may have brought it by now; durable after the sync. */
int sqlite_files_erase(struct store *s, const struct sqlite_held *held, const char *endpoint, int64_t created_ms,
                       int64_t seq, struct err *e);
/* Fill in what the table does not know of a row that was read. */
void sqlite_files_tell(struct store *s, const struct sqlite_held *held, struct store_event *v);

/* ---- copies, restores, migrations ---- */

int sqlite_backup(struct store *s, const char *path, const struct store_teller *t, int64_t now_ms,
                  struct store_backup *made, struct err *e);
int64_t sqlite_compare(struct store *s, int64_t *seqs, int64_t n, store_each_name *each, void *ctx, struct err *e);
int sqlite_missing(struct store *s, store_each_step *each, void *ctx, struct err *e);
int sqlite_migrate(struct store *s, const struct store_actor *by, int64_t now_ms, struct store_step *step,
                   struct err *e);

/* Numbers that were given before a restore end here; 0: there was none, or the database is older than that column. */
int sqlite_floor(struct store *s, int64_t *floor, struct err *e);

/* The other parts, for the ops. */
int64_t sqlite_erase(struct store *s, enum store_erase how, const int64_t *seqs, int64_t n,
                     const struct store_actor *by, int64_t now_ms, store_each_changed *each, void *ctx,
                     struct err *e);
int64_t sqlite_erase_quarantined(struct store *s, const int64_t *ids, int64_t n, const struct store_actor *by,
                                 int64_t now_ms, struct err *e);
int sqlite_flush(struct store *s, struct err *e);
int sqlite_scrub(struct store *s, int64_t *at, struct err *e);
int64_t sqlite_person(struct store *s, const struct store_filter *f, int64_t **seqs, struct err *e);
int64_t sqlite_prunable(struct store *s, int64_t before_ms, int64_t **seqs, struct err *e);
int sqlite_note(struct store *s, const char *action, int64_t n, const char *detail, const struct store_actor *by,
                int64_t now_ms, struct err *e);
int sqlite_walk(struct store *s, const struct store_filter *f, int64_t *after, int64_t to, store_each *each,
                void *ctx, struct err *e);
int sqlite_quarantined(struct store *s, int64_t *after, int64_t erased_ms, store_each_quarantined *each, void *ctx,
                       struct err *e);
int sqlite_record(struct store *s, struct record *const batch[], size_t n, int64_t now_ms, struct err *e);
int sqlite_hold(struct store *s, int wait_ms, struct err *e);
void sqlite_release(struct store *s);
int sqlite_try(struct store *s, int wait_ms, struct err *e);
int sqlite_list(struct store *s, const struct store_filter *f, store_each *each, void *ctx, struct err *e);
int64_t sqlite_select(struct store *s, const struct store_filter *f, int64_t **seqs, struct err *e);
int sqlite_show(struct store *s, struct span key, store_each *each, void *ctx, struct err *e);
int sqlite_facts(struct store *s, int64_t now_ms, struct store_facts *facts, struct err *e);
int sqlite_ready(struct store *s, struct err *e);
int sqlite_counts(struct store *s, int64_t since_ms, store_each_count *each, void *ctx, struct err *e);
int sqlite_ignored(struct store *s, int64_t since_ms, store_each_count *each, void *ctx, struct err *e);
int sqlite_tally(struct store *s, const struct store_filter *f, bool whole, store_each_tally *each, void *ctx,
                 struct err *e);
int sqlite_follow(struct store *s, const struct store_filter *f, int64_t *after, store_each *each, void *ctx,
                  struct err *e);
int sqlite_claim(struct store *s, const struct store_want *w, int n, int64_t now_ms, store_claimed *each, void *ctx,
                 struct err *e);
int sqlite_settle(struct store *s, struct store_lease *lease, enum store_verb verb, const char *why, int64_t ms,
                  int64_t now_ms, struct err *e);

int64_t sqlite_change(struct store *s, enum store_change what, const int64_t *seqs, int64_t n,
                      const struct store_actor *by, int64_t now_ms, store_each_changed *each, void *ctx,
                      struct err *e);

int sqlite_quarantine(struct store *s, int64_t id, const char *endpoint, store_each_quarantined *each, void *ctx,
                      struct err *e);
int sqlite_accept(struct store *s, int64_t id, struct record *r, const struct store_actor *by, int64_t now_ms,
                  int64_t *seq, struct err *e);
int sqlite_drop(struct store *s, int64_t id, const struct store_actor *by, int64_t now_ms, struct err *e);
int sqlite_read_history(struct store *s, int64_t seq, int64_t since_ms, int64_t before_ms, int64_t limit,
                        store_each_past *each, void *ctx, struct err *e);

#endif
