-- Moves up to ?2 of the first ready rows of role ?1 to `running`. `jobs` is only read.
-- The steps see the same rows: there is one writer. Leases are numbered in claim order, so
-- the claim's own are those from the first one on.

-- step: leased
-- ?3: the worker, ?4: now.
INSERT INTO running (id, worker_id, role, started_at)
SELECT id, ?3, ?1, ?4 FROM ready WHERE role = ?1 ORDER BY priority, fair_tag, id LIMIT ?2

-- step: taken
DELETE FROM ready WHERE (role, priority, fair_tag, id) IN (
    SELECT role, priority, fair_tag, id FROM ready WHERE role = ?1 ORDER BY priority, fair_tag, id LIMIT ?2)

-- step: claimed
-- ?1: the first lease of this claim.
SELECT r.run_lease, r.started_at, j.id, j.tenant_id, j.kind, j.attempt + 1 AS attempt, j.max_attempts,
       j.timeout_ms, j.payload, j.checkpoint, j.parent_id, j.run_at
FROM running r CROSS JOIN jobs j ON j.id = r.id
WHERE r.run_lease >= ?1
ORDER BY r.run_lease
