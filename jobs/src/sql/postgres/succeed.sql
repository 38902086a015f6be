-- The lean path: runs that succeeded. $1 ids, $2 leases, $3 results, $4 the held clock,
-- $5 whether to count ended children off their parents: not where other ends follow in the
-- same transaction, which then counts once for all. Answers a row for every run that still
-- held its lease, one for every event told, and one for every parent of awaited children: how
-- many ended, and its role if it was counted and this was the last.
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
    RETURNING j.id, f.run_lease, j.tenant_id, j.kind, j.callback_url, j.parent_id, j.awaited
), heard AS (
    -- Looked up once for each tenant and not for each job: a batch is of few tenants.
    SELECT t.tenant_id FROM (SELECT DISTINCT tenant_id FROM ended) t
    WHERE EXISTS (SELECT FROM listeners l WHERE l.tenant_id IN (t.tenant_id, '') AND l.until > COALESCE($4, now()))
), told AS (
    INSERT INTO outbox (id, tenant_id, job_id, event, created_at)
    SELECT uuid_v7(), tenant_id, id, 'job.succeeded', COALESCE($4, now()) FROM ended
    WHERE callback_url IS NOT NULL
       -- What delivers events is none itself, or there would be no end of them.
       OR kind <> 'webhook.deliver' AND tenant_id IN (SELECT tenant_id FROM heard)
    UNION ALL
    -- The end of a task is told as such as well: who follows tasks need not know that they are jobs.
    SELECT uuid_v7(), tenant_id, id, 'task.completed', COALESCE($4, now()) FROM ended
    WHERE kind = 'task' AND (callback_url IS NOT NULL OR tenant_id IN (SELECT tenant_id FROM heard))
    RETURNING job_id
)
SELECT id, run_lease, 'succeeded' AS state, NULL AS role FROM ended
UNION ALL SELECT job_id, 0, 'told', NULL FROM told
UNION ALL SELECT parent_id, ended, 'awaited', CASE WHEN $5 THEN count_down(parent_id, ended, COALESCE($4, now())) END
FROM (SELECT parent_id, count(*) AS ended FROM ended WHERE awaited GROUP BY parent_id ORDER BY parent_id) c
-- Whether any queue is gated, and may have room now.
UNION ALL SELECT '00000000-0000-0000-0000-000000000000', 0, 'gated', NULL
WHERE EXISTS (SELECT 1 FROM queues WHERE gate_moved_at IS NOT NULL)
