-- Jobs that wait go on now: those of $1 whose last run began when $2 says, or whichever it was where that is null.
-- What they waited for is not counted any more when it ends, but for a child that ends this very moment and is
-- passed over here, so as not to wait for it while holding its parent. $3 the held clock.
WITH asked AS MATERIALIZED (
    SELECT j.id FROM unnest($1::uuid[], $2::timestamptz[]) AS a(id, started_at)
    JOIN jobs j ON j.id = a.id
    WHERE j.state = 'waiting' AND (a.started_at IS NULL OR j.started_at = a.started_at)
    ORDER BY j.id
    FOR NO KEY UPDATE OF j
), resumed AS (
    UPDATE jobs j SET state = 'queued', pending_children = 0, run_at = COALESCE($3, now())
    FROM asked a WHERE j.id = a.id
    RETURNING j.id, j.role, j.tenant_id, j.priority
), loosed AS (
    UPDATE jobs SET awaited = false WHERE id = ANY (ARRAY (
        SELECT c.id FROM jobs c JOIN resumed r ON c.parent_id = r.id
        WHERE c.awaited AND c.finished_at IS NULL
        FOR NO KEY UPDATE OF c SKIP LOCKED))
), made_ready AS MATERIALIZED (
    SELECT make_ready(array_agg(id), array_agg(role), array_agg(tenant_id), array_agg(priority), true) FROM resumed
)
SELECT id, role FROM resumed CROSS JOIN made_ready
