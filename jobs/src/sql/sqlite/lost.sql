-- Runs whose worker is not known or was last heard at ?1 or before.

-- step: forgotten
-- Silent workers that hold nothing: those asked to drain only once they were last heard at ?2 or before,
-- so that they drain still if they come back.
DELETE FROM workers
WHERE heartbeat_at <= ?1 AND (draining_at IS NULL OR heartbeat_at <= ?2)
  AND NOT EXISTS (SELECT 1 FROM running r WHERE r.worker_id = workers.id)

-- step: lost
-- ?2: at most so many.
SELECT r.id, r.run_lease, r.role, j.attempt + 1 AS attempt, j.max_attempts, j.lost
FROM running r CROSS JOIN jobs j ON j.id = r.id
WHERE r.worker_id NOT IN (SELECT id FROM workers WHERE heartbeat_at > ?1)
ORDER BY r.run_lease
LIMIT ?2
