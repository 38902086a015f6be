-- Moves up to ?2 of the first ready rows of role ?1 to `running`. `jobs` is only read. What is
-- behind a gate without having been let through is passed over: it is about to be parked.
-- The steps see the same rows: there is one writer. Leases are numbered in claim order, so
-- the claim's own are those from the first one on.

-- step: leased
-- ?3: the worker, ?4: now.
INSERT INTO running (id, worker_id, role, tenant_id, started_at)
SELECT id, ?3, ?1, tenant_id, ?4 FROM ready
WHERE role = ?1 AND NOT parked
  AND (admitted OR tenant_id NOT IN (
      SELECT tenant_id FROM queues WHERE role = ?1 AND gated AND gate_moved_at IS NOT NULL))
  AND tenant_id NOT IN (SELECT tenant_id FROM queues WHERE role = ?1 AND paused AND gate_moved_at IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM queues WHERE role = ?1 AND tenant_id = '' AND paused)
ORDER BY priority, fair_tag, id LIMIT ?2

-- step: passed
-- The tag that was claimed last, for each priority. ?2: the first lease of this claim.
UPDATE lines SET tag = max(lines.tag, t.tag)
FROM (SELECT q.priority, max(q.fair_tag) AS tag FROM running r CROSS JOIN ready q ON q.id = r.id
      WHERE r.run_lease >= ?2 GROUP BY q.priority) AS t
WHERE lines.role = ?1 AND lines.tenant_id = '' AND lines.priority = t.priority

-- step: taken
-- ?1: the first lease of this claim.
DELETE FROM ready WHERE id IN (SELECT id FROM running WHERE run_lease >= ?1)

-- step: claimed
-- ?1: the first lease of this claim.
SELECT r.run_lease, r.started_at, j.id, j.tenant_id, j.kind, j.attempt + 1 AS attempt, j.max_attempts,
       j.timeout_ms, j.payload, j.checkpoint, j.parent_id, j.run_at
FROM running r CROSS JOIN jobs j ON j.id = r.id
WHERE r.run_lease >= ?1
ORDER BY r.run_lease
