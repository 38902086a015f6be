-- Jobs that wait for money go on once there is so much of it.

-- step: short
-- The accounts that somebody waits for. ?1 now.
SELECT w.tenant_id, b.total_limit, b.period, COALESCE(b.spent, 0) AS spent, COALESCE(b.reserved, 0) AS reserved,
       COALESCE(b.period_start, ?1) AS period_start, COALESCE(b.turn, 0) AS turn, COALESCE(b.told, 0) AS told,
       b.told_limit
FROM (SELECT DISTINCT tenant_id FROM budget_waits) w
LEFT JOIN budget_limits b ON b.tenant_id = w.tenant_id

-- step: funded
-- Up to ?2 jobs of the tenants and what their budgets have left, ?1: who waits the longest first, as many as it is
-- enough for. Whoever does not wait any more is forgotten.
DELETE FROM budget_waits WHERE job_id IN (
    SELECT job_id FROM (
        SELECT w.job_id, w.since, r.value ->> 1 AS room,
               sum(w.need) OVER (PARTITION BY w.tenant_id ORDER BY w.since, w.job_id) AS upto
        FROM json_each(?1) AS r CROSS JOIN budget_waits w
        WHERE w.tenant_id = r.value ->> 0 AND w.need <= r.value ->> 1)
    WHERE upto <= room ORDER BY since, job_id LIMIT ?2)
RETURNING job_id

-- step: resumed
-- ?1: ids, ?2: now.
UPDATE jobs SET state = 'queued', run_at = ?2
WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND state = 'waiting' AND pending_children = 0
RETURNING id, role, tenant_id, priority
