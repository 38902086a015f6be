-- Moves ready rows of role ?1 to `running`. `jobs` is only read. Which, and under what leases, says the step
-- before these: one of the files in `claim/`, and `claimable.sql`.
-- The steps see the same rows: there is one writer. Leases are numbered in claim order, so
-- the claim's own are those from the first one on.

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
SELECT r.run_lease, r.started_at, j.id, j.tenant_id, j.kind, j.priority, j.attempt + 1 AS attempt, j.max_attempts,
       j.timeout_ms, j.payload, j.checkpoint, j.parent_id, j.trace_context, j.run_at
FROM running r CROSS JOIN jobs j ON j.id = r.id
WHERE r.run_lease >= ?1
ORDER BY r.run_lease
