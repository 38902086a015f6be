-- Puts ended jobs back to work with fresh attempts, if they are in one of the states $4. Their
-- end was counted by whoever awaited them, so nobody awaits them any more. $1 ids, $2 a new
-- payload or null, $3 the held clock.
WITH again AS (
    UPDATE jobs
    SET state = 'queued', attempt = 0, lost = 0, awaited = false, result = NULL, progress = NULL,
        payload = COALESCE($2::json, payload), run_at = COALESCE($3, now()), finished_at = NULL
    WHERE id = ANY ($1::uuid[]) AND state = ANY ($4::text[])
    RETURNING id, role, tenant_id, priority
), renewed AS (
    -- What fresh attempts spend is spent anew.
    UPDATE budget_reservations b SET current = false FROM again a WHERE b.job_id = a.id AND b.current
), made_ready AS MATERIALIZED (
    SELECT make_ready(array_agg(id), array_agg(role), array_agg(tenant_id), array_agg(priority), false) FROM again
)
SELECT id, role FROM again CROSS JOIN made_ready
