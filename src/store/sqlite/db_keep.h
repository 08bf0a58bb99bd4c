/* SPDX-License-Identifier: MIT
 *
 * db_keep: more statements of db.h, in the same form: those of copies, restores and migrations.
 */
#ifndef DB_KEEP_H
#define DB_KEEP_H

/* clang-format off */
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
    X(SQL_OBJECT, "SELECT sql FROM sqlite_master WHERE type=?1 AND name=?2")                                      \
    X(SQL_COLUMNS, "SELECT name,type,\"notnull\",dflt_value FROM pragma_table_info(?1)")                            \
    X(SQL_OLD_ATTACH, "ATTACH ?1 AS old")                                                                         \
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

#endif
