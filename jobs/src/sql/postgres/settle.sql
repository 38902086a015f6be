-- Every end of a run but success. What each verdict means is decided by the caller and
-- comes as plain columns: the next state, the delay before it is due, whether the attempt
-- is spent. A run that was asked to stop ends as cancelled, unless it died anyway.
-- $1 ids, $2 leases, $3 states, $4 delays in ms (of a job that waits, how long at most, or 0), $5 attempt spent, $6 worker lost,
-- $7 the attempt's outcome for the record, $8 error codes, $9 error messages,
-- $10 checkpoints, $11 children awaited, $12 the held clock, $13 money needed. Answers as succeed.sql does;
-- parents are counted by the caller, with those of the batch's successes.
WITH freed AS (
    DELETE FROM running r
    USING unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::boolean[], $6::boolean[],
                 $7::text[], $8::text[], $9::text[], $10::text[], $11::integer[], $13::bigint[])
          AS e(id, run_lease, state, delay_ms, spent, lost, outcome, error_code, error_message, checkpoint, children,
               need)
    WHERE r.id = e.id AND r.run_lease = e.run_lease
    RETURNING r.id, r.run_lease, r.worker_id, r.started_at, COALESCE($12, now()) AS now,
              CASE WHEN r.cancel AND e.state <> 'dead' THEN 'cancelled' ELSE e.state END AS state,
              CASE WHEN r.cancel AND e.state <> 'dead' THEN 'cancelled' ELSE e.outcome END AS outcome,
              e.spent OR r.cancel AS spent, e.lost, e.delay_ms,
              e.error_code, e.error_message, e.checkpoint, e.children, e.need
), settled AS (
    UPDATE jobs j
    SET state = f.state,
        attempt = j.attempt + f.spent::integer,
        lost = CASE WHEN f.lost THEN j.lost + 1 ELSE 0 END,
        run_at = CASE WHEN f.state IN ('queued', 'retrying', 'scheduled')
                      THEN f.now + f.delay_ms * interval '1 millisecond' ELSE j.run_at END,
        error_code = COALESCE(f.error_code, j.error_code),
        error_message = COALESCE(f.error_message, j.error_message),
        error_at = CASE WHEN f.error_code IS NULL THEN j.error_at ELSE f.now END,
        checkpoint = COALESCE(f.checkpoint::json, j.checkpoint),
        pending_children = CASE WHEN f.state = 'waiting' THEN f.children ELSE 0 END,
        worker_id = f.worker_id,
        started_at = f.started_at,
        finished_at = CASE WHEN f.state IN ('dead', 'cancelled') THEN f.now END
    FROM freed f WHERE j.id = f.id
    RETURNING j.id, j.tenant_id, j.kind, j.role, j.state, j.priority, j.attempt, j.payload, j.run_at,
              j.callback_url, j.parent_id, j.awaited, f.run_lease, f.outcome, f.error_code, f.error_message,
              f.worker_id, f.started_at, f.now, f.need, f.delay_ms
), kept AS (
    INSERT INTO job_attempts (job_id, run_lease, attempt, outcome, error_code, error_message, worker_id,
                              started_at, finished_at)
    SELECT id, run_lease, attempt, outcome, error_code, error_message, worker_id, started_at, now
    FROM settled WHERE outcome IS NOT NULL
), made_ready AS MATERIALIZED (
    SELECT make_ready(array_agg(id), array_agg(role), array_agg(tenant_id), array_agg(priority), true)
    FROM settled WHERE state = 'queued'
), made_scheduled AS (
    INSERT INTO scheduled (id, run_at, role, priority, tenant_id)
    SELECT id, run_at, role, priority, tenant_id FROM settled WHERE state IN ('retrying', 'scheduled')
), unfunded AS (
    INSERT INTO budget_waits (job_id, tenant_id, need, since)
    SELECT id, tenant_id, need, now FROM settled WHERE state = 'waiting' AND need IS NOT NULL
    ON CONFLICT (job_id) DO UPDATE SET need = excluded.need, since = excluded.since
), bounded AS (
    INSERT INTO waits (job_id, started_at, until)
    SELECT id, started_at, now + delay_ms * interval '1 millisecond' FROM settled
    WHERE state = 'waiting' AND delay_ms > 0
    ON CONFLICT (job_id) DO UPDATE SET started_at = excluded.started_at, until = excluded.until
), buried AS (
    INSERT INTO dlq_messages (id, tenant_id, job_id, original_subject, kind, role, payload, error_code, error,
                              attempts, created_at)
    SELECT uuid_v7(), tenant_id, id, 'jobs.' || role || '.' || kind, kind, role, payload, error_code,
           error_message, attempt, now
    FROM settled WHERE state = 'dead'
), heard AS (
    -- Looked up once for each tenant and not for each job: a batch is of few tenants.
    SELECT t.tenant_id FROM (SELECT DISTINCT tenant_id FROM settled) t
    WHERE EXISTS (SELECT FROM listeners l WHERE l.tenant_id IN (t.tenant_id, '') AND l.until > COALESCE($12, now()))
), told AS (
    INSERT INTO outbox (id, tenant_id, job_id, event, created_at)
    SELECT uuid_v7(), tenant_id, id, 'job.' || state, now FROM settled
    WHERE state IN ('dead', 'cancelled')
      AND (callback_url IS NOT NULL
           OR kind <> 'webhook.deliver' AND tenant_id IN (SELECT tenant_id FROM heard))
    UNION ALL
    -- As in succeed.sql.
    SELECT uuid_v7(), tenant_id, id, 'task.failed', now FROM settled
    WHERE state = 'dead' AND kind = 'task'
      AND (callback_url IS NOT NULL OR tenant_id IN (SELECT tenant_id FROM heard))
    RETURNING job_id
)
SELECT id, run_lease, state, NULL AS role FROM settled CROSS JOIN made_ready
UNION ALL SELECT job_id, 0, 'told', NULL FROM told
UNION ALL SELECT parent_id, count(*), 'awaited', NULL FROM settled
WHERE awaited AND state IN ('dead', 'cancelled') GROUP BY parent_id
-- Whether any queue is gated, and may have room now.
UNION ALL SELECT '00000000-0000-0000-0000-000000000000', 0, 'gated', NULL
WHERE EXISTS (SELECT 1 FROM queues WHERE gate_moved_at IS NOT NULL)
