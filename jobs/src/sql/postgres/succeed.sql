-- The lean path: runs that succeeded. $1 ids, $2 leases, $3 results, $4 the held clock.
-- Answers a row for every run that still held its lease, one for every event told, and one
-- for every parent whose last child this was.
WITH freed AS (
    DELETE FROM running r
    USING unnest($1::uuid[], $2::bigint[], $3::text[]) AS e(id, run_lease, result)
    WHERE r.id = e.id AND r.run_lease = e.run_lease
    RETURNING r.id, r.run_lease, r.worker_id, r.started_at, e.result
), ended AS (
    UPDATE jobs j
    SET state = 'succeeded', attempt = j.attempt + 1, lost = 0, result = f.result::json,
        error_code = NULL, error_message = NULL, error_at = NULL,
        worker_id = f.worker_id, started_at = f.started_at, finished_at = COALESCE($4, now())
    FROM freed f WHERE j.id = f.id
    RETURNING j.id, f.run_lease, j.tenant_id, j.callback_url, j.parent_id, j.awaited
), told AS (
    INSERT INTO outbox (id, tenant_id, job_id, event, created_at)
    SELECT uuid_v7(), tenant_id, id, 'job.succeeded', COALESCE($4, now()) FROM ended
    WHERE callback_url IS NOT NULL
    RETURNING job_id
), counted AS (
    UPDATE jobs p
    SET pending_children = p.pending_children - c.ended,
        state = CASE WHEN p.pending_children = c.ended THEN 'queued' ELSE p.state END,
        run_at = CASE WHEN p.pending_children = c.ended THEN COALESCE($4, now()) ELSE p.run_at END
    FROM (SELECT parent_id, count(*)::integer AS ended FROM ended WHERE awaited GROUP BY parent_id) c
    WHERE p.id = c.parent_id AND p.state = 'waiting'
    RETURNING p.id, p.role, p.priority, p.state
), resumed AS (
    INSERT INTO ready (role, priority, id) SELECT role, priority, id FROM counted WHERE state = 'queued'
    RETURNING id, role
)
SELECT id, run_lease, 'succeeded' AS state, NULL AS role FROM ended
UNION ALL SELECT job_id, 0, 'told', NULL FROM told
UNION ALL SELECT id, 0, 'resumed', role FROM resumed
