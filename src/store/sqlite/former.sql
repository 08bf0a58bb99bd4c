-- SPDX-License-Identifier: MIT
-- Objects of the schema as a former release made them, 0.1.0, where schema.sql has them otherwise by now: for databases that
-- `migrate` has not met. Each stands as it stood there, to the byte.

CREATE VIEW same_change AS
SELECT o.seq AS seq, w.seq AS earlier_seq
  FROM event_log o
 CROSS JOIN event_log w ON w.resource_id = o.resource_id
   AND w.created_ms BETWEEN o.created_ms - 999 AND o.created_ms + 999
   AND w.endpoint = o.endpoint AND w.resource_type IS o.resource_type AND w.seq < o.seq
   AND substr(w.type, -8) <> '.deleted' AND substr(o.type, -8) <> '.deleted'
   AND substr(w.body, w.payload_at + 1, w.payload_len) = substr(o.body, o.payload_at + 1, o.payload_len);

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
       e.source AS source, s.name AS secret, lower(hex(e.signature)) AS signature,
       i.state AS state, i.done_ms AS done_ms, e.erased_ms AS erased_ms, e.body AS body
  FROM event_log e
  JOIN endpoint n ON n.id = e.endpoint
  LEFT JOIN inbox i ON i.seq = e.seq
  LEFT JOIN secret s ON s.id = e.secret;

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
       e.source AS source, s.name AS secret, lower(hex(e.signature)) AS signature
  FROM endpoint n
 CROSS JOIN inbox i ON i.endpoint = n.id
 CROSS JOIN event_log e ON e.seq = i.seq
  LEFT JOIN secret s ON s.id = e.secret
 WHERE i.state = 0
   AND i.due_ms <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 1
 ORDER BY i.due_ms, i.seq;

CREATE VIEW resource_state AS
SELECT n.name AS endpoint, e.resource_type AS resource_type, e.resource_id AS resource_id,
       e.client_id AS client_id, e.status AS status, e.outcome AS outcome, e.type AS type,
       e.event_id AS event_id, e.created_ms AS created_ms, e.seq AS seq
  FROM event_log e
  JOIN endpoint n ON n.id = e.endpoint
 WHERE e.resource_id IS NOT NULL
   AND (e.status IS NOT NULL OR substr(e.type, -8) = '.deleted'
        OR NOT (substr(e.type, 1, 6) = 'check.' OR substr(e.type, 1, 17) = 'workflow.session.'))
   AND NOT EXISTS (SELECT 1 FROM event_log w
                    WHERE w.resource_id = e.resource_id AND w.endpoint = e.endpoint
                      AND w.resource_type IS e.resource_type
                      AND (w.created_ms > e.created_ms OR (w.created_ms = e.created_ms AND w.seq > e.seq))
                      AND (w.status IS NOT NULL OR substr(w.type, -8) = '.deleted'
                           OR NOT (substr(w.type, 1, 6) = 'check.' OR substr(w.type, 1, 17) = 'workflow.session.')));
