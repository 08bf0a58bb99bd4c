-- complycube-inbox, schema version 1: the contract with consumers (complycube-inbox(5)).
-- Every SQLite from 3.7.17 on must be able to parse this file: no WITHOUT ROWID, STRICT, generated columns,
-- partial or expression indexes, UPSERT or window functions. Within version 1 changes only add.
-- Times are integer milliseconds since the Epoch, UTC, in columns ending in _ms.

CREATE TABLE endpoint (
  id    INTEGER PRIMARY KEY,
  name  TEXT NOT NULL UNIQUE           -- as in the configuration: live, sandbox, ...
);

CREATE TABLE secret (
  id        INTEGER PRIMARY KEY,
  endpoint  INTEGER NOT NULL REFERENCES endpoint(id),
  name      TEXT NOT NULL,             -- the name only; the value never enters this file
  UNIQUE (endpoint, name)
);

-- The log of processed ids. Rows are never deleted: a captured delivery stays validly signed for ever.
CREATE TABLE event_log (
  seq            INTEGER PRIMARY KEY,  -- order of arrival; applications key on (event_id, type), never on this
  endpoint       INTEGER NOT NULL REFERENCES endpoint(id),
  event_id       TEXT NOT NULL,        -- opaque, 1 to 255 bytes
  type           TEXT NOT NULL,        -- opaque, 1 to 255 bytes; unknown types are data, not errors
  resource_type  TEXT,                 -- resourceType, as sent
  resource_id    TEXT,                 -- payload.id
  client_id      TEXT,                 -- payload.clientId, or the client's own id; emptied by erasure
  status         TEXT,                 -- payload.status
  outcome        TEXT,                 -- payload.outcome
  created_ms     INTEGER NOT NULL,     -- createdAt; received_ms where that cannot be read as a time
  received_ms    INTEGER NOT NULL,     -- when the receiver took it in
  source         TEXT NOT NULL DEFAULT 'received'
                 CHECK (source = 'received' OR source = 'spool' OR source = 'imported' OR source = 'accepted'),
  secret         INTEGER REFERENCES secret(id),  -- whose key matched
  signature      BLOB,                 -- the 32 bytes of the header, to verify again; emptied by erasure
  erased_ms      INTEGER,              -- when body, signature and personal columns were emptied
  payload_sha256 BLOB,                 -- set when erased, so that a replay stays a duplicate
  payload_at     INTEGER,              -- offset of the payload's text in body, in bytes; NULL: no payload
  payload_len    INTEGER,              -- its length in bytes
  body           BLOB,                 -- the exact bytes received; last, so that no column hides behind it
  UNIQUE (event_id, type, endpoint)
);
CREATE INDEX event_resource ON event_log (resource_id, created_ms);

-- What consumers work on: one narrow row for each event.
CREATE TABLE inbox (
  seq       INTEGER PRIMARY KEY REFERENCES event_log(seq),
  endpoint  INTEGER NOT NULL,          -- copied from event_log, for inbox_due
  state     INTEGER NOT NULL DEFAULT 0 CHECK (state = 0 OR state = 1 OR state = 2 OR state = 3),
                                       -- 0 waiting or leased, 1 done, 2 dead (gave up), 3 ignored type
  due_ms    INTEGER NOT NULL,          -- workable from here on; a lease is a due_ms in the future
  attempts  INTEGER NOT NULL DEFAULT 0,-- claims so far
  token     TEXT,                      -- of the claim that holds it
  owner     TEXT,                      -- who claimed it last
  done_ms   INTEGER,                   -- when it was acknowledged
  error     TEXT                       -- what the last nack said
);
CREATE INDEX inbox_due ON inbox (state, endpoint, due_ms);

-- Signed, but not a decodable event, or a known id with another payload. Kept until someone decides.
CREATE TABLE quarantine (
  id         INTEGER PRIMARY KEY,
  first_ms   INTEGER NOT NULL,         -- first arrival
  last_ms    INTEGER NOT NULL,         -- latest arrival
  times      INTEGER NOT NULL DEFAULT 1, -- deliveries of these very bytes
  endpoint   INTEGER NOT NULL REFERENCES endpoint(id),
  secret     INTEGER REFERENCES secret(id),
  signature  BLOB NOT NULL,            -- the 32 bytes of the header
  reason     TEXT NOT NULL,            -- what is wrong with it, in words
  event_id   TEXT,                     -- where one could be read
  body       BLOB NOT NULL,            -- the exact bytes received
  UNIQUE (endpoint, signature)
);

-- Figures per hour of what came rightly signed. What was refused is counted in a file beside this one.
CREATE TABLE counter (
  hour_ms   INTEGER NOT NULL,          -- start of the hour
  endpoint  INTEGER NOT NULL,
  secret    INTEGER NOT NULL,
  outcome   TEXT NOT NULL,             -- stored, duplicate, ignored, quarantined; refused: by the store, for a constraint
  n         INTEGER NOT NULL,
  last_ms   INTEGER NOT NULL,
  UNIQUE (hour_ms, endpoint, secret, outcome)
);

-- What all consumers of this inbox must agree on: one row.
CREATE TABLE setting (
  id            INTEGER PRIMARY KEY CHECK (id = 1),
  max_attempts  INTEGER NOT NULL DEFAULT 10,     -- claims before an event is dead
  lease_ms      INTEGER NOT NULL DEFAULT 300000, -- how long a claim holds
  backoff_ms    INTEGER NOT NULL DEFAULT 60000,  -- first delay after a nack, doubled each time
  created_ms    INTEGER NOT NULL,                -- when this database was made
  seq_floor     INTEGER                          -- after a restore: numbers of events begin above it
);

-- What was changed by hand: by the tool's verbs, which say who and why, or by plain SQL, of which the triggers tell.
-- Appended to only.
CREATE TABLE history (
  id          INTEGER PRIMARY KEY,
  at_ms       INTEGER NOT NULL,        -- when
  action      TEXT NOT NULL,           -- requeue, ack, dead, accept, drop, erase, prune, import, restore, ...; sql: plain SQL
  seq         INTEGER,                 -- the event; NULL where it was not one
  from_state  INTEGER,                 -- of inbox, before; NULL: it had none, or none changed
  to_state    INTEGER,                 -- and after
  n           INTEGER NOT NULL DEFAULT 1, -- how many were changed, where the row stands for many
  os_user     TEXT,                    -- who: the user of the operating system; NULL where plain SQL did it
  sudo_user   TEXT,                    -- who became that user by sudo
  host        TEXT,                    -- on which machine
  reason      TEXT,                    -- as it was given, with --reason
  detail      TEXT                     -- what else there is to say; never personal data
);
CREATE INDEX history_seq ON history (seq);

CREATE TRIGGER history_insert BEFORE INSERT ON history WHEN EXISTS (SELECT 1 FROM history h WHERE h.id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the table history is appended to only'); END;
CREATE TRIGGER history_update BEFORE UPDATE ON history
BEGIN SELECT RAISE(ABORT, 'the table history is appended to only'); END;
CREATE TRIGGER history_delete BEFORE DELETE ON history
BEGIN SELECT RAISE(ABORT, 'the table history is appended to only'); END;

-- What workers do by the contract (0 to 1, and 0 to 2 when the attempts are used up) is no change by hand.
CREATE TRIGGER inbox_state AFTER UPDATE OF state ON inbox
WHEN NEW.state <> OLD.state
 AND (OLD.state <> 0 OR NEW.state = 3 OR (NEW.state = 2 AND NEW.attempts < (SELECT max_attempts FROM setting)))
BEGIN
  INSERT INTO history (at_ms, action, seq, from_state, to_state)
  VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'sql', NEW.seq, OLD.state, NEW.state);
END;
CREATE TRIGGER inbox_delete AFTER DELETE ON inbox
BEGIN
  INSERT INTO history (at_ms, action, seq, from_state, detail)
  VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'sql', OLD.seq, OLD.state, 'removed from inbox');
END;
CREATE TRIGGER event_log_update AFTER UPDATE ON event_log
BEGIN
  INSERT INTO history (at_ms, action, seq, detail)
  VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'sql', OLD.seq, 'changed in event_log');
END;
CREATE TRIGGER event_log_delete AFTER DELETE ON event_log
BEGIN
  INSERT INTO history (at_ms, action, seq, detail)
  VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'sql', OLD.seq, 'removed from event_log');
END;
CREATE TRIGGER quarantine_update AFTER UPDATE OF endpoint, signature, event_id, body ON quarantine
BEGIN
  INSERT INTO history (at_ms, action, detail)
  VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'sql', 'changed in quarantine: number ' || OLD.id);
END;
CREATE TRIGGER quarantine_delete AFTER DELETE ON quarantine
BEGIN
  INSERT INTO history (at_ms, action, detail)
  VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'sql', 'removed from quarantine: number ' || OLD.id);
END;

-- Which event is superseded by which: of the same resource a strictly newer one is here, and both carry a status (checks
-- and workflow sessions), or the newer one is a deletion. Partial updates and unreadable times never supersede.
CREATE VIEW newer AS
SELECT o.seq AS seq, w.seq AS newer_seq, w.type AS newer_type
  FROM event_log o
 CROSS JOIN event_log w ON w.resource_id = o.resource_id AND w.created_ms > o.created_ms
   AND w.endpoint = o.endpoint AND w.resource_type IS o.resource_type
   AND w.created_ms <> w.received_ms
   AND (substr(w.type, -8) = '.deleted'
        OR (w.status IS NOT NULL AND substr(w.type, -8) <> '.updated' AND o.status IS NOT NULL
            AND (substr(w.type, 1, 6) = 'check.' OR substr(w.type, 1, 17) = 'workflow.session.')
            AND (substr(o.type, 1, 6) = 'check.' OR substr(o.type, 1, 17) = 'workflow.session.')));

-- Which events tell of one change, as check.completed and check.completed.clear: of the same resource, with the very same
-- payload text, made less than a second apart. Or the earlier one was made from the vendor's API (complycube-inbox reconcile)
-- at most an hour before: its body ends with the object's updatedAt, which the later payload holds. Only where there are such
-- events an hour is looked through. A deletion is always a change of its own.
CREATE VIEW same_change AS
SELECT o.seq AS seq, w.seq AS earlier_seq
  FROM event_log o
 CROSS JOIN event_log w ON w.resource_id = o.resource_id
   AND w.created_ms < o.created_ms + 1000
   AND w.created_ms > o.created_ms - ifnull((SELECT 3600000 FROM event_log WHERE event_id GLOB 'reconciled-*'), 1000)
   AND w.endpoint = o.endpoint AND w.resource_type IS o.resource_type AND w.seq < o.seq
   AND w.type NOT GLOB '*.deleted' AND o.type NOT GLOB '*.deleted'
   AND instr(substr(o.body, o.payload_at + 1, o.payload_len),
     CASE WHEN w.event_id GLOB 'reconciled-*' THEN substr(w.body, -40, 38)
     WHEN w.payload_len = o.payload_len AND w.created_ms > o.created_ms - 1000 THEN substr(w.body, w.payload_at + 1, w.payload_len) END);

-- Everything received that could be decoded, whatever its state.
CREATE VIEW events AS
SELECT e.seq AS seq, n.name AS endpoint, e.event_id AS event_id, e.type AS type,
       e.resource_type AS resource_type, e.resource_id AS resource_id, e.client_id AS client_id,
       e.status AS status, e.outcome AS outcome,
       strftime('%Y-%m-%dT%H:%M:%S', e.created_ms / 1000, 'unixepoch')
         || '.' || substr('00' || (e.created_ms % 1000), -3) || 'Z' AS created_at,
       e.created_ms AS created_ms, e.received_ms AS received_ms,
       CASE WHEN e.body IS NULL OR e.payload_at IS NULL THEN NULL
            ELSE CAST(substr(e.body, e.payload_at + 1, e.payload_len) AS TEXT) END AS payload,
       EXISTS (SELECT 1 FROM newer w WHERE w.seq = e.seq) AS superseded,
       coalesce((SELECT min(c.earlier_seq) FROM same_change c WHERE c.seq = e.seq), e.seq) AS change_seq,
       i.attempts AS attempts, i.due_ms AS due_ms, i.owner AS owner, i.error AS error,
       CASE WHEN event_id GLOB 'reconciled-*' THEN 'reconciled' ELSE source END AS source,
       s.name AS secret, lower(hex(e.signature)) AS signature,
       i.state AS state, i.done_ms AS done_ms, e.erased_ms AS erased_ms, e.body AS body
  FROM event_log e
  JOIN endpoint n ON n.id = e.endpoint
  LEFT JOIN inbox i ON i.seq = e.seq
  LEFT JOIN secret s ON s.id = e.secret;

-- What may be worked on now, in due order: add no ORDER BY. Name your endpoint: WHERE endpoint = 'live' LIMIT 20.
-- Spelled out, not built on events: CROSS JOIN makes any SQLite start from inbox, where few rows wait.
CREATE VIEW pending AS
SELECT e.seq AS seq, n.name AS endpoint, e.event_id AS event_id, e.type AS type,
       e.resource_type AS resource_type, e.resource_id AS resource_id, e.client_id AS client_id,
       e.status AS status, e.outcome AS outcome,
       strftime('%Y-%m-%dT%H:%M:%S', e.created_ms / 1000, 'unixepoch')
         || '.' || substr('00' || (e.created_ms % 1000), -3) || 'Z' AS created_at,
       e.created_ms AS created_ms, e.received_ms AS received_ms,
       CASE WHEN e.body IS NULL OR e.payload_at IS NULL THEN NULL
            ELSE CAST(substr(e.body, e.payload_at + 1, e.payload_len) AS TEXT) END AS payload,
       EXISTS (SELECT 1 FROM newer w WHERE w.seq = e.seq) AS superseded,
       coalesce((SELECT min(c.earlier_seq) FROM same_change c WHERE c.seq = e.seq), e.seq) AS change_seq,
       i.attempts AS attempts, i.due_ms AS due_ms, i.owner AS owner, i.error AS error,
       CASE WHEN event_id GLOB 'reconciled-*' THEN 'reconciled' ELSE source END AS source,
       s.name AS secret, lower(hex(e.signature)) AS signature
  FROM endpoint n
 CROSS JOIN inbox i ON i.endpoint = n.id
 CROSS JOIN event_log e ON e.seq = i.seq
  LEFT JOIN secret s ON s.id = e.secret
 WHERE i.state = 0
   AND i.due_ms <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 1
 ORDER BY i.due_ms, i.seq;

-- The newest event of each resource that tells its state: one with a status or a deletion, or, for what has no status
-- (clients, documents, addresses), any.
CREATE VIEW resource_state AS
SELECT n.name AS endpoint, e.resource_type AS resource_type, e.resource_id AS resource_id,
       e.client_id AS client_id, e.status AS status, e.outcome AS outcome, e.type AS type,
       e.event_id AS event_id, e.created_ms AS created_ms, e.seq AS seq
  FROM event_log e
  JOIN endpoint n ON n.id = e.endpoint
 WHERE e.resource_id IS NOT NULL
   AND (e.status IS NOT NULL OR e.type GLOB '*.deleted'
        OR NOT (e.type GLOB 'check.*' OR e.type GLOB 'workflow.session.*'))
   AND NOT EXISTS (SELECT 1 FROM event_log w
                    WHERE w.resource_id = e.resource_id AND w.endpoint = e.endpoint
                      AND w.resource_type IS e.resource_type
                      AND (w.created_ms > e.created_ms OR (w.created_ms = e.created_ms AND w.seq > e.seq))
                      AND (w.status IS NOT NULL OR w.type GLOB '*.deleted'
                           OR NOT (w.type GLOB 'check.*' OR w.type GLOB 'workflow.session.*')));

INSERT INTO setting (id, created_ms)
VALUES (1, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));
