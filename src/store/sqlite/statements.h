/* SPDX-License-Identifier: MIT
 *
 * statements: every statement that the backend runs, by its name. Each is prepared when it is first used.
 */
#ifndef STATEMENTS_H
#define STATEMENTS_H

/* The error of an event whose last claim was never settled. */
#define STORE_LOST "the worker ended without a result"

/* clang-format off */
#define STORE_SQL(X)                                                                                              \
    X(SQL_BEGIN, "BEGIN IMMEDIATE")                                                                               \
    X(SQL_BEGIN_ALONE, "BEGIN EXCLUSIVE")                                                                         \
    X(SQL_COMMIT, "COMMIT")                                                                                       \
    X(SQL_ROLLBACK, "ROLLBACK")                                                                                   \
    X(SQL_ENDPOINT, "SELECT id FROM endpoint NOT INDEXED WHERE name=?1") /* few rows: the table's, whatever its index says */ \
    X(SQL_ENDPOINT_NEW, "INSERT INTO endpoint(name) VALUES(?1)")                                                  \
    X(SQL_SECRET, "SELECT id FROM secret NOT INDEXED WHERE endpoint=?1 AND name=?2")                              \
    X(SQL_SECRET_NEW, "INSERT INTO secret(endpoint,name) VALUES(?1,?2)")                                          \
    X(SQL_EVENT, "INSERT INTO event_log(endpoint,event_id,type,resource_type,resource_id,client_id,status,"       \
                 "outcome,created_ms,received_ms,secret,signature,payload_at,payload_len,body,seq,source,erased_ms," \
                 "payload_sha256) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"                 \
                 "coalesce(?17,'received'),?18,?19)")                                                             \
    X(SQL_INBOX, "INSERT INTO inbox(seq,endpoint,state,due_ms) VALUES(?1,?2,?3,?4)")                              \
    X(SQL_INBOX_PAST, "UPDATE inbox SET attempts=?2,done_ms=?3,error=?4 WHERE seq=?1")                            \
    X(SQL_EVENT_UNDO, "DELETE FROM event_log WHERE seq=?1")                                                       \
    X(SQL_KNOWN, "SELECT payload_at,payload_len,payload_sha256,body,seq,received_ms,source='spool' FROM event_log " \
                 "WHERE seq=(SELECT seq FROM event_log WHERE event_id=?1 AND type=?2 AND endpoint=?3) "           \
                 "AND +event_id=?1 AND +type=?2 AND +endpoint=?3") /* of the row, whatever the index says */      \
    X(SQL_QUARANTINE_AGAIN, "UPDATE quarantine SET times=times+1,last_ms=max(last_ms,?1) WHERE "                 \
                            STORE_SQL_DELIVERY("?2", "?3"))                                                       \
    X(SQL_QUARANTINE_FORGED, "DELETE FROM quarantine WHERE " STORE_SQL_SIGNED("?1", "?2"))                        \
    X(SQL_QUARANTINE, "INSERT INTO quarantine(first_ms,last_ms,endpoint,signature,secret,reason,event_id,body,"   \
                      "times) VALUES(?8,?1,?2,?3,?4,?5,?6,?7,?9)")                                                \
    X(SQL_QUARANTINE_SPOOLED, "SELECT 1 FROM quarantine WHERE first_ms<=?3 AND last_ms>=?3 AND "                  \
                              STORE_SQL_DELIVERY("?1", "?2"))                                                     \
    X(SQL_COUNT, "UPDATE counter SET n=n+?5,last_ms=max(last_ms,?6) WHERE hour_ms=?1 AND endpoint=?2 AND secret=?3 AND "       \
                 "outcome=?4")                                                                                    \
    X(SQL_COUNT_NEW, "INSERT INTO counter(hour_ms,endpoint,secret,outcome,n,last_ms) VALUES(?1,?2,?3,?4,?5,?6)")  \
    X(SQL_READABLE, "SELECT max_attempts FROM setting")                                                           \
    X(SQL_LIST, STORE_SQL_EVENT " WHERE " STORE_SQL_FILTER)                                                       \
    X(SQL_LIST_STATE, STORE_SQL_EVENT " WHERE seq IN (SELECT seq FROM inbox WHERE state=?1) AND " STORE_SQL_FILTER) \
    X(SQL_LIST_RESOURCE, STORE_SQL_EVENT " WHERE resource_id=?4 AND " STORE_SQL_FILTER)                           \
    X(SQL_SELECT, "SELECT seq FROM temp.events WHERE " STORE_SQL_FILTER)                                               \
    X(SQL_SELECT_STATE, "SELECT seq FROM temp.events WHERE seq IN (SELECT seq FROM inbox WHERE state=?1) AND "         \
                        STORE_SQL_FILTER)                                                                         \
    X(SQL_SELECT_RESOURCE, "SELECT seq FROM temp.events WHERE resource_id=?4 AND " STORE_SQL_FILTER)                   \
    X(SQL_SHOW_SEQ, STORE_SQL_EVENT " WHERE seq=?1")                                                              \
    X(SQL_SHOW_ID, STORE_SQL_EVENT " WHERE event_id=?1 ORDER BY seq")                                             \
    X(SQL_RELATED, "SELECT (SELECT n.newer_seq FROM temp.newer n CROSS JOIN event_log w ON w.seq=n.newer_seq "    \
                   "WHERE n.seq=?1 ORDER BY w.created_ms DESC,w.seq DESC LIMIT 1),"                               \
                   "(SELECT min(c.earlier_seq) FROM temp.same_change c WHERE c.seq=?1)") \
    X(SQL_COUNTS, "SELECT c.hour_ms,c.n,c.last_ms,n.name,s.name,c.outcome FROM counter c "                        \
                  "LEFT JOIN endpoint n ON n.id=c.endpoint LEFT JOIN secret s ON s.id=c.secret "                  \
                  "WHERE c.hour_ms>?1 ORDER BY c.hour_ms,c.endpoint,c.secret,c.outcome")                          \
    X(SQL_TOTALS, "SELECT endpoint,secret,outcome,n,last_ms FROM counter")                                        \
    X(SQL_TOTAL_NAMES, "SELECT (SELECT name FROM endpoint WHERE id=?1),(SELECT name FROM secret WHERE id=?2)")    \
    X(SQL_IGNORED, "SELECT n.name,e.type,count(*) FROM endpoint n "                                               \
                   "CROSS JOIN inbox i ON i.state=3 AND i.endpoint=n.id AND i.due_ms>=?1 "                        \
                   "CROSS JOIN event_log e ON e.seq=i.seq GROUP BY n.name,e.type ORDER BY 3 DESC,1,2 LIMIT ?2")   \
    X(SQL_ENDPOINTS, "SELECT id,name FROM endpoint ORDER BY name")                                                \
    X(SQL_LAST, "SELECT coalesce((SELECT max(seq) FROM event_log),0),"                                            \
                "coalesce((SELECT min(seq) FROM event_log),1)")                                                   \
    X(SQL_SETTING, "SELECT max_attempts,lease_ms,backoff_ms FROM setting")                                        \
    X(SQL_KNOWS, "SELECT count(*),max(substr(e.type,-8)='.deleted'),max(e.created_ms),"                           \
                 "max(instr(substr(e.body,e.payload_at+1,e.payload_len),CAST(?6 AS BLOB))>0),"                    \
                 "(SELECT w.status IS ?4 AND w.outcome IS ?5 FROM event_log w WHERE w.resource_id=?1 AND "        \
                 "w.resource_type IS ?2 AND w.endpoint=(SELECT id FROM endpoint WHERE name=?3) AND w.status IS NOT NULL " \
                 "ORDER BY w.created_ms DESC,w.seq DESC LIMIT 1) FROM event_log e WHERE e.resource_id=?1 AND "    \
                 "e.resource_type IS ?2 AND e.endpoint=(SELECT id FROM endpoint WHERE name=?3)")                  \
    X(SQL_FORGOTTEN, "SELECT id,detail FROM history WHERE id>?1 AND action='erase' AND detail IS NOT NULL ORDER BY id") \
    X(SQL_EMPTIED, "SELECT (SELECT max(e.received_ms) FROM event_log e WHERE e.erased_ms IS NOT NULL AND "        \
                   "NOT EXISTS(SELECT 1 FROM history h WHERE h.seq=e.seq AND h.action='erase')),"                 \
                   "EXISTS(SELECT 1 FROM history WHERE action='erase' AND seq IS NOT NULL AND detail IS NULL)")   \
    X(SQL_LOGGED, "SELECT 1 FROM event_log e JOIN endpoint n ON n.id=e.endpoint "                                 \
                  "WHERE e.seq=?1 AND e.created_ms=?2 AND n.name=?3")                                             \
    X(SQL_LOGGED_BODY, "SELECT e.body,e.event_id FROM event_log e JOIN endpoint n ON n.id=e.endpoint "            \
                       "WHERE e.seq=?1 AND e.created_ms=?2 AND n.name=?3 AND e.body IS NOT NULL")                 \
    X(SQL_WAITING, "SELECT 1 FROM inbox WHERE state=0 AND endpoint=?1 AND due_ms<=?2 LIMIT 1")                    \
    X(SQL_AHEAD, "SELECT 1 FROM inbox WHERE state=0 AND endpoint=?1 AND due_ms>?2 LIMIT 1")                       \
    X(SQL_HEAL, "UPDATE inbox SET due_ms=?3 WHERE state=0 AND endpoint=?1 AND due_ms>?2")                         \
    X(SQL_CLAIM, "UPDATE inbox SET state=CASE WHEN attempts>=?1 THEN 2 ELSE 0 END,"                               \
        "error=CASE WHEN token IS NULL THEN error ELSE '" STORE_LOST "'||"                                        \
        "CASE WHEN attempts>1 THEN ', '||attempts||' times' ELSE '' END END,"                                     \
        "attempts=attempts+1,token=?2,owner=?3,due_ms=?4 WHERE seq IN ("                                          \
        "SELECT i.seq FROM inbox i WHERE i.state=0 AND i.endpoint=?5 AND i.due_ms<=?6 "                           \
        "AND " STORE_SQL_WANTED("(SELECT e.type FROM event_log e WHERE e.seq=i.seq)")                             \
        " AND (NOT ?8 OR " STORE_SQL_FIRST ") "                                                                   \
        "ORDER BY i.due_ms,i.seq LIMIT ?9)")                                                                     \
    X(SQL_OVER, "SELECT i.seq FROM inbox i WHERE i.state=0 AND i.endpoint=?1 AND i.due_ms=?2 AND i.token=?3 AND " \
                "EXISTS(SELECT 1 " STORE_SQL_NEWER("i.seq") ")")                                                  \
    X(SQL_PASS, "UPDATE inbox SET state=1,token=NULL,done_ms=?3,error='superseded' "                              \
                "WHERE seq=?1 AND token=?2 AND state=0")                                                          \
    X(SQL_NEWER, "SELECT n.newer_seq,(SELECT e.created_ms FROM event_log e WHERE e.seq=n.newer_seq) "            \
                 STORE_SQL_NEWER("?1"))                                                                          \
    X(SQL_ABOUT, "SELECT e.created_ms,n.name,e.type,e.resource_type,e.resource_id FROM event_log e "              \
                 "JOIN endpoint n ON n.id=e.endpoint WHERE e.seq=?1")                                             \
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
                 "(SELECT min(e.received_ms) FROM inbox i CROSS JOIN event_log e ON e.seq=i.seq WHERE i.state=0)," \
                 "(SELECT count(*) FROM inbox WHERE state=0 AND due_ms>?1+86400000),"                             \
                 STORE_SQL_NEWEST ","                                                                             \
                 "max(coalesce((SELECT max(e.received_ms) FROM inbox i CROSS JOIN event_log e ON e.seq=i.seq "    \
                 "WHERE i.state=0),0),coalesce(" STORE_SQL_NEWEST ",0)),"                                        \
                 "(SELECT sum(length(e.body)) FROM inbox i JOIN event_log e ON e.seq=i.seq WHERE i.state=2),"     \
                 "(SELECT sum(length(body)) FROM quarantine)")                                                    \
    X(SQL_LIST_RECENT, STORE_SQL_EVENT " WHERE seq>?9 AND " STORE_SQL_FILTER)                                     \
    X(SQL_SELECT_OLDER, "SELECT seq FROM temp.events WHERE seq<=?9 AND " STORE_SQL_MATCH " ORDER BY seq LIMIT ?8")     \
    X(SQL_NEXT, "SELECT min(seq) FROM event_log WHERE seq>?1") \
    X(SQL_RISING, STORE_SQL_EVENT " WHERE seq>?9 AND seq<=?10 AND " STORE_SQL_MATCH " ORDER BY seq LIMIT ?8")     \
    X(SQL_TALLY_TYPE, "SELECT type,endpoint FROM event_log") /* of an index, without the bodies */                \
    X(SQL_TALLY_STATE, "SELECT count(*) FROM inbox WHERE state=?1 AND endpoint=?2")                               \
    X(SQL_TALLY_OLDEST, "SELECT min(e.received_ms) FROM inbox i CROSS JOIN event_log e ON e.seq=i.seq "           \
                        "WHERE i.state=0 AND i.endpoint=?1")                                                      \
    X(SQL_TALLY_LATEST, "SELECT max(coalesce((SELECT max(e.received_ms) FROM inbox i CROSS JOIN event_log e "     \
                        "ON e.seq=i.seq WHERE i.state=0 AND i.endpoint=?1),0),coalesce(" STORE_SQL_NEWEST ",0))") \
    X(SQL_TALLY_AHEAD, "SELECT count(*) FROM inbox WHERE state=0 AND endpoint=?1 AND due_ms>?2")                  \
    X(SQL_TALLY_DEAD_BYTES, "SELECT sum(length(e.body)) FROM inbox i CROSS JOIN event_log e ON e.seq=i.seq "       \
                            "WHERE i.state=2 AND i.endpoint=?1")                                                 \
    X(SQL_TALLY_LEASED, "SELECT count(token) FROM inbox WHERE state=0 AND endpoint=?1 AND due_ms>?2")             \
    X(SQL_TALLY_DELAYED, "SELECT count(*)-count(token) FROM inbox WHERE state=0 AND endpoint=?1 AND due_ms>?2")   \
    X(SQL_TALLY_QUARANTINE, "SELECT endpoint,count(*),sum(length(body)) FROM quarantine WHERE NOT " STORE_SQL_EMPTY  \
                            " AND last_ms>=?1 AND (?2=0 OR last_ms<?2) GROUP BY endpoint")                        \
    X(SQL_TALLY_TIME, "SELECT e.type,e.endpoint,i.state,e.seq,e.received_ms FROM event_log e "                    \
                      "LEFT JOIN inbox i ON i.seq=e.seq WHERE e.received_ms>=?1 AND (?2=0 OR e.received_ms<?2)")  \
    X(SQL_RECEIVED, "SELECT received_ms FROM event_log WHERE seq=?1")                                             \
    X(SQL_STANDING, "SELECT i.state,n.id,n.name,e.created_ms,e.erased_ms IS NOT NULL,e.body,i.due_ms,i.token IS NOT NULL " \
                    "FROM event_log e "                                                                           \
                    "JOIN endpoint n ON n.id=e.endpoint LEFT JOIN inbox i ON i.seq=e.seq WHERE e.seq=?1")         \
    X(SQL_REQUEUE, "UPDATE inbox SET state=0,attempts=0,token=NULL,done_ms=NULL,due_ms=?2 WHERE seq=?1")          \
    X(SQL_CHANGE_ACK, "UPDATE inbox SET state=1,token=NULL,done_ms=?2 WHERE seq=?1")                              \
    X(SQL_CHANGE_DEAD, "UPDATE inbox SET state=2,token=NULL,due_ms=?2 WHERE seq=?1")                              \
    X(SQL_ERASABLE, "SELECT i.state,n.name,e.created_ms,e.erased_ms IS NOT NULL,e.payload_at,e.payload_len,e.body," \
                    "e.resource_id,e.client_id FROM event_log e JOIN endpoint n ON n.id=e.endpoint "             \
                    "LEFT JOIN inbox i ON i.seq=e.seq WHERE e.seq=?1") \
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
    X(SQL_LOG, "SELECT e.seq,e.created_ms,e.received_ms,i.due_ms,i.done_ms,i.attempts,i.state,0,n.name,e.event_id," \
                "e.type,e.resource_type,e.resource_id,e.client_id,e.status,e.outcome," STORE_SQL_SOURCE ",s.name,"            \
                "lower(hex(e.signature)),NULL,i.owner,i.error,CASE WHEN e.body IS NOT NULL AND e.payload_at IS NOT " \
                 "NULL THEN substr(e.body,e.payload_at+1,e.payload_len) END,e.body,e.erased_ms,e.payload_sha256 " \
                "FROM event_log e LEFT JOIN endpoint n ON n.id=e.endpoint LEFT JOIN inbox i ON i.seq=e.seq "      \
                "LEFT JOIN secret s ON s.id=e.secret WHERE e.seq>?9 AND e.seq<=?10 AND (?1<0 OR i.state IS NULL OR " \
                "i.state=?1) AND (?2 IS NULL OR n.name=?2) AND (?3 IS NULL OR e.type=?3) AND "                    \
                "(?4 IS NULL OR e.resource_id=?4) AND (?5 IS NULL OR e.client_id=?5) AND e.received_ms>=?6 AND "  \
                "(?7=0 OR e.received_ms<?7) AND (?11 IS NULL OR s.name=?11) ORDER BY e.seq")                      \
    X(SQL_AUDIT, "SELECT e.seq,e.created_ms,e.received_ms,i.due_ms,i.done_ms,i.attempts,i.state,0,n.name,e.event_id," \
                 "e.type,e.resource_type,e.resource_id,e.client_id,e.status,e.outcome," STORE_SQL_SOURCE ",s.name,"           \
                 "lower(hex(e.signature)),NULL,i.owner,i.error,CASE WHEN e.body IS NOT NULL AND e.payload_at IS " \
                 "NOT NULL THEN substr(e.body,e.payload_at+1,e.payload_len) END,e.body,e.erased_ms,"              \
                 "e.payload_sha256,e.signature,e.payload_at,e.payload_len,"                                       \
                 "typeof(n.name)='text' AND e.endpoint IS (SELECT o.id FROM endpoint o WHERE o.name=n.name),"     \
                 "CASE WHEN e.secret IS NULL THEN e.source IN ('imported','accepted') ELSE s.endpoint IS e.endpoint END," \
                 "e.seq IS (SELECT o.seq FROM event_log o WHERE o.event_id=e.event_id AND o.type=e.type AND "     \
                 "o.endpoint=e.endpoint),i.seq IS NULL OR (i.endpoint IS e.endpoint AND "                         \
                 "typeof(i.token) IN ('text','null') AND (i.token IS NULL OR i.state=0) AND "                     \
                 "typeof(i.owner) IN ('text','null') AND typeof(i.error) IN ('text','null')) "                    \
                 "FROM event_log e LEFT JOIN endpoint n ON n.id=e.endpoint LEFT JOIN inbox i ON i.seq=e.seq "     \
                 "LEFT JOIN secret s ON s.id=e.secret WHERE e.seq>=?1 ORDER BY e.seq")                            \
    X(SQL_STRAYS, "SELECT count(*) FROM inbox i WHERE NOT EXISTS(SELECT 1 FROM event_log e WHERE e.seq=i.seq)")   \
    X(SQL_SOUND_SETTING, "SELECT count(*)=1 AND min(id=1 AND typeof(max_attempts)='integer' AND "                 \
                         "max_attempts BETWEEN 1 AND 1000000000000 AND typeof(lease_ms)='integer' AND "           \
                         "lease_ms BETWEEN 1 AND 1000000000000 AND typeof(backoff_ms)='integer' AND "             \
                         "backoff_ms BETWEEN 0 AND 1000000000000 AND typeof(created_ms)='integer' AND "           \
                         "created_ms>=0) FROM setting")                                                           \
    X(SQL_ENDPOINT_NAMES, "SELECT id,name,1 FROM endpoint NOT INDEXED")                                           \
    X(SQL_SECRET_NAMES, "SELECT s.id,s.name,n.id IS NOT NULL FROM secret s NOT INDEXED "                          \
                        "LEFT JOIN endpoint n ON n.id=s.endpoint")                                                \
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

/* What a struct store_query asks for; newest first. */
#define STORE_SQL_FILTER STORE_SQL_MATCH " AND seq<=?10 ORDER BY seq DESC LIMIT ?8"
#define STORE_SQL_MATCH                                                                                           \
    "(?1<0 OR state=?1) AND (?2 IS NULL OR endpoint=?2) AND (?3 IS NULL OR type=?3) AND "                         \
    "(?4 IS NULL OR resource_id=?4) AND (?5 IS NULL OR client_id=?5) AND received_ms>=?6 AND "                    \
    "(?7=0 OR received_ms<?7) AND (?11 IS NULL OR secret=?11)"

/* When the event with the highest number was received. */
#define STORE_SQL_NEWEST "(SELECT received_ms FROM event_log WHERE seq=(SELECT max(seq) FROM event_log))"

#define STORE_SQL_WANTED(type) "(?7 IS NULL OR instr(?7,'\n'||" type "||'\n'))"

/* Has the log many events of the resource of i? */
#define STORE_SQL_HOT                                                                                             \
    "(SELECT 1 FROM event_log e CROSS JOIN event_log o ON o.resource_id=e.resource_id "                           \
    "WHERE e.seq=i.seq LIMIT 1 OFFSET 16)"

/* Is the waiting event i the first of its resource, and none of that leased at ?6? A resource with few events is read from
 * the log; one with a long history from the waiting events, once for all candidates. If one of the first due events is of
 * such a resource, all are read so. A key of a waiting event sorts by time, then by number: both are raised to 19 digits. */
#define STORE_SQL_FIRST                                                                                           \
    "CASE WHEN (SELECT 1 FROM (SELECT f.seq FROM inbox f WHERE f.state=0 AND f.endpoint=?5 AND f.due_ms<=?6 "     \
    "ORDER BY f.due_ms,f.seq LIMIT ?9) i WHERE " STORE_SQL_HOT " LIMIT 1) OR " STORE_SQL_HOT " "                  \
    "THEN i.seq IN (SELECT substr(min(CASE WHEN " STORE_SQL_WANTED("e.type")                                      \
    " THEN (e.created_ms+1000000000000000000)||(e.seq+1000000000000000000) END),20)-1000000000000000000 "         \
    "FROM inbox b CROSS JOIN event_log e ON e.seq=b.seq WHERE b.state=0 AND b.endpoint=?5 "                       \
    "GROUP BY e.resource_type,e.resource_id,CASE WHEN e.resource_id IS NULL THEN e.seq END "                       \
    "HAVING NOT max(b.token IS NOT NULL AND b.due_ms>?6)) "                \
    "ELSE NOT EXISTS(SELECT 1 FROM event_log e "                                                                  \
    "CROSS JOIN event_log o ON o.resource_id=e.resource_id AND o.endpoint=e.endpoint "                            \
    "AND o.resource_type IS e.resource_type AND o.seq<>e.seq "                                                    \
    "CROSS JOIN inbox b ON b.seq=o.seq AND b.state=0 WHERE e.seq=i.seq "                                          \
    "AND ((b.token IS NOT NULL AND b.due_ms>?6) OR (" STORE_SQL_WANTED("o.type")                                  \
    " AND (o.created_ms<e.created_ms OR (o.created_ms=e.created_ms AND o.seq<e.seq))))) END"

/* What supersedes an event and is worked on: of types ?7, and neither dead nor ignored. */
#define STORE_SQL_NEWER(seq)                                                                                      \
    "FROM temp.newer n LEFT JOIN inbox b ON b.seq=n.newer_seq WHERE n.seq=" seq " AND "                                \
    "coalesce(b.state,0)<2 AND " STORE_SQL_WANTED("n.newer_type")

/* As the views have it; a source that such an event cannot have is seen. */
#define STORE_SQL_SOURCE                                                                                          \
    "CASE WHEN e.source='imported' AND e.event_id GLOB 'reconciled-*' THEN 'reconciled' ELSE e.source END"

/* A row of quarantine that was erased: what stays knows the delivery again, so that it is not taken in once more. */
#define STORE_SQL_EMPTY "(reason='erased' AND length(body)=0)"

/* The row of quarantine with this signature, by the table, whatever its index says; and the one of the body ?4. */
#define STORE_SQL_SIGNED(of, signed)                                                                              \
    "id=(SELECT q.id FROM quarantine q WHERE q.endpoint=" of " AND q.signature=" signed ") AND +endpoint=" of     \
    " AND +signature=" signed
#define STORE_SQL_DELIVERY(of, signed) STORE_SQL_SIGNED(of, signed) " AND id>0 AND (body=?4 OR " STORE_SQL_EMPTY ")"

#define STORE_SQL_PERSON                                                                                          \
    "(?2 IS NULL OR n.name=?2) AND (?3 IS NULL OR e.resource_id=?3) AND e.received_ms>=?4 AND "                   \
    "(?5=0 OR e.received_ms<?5)"

/* Is o an older event of the resource of e? */
#define STORE_SQL_OLDER                                                                                           \
    "o.resource_id=e.resource_id AND o.created_ms<=e.created_ms AND o.endpoint=e.endpoint "                       \
    "AND o.resource_type IS e.resource_type AND (o.created_ms<e.created_ms OR o.seq<e.seq)"

/* The columns in the order in which sqlite_event (read.c) takes them. */
#define STORE_SQL_EVENT                                                                                           \
    "SELECT seq,created_ms,received_ms,due_ms,done_ms,attempts,state,superseded,endpoint,event_id,type,"        \
    "resource_type,resource_id,client_id,status,outcome,source,secret,signature,created_at,owner,error,payload,"  \
    "body,(SELECT token IS NOT NULL FROM inbox i WHERE i.seq=events.seq) FROM temp.events"

/* ---- of copies, restores and migrations ---- */

/* A replaced database is attached as `old`: is it the one that the backup was made of? Only then does what it lacks tell
 * of what was decided since, and are its numbers ours. */
#define STORE_SQL_OLD_SAME "(SELECT created_ms FROM old.setting)=(SELECT created_ms FROM main.setting)"

#define STORE_SQL_KEEP(X)                                                                                         \
    X(SQL_SNAPSHOT, "BEGIN")                                                                                      \
    X(SQL_EXCLUSIVE, "BEGIN EXCLUSIVE")                                                                           \
    X(SQL_NO_FLUSH, "PRAGMA synchronous=OFF")                                                                     \
    X(SQL_NO_JOURNAL, "PRAGMA journal_mode=MEMORY")                                                               \
    X(SQL_IN_MEMORY, "PRAGMA temp_store=MEMORY")                                                                  \
    X(SQL_WIPE, "PRAGMA secure_delete=ON")                                                                        \
    X(SQL_APPLICATION, "PRAGMA application_id")                                                                   \
    X(SQL_VERSION, "PRAGMA user_version")                                                                         \
    X(SQL_PAGES, "PRAGMA page_count")                                                                             \
    X(SQL_PAGE_SIZE, "PRAGMA page_size")                                                                          \
    X(SQL_SOUND, "PRAGMA integrity_check(1)")                                                                     \
    X(SQL_NO_CHECKS, "PRAGMA ignore_check_constraints=ON")                                                        \
    X(SQL_CHECKS, "PRAGMA ignore_check_constraints=OFF")                                                          \
    X(SQL_SOUND_ENDPOINT, "PRAGMA integrity_check(endpoint)")                                                     \
    X(SQL_SOUND_SECRET, "PRAGMA integrity_check(secret)")                                                         \
    X(SQL_SOUND_LOG, "PRAGMA integrity_check(event_log)")                                                         \
    X(SQL_SOUND_INBOX, "PRAGMA integrity_check(inbox)")                                                           \
    X(SQL_SOUND_QUARANTINE, "PRAGMA integrity_check(quarantine)")                                                 \
    X(SQL_SOUND_COUNTER, "PRAGMA integrity_check(counter)")                                                       \
    X(SQL_HOLDS, "SELECT (SELECT count(*) FROM event_log),(SELECT coalesce(max(seq),0) FROM event_log),"          \
                 "(SELECT count(*) FROM inbox WHERE state=0),(SELECT count(*) FROM inbox WHERE state=2),"         \
                 "(SELECT count(*) FROM quarantine),"                                                             \
                 "(SELECT count(*) FROM inbox i WHERE NOT EXISTS(SELECT 1 FROM event_log e WHERE e.seq=i.seq))")  \
    X(SQL_BACKUP_TABLE, "CREATE TABLE backup(made_ms INTEGER NOT NULL,form TEXT NOT NULL,last_seq INTEGER NOT NULL)") \
    X(SQL_BACKUP_NEW, "INSERT INTO backup(made_ms,form,last_seq) VALUES(?1,?2,?3)")                               \
    X(SQL_BACKUP_FILES, "CREATE TABLE backup_file(seq INTEGER PRIMARY KEY,created_ms INTEGER NOT NULL,"           \
                        "endpoint TEXT NOT NULL,folder TEXT NOT NULL,name TEXT NOT NULL)")                        \
    X(SQL_BACKUP_FILE, "INSERT OR REPLACE INTO backup_file(seq,created_ms,endpoint,folder,name) "                 \
                       "VALUES(?1,?2,?3,?4,?5)")                                                                  \
    X(SQL_BACKUP_ORPHANS, "DELETE FROM backup_file WHERE NOT EXISTS(SELECT 1 FROM event_log e "                   \
                          "JOIN endpoint n ON n.id=e.endpoint WHERE e.seq=backup_file.seq "                       \
                          "AND e.created_ms=backup_file.created_ms AND n.name=backup_file.endpoint)")             \
    X(SQL_BACKUP_LISTED, "SELECT count(*) FROM backup_file")                                                      \
    X(SQL_BACKUP_LISTED_DEAD, "SELECT count(*) FROM backup_file WHERE folder='dead'")                             \
    X(SQL_BACKUP_SEQS, "SELECT seq FROM backup_file WHERE (folder='dead')=?1 ORDER BY seq")                       \
    X(SQL_BACKUP_INBOX, "INSERT INTO inbox(seq,endpoint,state,due_ms) SELECT e.seq,e.endpoint,"                   \
                        "CASE folder WHEN 'dead' THEN 2 ELSE 0 END,e.received_ms FROM backup_file f "             \
                        "JOIN event_log e ON e.seq=f.seq WHERE NOT EXISTS(SELECT 1 FROM inbox i WHERE i.seq=f.seq)") \
    X(SQL_BACKUP_DROP, "DROP TABLE IF EXISTS backup")                                                             \
    X(SQL_BACKUP_DROP_FILES, "DROP TABLE IF EXISTS backup_file")                                                  \
    X(SQL_FLOOR, "SELECT seq_floor FROM setting")                                                                 \
    X(SQL_FLOOR_SET, "UPDATE setting SET seq_floor=?1")                                                           \
    X(SQL_OBJECTS, "SELECT type,name,tbl_name,sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")       \
    X(SQL_LOOK, "SAVEPOINT look")                                                                                 \
    X(SQL_LOOKED, "RELEASE look")                                                                                 \
    X(SQL_SCHEMA, "SELECT type,name,sql FROM sqlite_master WHERE sql IS NOT NULL")                                \
    X(SQL_OBJECT, "SELECT sql FROM sqlite_master WHERE type=?1 AND name=?2")                                      \
    X(SQL_COLUMNS, "SELECT name,type,\"notnull\",dflt_value FROM pragma_table_info(?1)")                            \
    X(SQL_OLD_DETACH, "DETACH old")                                                                               \
    X(SQL_OLD_LAST, "SELECT coalesce(max(seq),0) FROM old.event_log")                                             \
    X(SQL_OLD_FLOOR, "SELECT seq_floor FROM old.setting")                                                         \
    X(SQL_OLD_ENDPOINTS, "INSERT INTO main.endpoint(name) SELECT name FROM old.endpoint o "                       \
        "WHERE NOT EXISTS(SELECT 1 FROM main.endpoint m WHERE m.name=o.name)")                                    \
    X(SQL_OLD_SECRETS, "INSERT INTO main.secret(endpoint,name) SELECT n.id,o.name FROM old.secret o "             \
        "JOIN old.endpoint p ON p.id=o.endpoint JOIN main.endpoint n ON n.name=p.name "                           \
        "WHERE NOT EXISTS(SELECT 1 FROM main.secret m WHERE m.endpoint=n.id AND m.name=o.name)")                  \
    X(SQL_OLD_CHUNK, "SELECT max(seq),count(*) FROM "                                                             \
        "(SELECT seq FROM old.event_log WHERE seq>?1 ORDER BY seq LIMIT 500)")                                    \
    X(SQL_OLD_MISSING, "SELECT o.seq,n.id,m.seq,o.erased_ms IS NOT NULL FROM old.event_log o "                    \
        "JOIN old.endpoint p ON p.id=o.endpoint JOIN main.endpoint n ON n.name=p.name "                           \
        "LEFT JOIN main.event_log m ON m.event_id=o.event_id AND m.type=o.type AND m.endpoint=n.id "              \
        "WHERE o.seq>?1 AND o.seq<=?2 AND (m.seq IS NULL OR (m.erased_ms IS NULL "                                \
        "AND (o.erased_ms IS NOT NULL OR o.signature IS NOT m.signature))) ORDER BY o.seq")                       \
    X(SQL_OLD_BRING, "INSERT OR REPLACE INTO main.event_log(seq,endpoint,event_id,type,resource_type,resource_id," \
        "client_id,status,outcome,created_ms,received_ms,source,secret,signature,erased_ms,payload_sha256,"       \
        "payload_at,payload_len,body) SELECT "                                                                    \
        "CASE WHEN ?3 IS NOT NULL THEN ?3 WHEN o.seq<1 OR o.seq>999999999999 OR " \
        "EXISTS(SELECT 1 FROM main.event_log m WHERE m.seq=o.seq) THEN NULL "                                     \
        "ELSE o.seq END,?2,o.event_id,o.type,o.resource_type,o.resource_id,o.client_id,o.status,o.outcome,"       \
        "o.created_ms,o.received_ms,o.source,(SELECT m.id FROM old.secret t JOIN main.secret m ON m.endpoint=?2 " \
        "AND m.name=t.name WHERE t.id=o.secret),o.signature,o.erased_ms,o.payload_sha256,o.payload_at,"           \
        "o.payload_len,o.body FROM old.event_log o WHERE o.seq=?1")                                               \
    X(SQL_OLD_INBOX, "INSERT OR REPLACE INTO main.inbox(seq,endpoint,state,due_ms,attempts,token,owner,done_ms,error) " \
        "SELECT ?2,?3,state,due_ms,attempts,token,owner,done_ms,error FROM old.inbox WHERE seq=?1")               \
    X(SQL_OLD_ERASED, "UPDATE main.inbox SET state=1,token=NULL,owner=NULL,error=NULL WHERE seq=?1 AND state<>3") \
    X(SQL_IS_ERASED, "SELECT erased_ms IS NOT NULL FROM event_log WHERE seq=?1")                                  \
    X(SQL_BROUGHT_TABLE, "CREATE TEMP TABLE brought(seq INTEGER PRIMARY KEY,old_seq INTEGER)")                    \
    X(SQL_BROUGHT, "INSERT INTO temp.brought(seq,old_seq) VALUES(?1,?2)")                                         \
    X(SQL_BROUGHT_SEQS, "SELECT seq FROM temp.brought b WHERE NOT EXISTS(SELECT 1 FROM main.inbox i "             \
        "WHERE i.seq=b.seq) AND EXISTS(SELECT 1 FROM main.event_log e WHERE e.seq=b.seq AND e.erased_ms IS NULL) " \
        "ORDER BY seq")                                                                                           \
    X(SQL_BROUGHT_FORGET, "DELETE FROM main.inbox WHERE state=0 AND seq IN (SELECT seq FROM temp.brought)")       \
    X(SQL_BROUGHT_AGAIN, "INSERT INTO main.inbox(seq,endpoint,state,due_ms,attempts,token,owner,done_ms,error) "  \
        "SELECT b.seq,(SELECT e.endpoint FROM main.event_log e WHERE e.seq=b.seq),o.state,o.due_ms,o.attempts,"   \
        "o.token,o.owner,o.done_ms,o.error FROM temp.brought b CROSS JOIN old.inbox o ON o.seq=b.old_seq "        \
        "WHERE NOT EXISTS(SELECT 1 FROM main.inbox i WHERE i.seq=b.seq)")                                         \
    X(SQL_OLD_QUARANTINE_GONE, "DELETE FROM main.quarantine WHERE " STORE_SQL_OLD_SAME " "                        \
        "AND NOT EXISTS(SELECT 1 FROM old.quarantine o "                                                          \
        "JOIN old.endpoint p ON p.id=o.endpoint JOIN main.endpoint n ON n.name=p.name "                           \
        "WHERE n.id=quarantine.endpoint AND o.signature=quarantine.signature)")                                   \
    X(SQL_OLD_QUARANTINE, "INSERT INTO main.quarantine(first_ms,last_ms,times,endpoint,secret,signature,reason,"  \
        "event_id,body) SELECT o.first_ms,o.last_ms,o.times,n.id,(SELECT m.id FROM old.secret t "                 \
        "JOIN main.secret m ON m.endpoint=n.id AND m.name=t.name WHERE t.id=o.secret),o.signature,o.reason,"      \
        "o.event_id,o.body FROM old.quarantine o JOIN old.endpoint p ON p.id=o.endpoint "                         \
        "JOIN main.endpoint n ON n.name=p.name WHERE NOT EXISTS(SELECT 1 FROM main.quarantine m "                 \
        "WHERE m.endpoint=n.id AND m.signature=o.signature) ORDER BY o.id")                                       \
    X(SQL_OLD_COUNTER, "INSERT OR REPLACE INTO main.counter(hour_ms,endpoint,secret,outcome,n,last_ms) "          \
        "SELECT o.hour_ms,coalesce(n.id,0),coalesce(t.id,0),o.outcome,o.n,o.last_ms FROM old.counter o "          \
        "LEFT JOIN old.endpoint p ON p.id=o.endpoint LEFT JOIN main.endpoint n ON n.name=p.name "                 \
        "LEFT JOIN old.secret s ON s.id=o.secret LEFT JOIN main.secret t ON t.endpoint=n.id AND t.name=s.name "   \
        "WHERE NOT EXISTS(SELECT 1 FROM main.counter m WHERE m.hour_ms=o.hour_ms "                                \
        "AND m.endpoint=coalesce(n.id,0) AND m.secret=coalesce(t.id,0) AND m.outcome=o.outcome AND m.n>=o.n)")    \
    X(SQL_OLD_HISTORY, "INSERT INTO main.history(at_ms,action,seq,from_state,to_state,n,os_user,sudo_user,host,"  \
        "reason,detail) SELECT at_ms,action,coalesce((SELECT m.seq FROM old.event_log e "                         \
        "JOIN old.endpoint p ON p.id=e.endpoint JOIN main.endpoint n ON n.name=p.name JOIN main.event_log m "     \
        "ON m.event_id=e.event_id AND m.type=e.type AND m.endpoint=n.id WHERE e.seq=o.seq),"                      \
        "CASE WHEN " STORE_SQL_OLD_SAME " THEN o.seq END),"                                                       \
        "from_state,to_state,n,os_user,sudo_user,host,reason,detail "                                             \
        "FROM old.history o WHERE NOT EXISTS(SELECT 1 FROM main.history m WHERE m.id=o.id AND m.at_ms=o.at_ms "   \
        "AND m.action=o.action) ORDER BY o.id")
/* clang-format on */

enum store_sql {
#define X(name, sql) name,
    STORE_SQL(X) STORE_SQL_KEEP(X)
#undef X
        STORE_SQL_COUNT
};

#endif
