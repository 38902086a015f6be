-- Lets parked jobs through, as far as their queues allow.

-- step: watched
-- The queues with a gate, and those whose gate was open for less than a minute.
SELECT q.role, q.tenant_id, q.paused, q.max_running, q.gated, q.gate_moved_at, q.last_tag, q.weight,
       (SELECT count(*) FROM ready r WHERE r.role = q.role AND r.tenant_id = q.tenant_id AND r.admitted)
       + (SELECT count(*) FROM running r WHERE r.role = q.role AND r.tenant_id = q.tenant_id) AS through
FROM queues q WHERE q.gate_moved_at IS NOT NULL

-- step: park
-- Up to ?3 jobs of tenant ?2 in role ?1 that were ready when the gate closed, or let through before
-- the queue was paused (?4). Claims pass over them already.
UPDATE ready SET parked = 1, admitted = 0
WHERE id IN (SELECT id FROM ready WHERE role = ?1 AND NOT parked AND (?4 OR NOT admitted) AND tenant_id = ?2 LIMIT ?3)

-- step: next
-- The first ?3 parked ones, and where the tag of each begins.
SELECT p.id, p.priority,
       COALESCE((SELECT fair_tag FROM ready WHERE role = ?1 AND NOT parked AND priority = p.priority
                 ORDER BY fair_tag, id LIMIT 1),
                (SELECT last_tag FROM queues WHERE role = ?1 AND tenant_id = '')) AS next
FROM (SELECT id, priority FROM ready WHERE role = ?1 AND tenant_id = ?2 AND parked
      ORDER BY priority, id LIMIT ?3) AS p

-- step: let
-- ?1: [[id, tag], …], ?2: whether their queue is gated still.
UPDATE ready SET parked = 0, admitted = ?2, fair_tag = e.tag
FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS tag FROM json_each(?1)) AS e
WHERE ready.id = e.id

-- step: charged
UPDATE queues SET last_tag = ?3 WHERE role = ?1 AND tenant_id = ?2

-- step: opened
-- Nothing is left behind the gate. ?3: now.
UPDATE queues SET gated = 0, gate_moved_at = ?3
WHERE role = ?1 AND tenant_id = ?2
  AND NOT EXISTS (SELECT 1 FROM ready WHERE role = ?1 AND tenant_id = ?2 AND parked)

-- step: forgotten
UPDATE queues SET gate_moved_at = NULL WHERE role = ?1 AND tenant_id = ?2
