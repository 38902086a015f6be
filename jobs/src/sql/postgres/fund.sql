-- Jobs that wait for money go on once there is so much of it.

-- step: short
-- The accounts that somebody waits for, and the time. $1 the held clock.
SELECT w.tenant_id, b.total_limit, b.period, COALESCE(b.spent, 0) AS spent, COALESCE(b.reserved, 0) AS reserved,
       COALESCE(b.period_start, $1, now()) AS period_start, COALESCE(b.turn, 0) AS turn,
       COALESCE(b.told, 0::smallint) AS told, b.told_limit, COALESCE($1, now()) AS at
FROM (SELECT DISTINCT tenant_id FROM budget_waits) w
LEFT JOIN budget_limits b ON b.tenant_id = w.tenant_id

-- step: funded
-- Up to $3 jobs of the tenants $1, whose budgets have $2 left: who waits the longest first, as many as it is enough for.
-- Whoever does not wait any more is forgotten. $4 the held clock.
WITH room AS MATERIALIZED (
    SELECT tenant_id, room FROM unnest($1::text[], $2::bigint[]) AS r(tenant_id, room)
), fits AS MATERIALIZED (
    SELECT w.job_id, w.since, r.room, sum(w.need) OVER (PARTITION BY w.tenant_id ORDER BY w.since, w.job_id) AS upto
    FROM room r JOIN budget_waits w ON w.tenant_id = r.tenant_id AND w.need <= r.room
), gone AS (
    DELETE FROM budget_waits WHERE job_id = ANY (ARRAY (
        SELECT job_id FROM budget_waits
        WHERE job_id = ANY (ARRAY (SELECT job_id FROM fits WHERE upto <= room ORDER BY since, job_id LIMIT $3))
        FOR UPDATE SKIP LOCKED))
    RETURNING job_id
), resumed AS (
    UPDATE jobs j SET state = 'queued', run_at = COALESCE($4, now())
    FROM gone g WHERE j.id = g.job_id AND j.state = 'waiting' AND j.pending_children = 0
    RETURNING j.id, j.role, j.tenant_id, j.priority
), made_ready AS MATERIALIZED (
    SELECT make_ready(array_agg(id), array_agg(role), array_agg(tenant_id), array_agg(priority), true) FROM resumed
)
SELECT id, role FROM resumed CROSS JOIN made_ready
