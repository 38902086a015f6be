-- Runs whose worker has been silent for $1 ms or is not known, up to $2; and forgets the
-- silent ones that hold nothing: those asked to drain $4 ms later, so that they drain still if they come
-- back. $3 the held clock.
WITH alive AS MATERIALIZED (
    SELECT id FROM workers WHERE heartbeat_at > COALESCE($3, now()) - $1 * interval '1 millisecond'
), forgotten AS (
    DELETE FROM workers w
    WHERE w.heartbeat_at <= COALESCE($3, now()) - $1 * interval '1 millisecond'
      AND (w.draining_at IS NULL OR w.heartbeat_at <= COALESCE($3, now()) - $4 * interval '1 millisecond')
      AND NOT EXISTS (SELECT 1 FROM running r WHERE r.worker_id = w.id)
)
SELECT r.id, r.run_lease, r.role, j.attempt + 1 AS attempt, j.max_attempts, j.lost
FROM running r JOIN jobs j ON j.id = r.id
WHERE r.worker_id NOT IN (SELECT id FROM alive)
LIMIT $2
