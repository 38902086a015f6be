-- Takes what a call may cost off the accounts of its job.

-- step: run
-- Run $2 of job $1, if it holds its lease, which it cannot lose before the commit; and the jobs above this one, itself
-- included, that have a limit of their own.
SELECT j.tenant_id, j.attempt + 1 AS attempt,
       ARRAY (WITH RECURSIVE above AS (
                  SELECT a.id, a.parent_id, a.max_cost FROM jobs a WHERE a.id = $1
                  UNION
                  SELECT p.id, p.parent_id, p.max_cost FROM above b JOIN jobs p ON p.id = b.parent_id)
              SELECT id FROM above WHERE max_cost IS NOT NULL ORDER BY id) AS trees
FROM running r JOIN jobs j ON j.id = r.id
WHERE r.id = $1 AND r.run_lease = $2
FOR KEY SHARE OF r

-- step: asked
-- The reservation of step $4, ask $5 and attempt $6: the first one of these, whose run is this one from now on.
-- Nothing is held yet. $1 id, $2 tenant, $3 job, $7 lease, $8 amount, $9 trees, $10 the held clock.
INSERT INTO budget_reservations AS b
    (id, tenant_id, job_id, step, reask, attempt, run_lease, amount, state, trees, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'released', $9, COALESCE($10, now()))
ON CONFLICT (job_id, step, reask, attempt) WHERE current DO UPDATE SET run_lease = excluded.run_lease
RETURNING id, amount, state

-- step: held
UPDATE budget_reservations SET state = 'held', amount = $2, trees = $3, dispatched_at = NULL WHERE id = $1
