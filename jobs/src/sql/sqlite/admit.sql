-- Lets parked jobs through, as far as their queues allow.

-- step: watched
-- The queues with a gate, and those whose gate was moved less than a minute ago. Those let through are few, and so
-- is what runs; but left to itself SQLite counts them in all that the role has, which is what is held back as well.
SELECT q.role, q.tenant_id, q.paused, q.max_running, q.gated, q.gate_moved_at, COALESCE(t.weight, 1) AS weight,
       (SELECT count(*) FROM ready r INDEXED BY ready_admitted
        WHERE r.role = q.role AND r.tenant_id = q.tenant_id AND r.admitted)
       + (SELECT count(*) FROM running r WHERE r.role = q.role AND r.tenant_id = q.tenant_id) AS through
FROM queues q LEFT JOIN tenants t ON t.id = q.tenant_id
WHERE q.gate_moved_at IS NOT NULL

-- step: taken_back
-- The last ?3 that were let through, beyond a quota.
UPDATE ready SET parked = 1, admitted = 0
WHERE id IN (SELECT id FROM ready INDEXED BY ready_admitted WHERE role = ?1 AND tenant_id = ?2 AND admitted
             ORDER BY priority DESC, fair_tag DESC, id DESC LIMIT ?3)

-- step: next
-- The first ?3 parked ones, and where the tag of each begins at the earliest.
SELECT p.id, p.priority, max(c.tag, COALESCE(l.tag, 0)) AS tag
FROM (SELECT id, priority FROM ready WHERE role = ?1 AND tenant_id = ?2 AND parked
      ORDER BY priority, id LIMIT ?3) AS p
CROSS JOIN lines c ON c.role = ?1 AND c.tenant_id = '' AND c.priority = p.priority
LEFT JOIN lines l ON l.role = ?1 AND l.tenant_id = ?2 AND l.priority = p.priority
ORDER BY p.priority, p.id

-- step: let
-- ?1: [[id, tag], …], ?2: whether their queue is gated still.
UPDATE ready SET parked = 0, admitted = ?2, fair_tag = e.tag
FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS tag FROM json_each(?1)) AS e
WHERE ready.id = e.id

-- step: charged
-- ?3: [[priority, tag], …]
INSERT INTO lines (role, tenant_id, priority, tag)
SELECT ?1, ?2, value ->> 0, value ->> 1 FROM json_each(?3) WHERE true
ON CONFLICT (role, tenant_id, priority) DO UPDATE SET tag = excluded.tag

-- step: opened
-- Nothing is left behind the gate. ?3: now.
UPDATE queues SET gated = 0, unswept = 0, gate_moved_at = ?3
WHERE role = ?1 AND tenant_id = ?2
  AND NOT EXISTS (SELECT 1 FROM ready WHERE role = ?1 AND tenant_id = ?2 AND parked)

-- step: forgotten
UPDATE queues SET gate_moved_at = NULL
WHERE role = ?1 AND tenant_id = ?2
  AND NOT EXISTS (SELECT 1 FROM ready WHERE role = ?1 AND tenant_id = ?2 AND parked)
