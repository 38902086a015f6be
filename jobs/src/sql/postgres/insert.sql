-- Records jobs, their idempotency keys and their place in the queue in one statement.
-- Answers the jobs that are new (and whether any of the batch was parked), and those whose queue
-- has a quota: these are left for the caller to count. Keys are taken in order, so that two batches which share some wait for each
-- other instead of locking each other out.
-- $18 whether a parent awaits these jobs, $19 the held clock, $20 whether they were counted.
WITH input AS MATERIALIZED (
    SELECT i.*, COALESCE(i.due_at, COALESCE($19, now()) + i.delay_ms * interval '1 millisecond',
                         COALESCE($19, now())) AS run_at
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::integer[],
                $8::bigint[], $9::timestamptz[], $10::bigint[], $11::text[], $12::text[], $13::uuid[],
                $14::text[], $15::text[], $16::bytea[], $21::text[], $22::bigint[])
         AS i(id, tenant_id, kind, role, priority, payload, max_attempts, timeout_ms, due_at, delay_ms,
              metadata, callback_url, parent_id, route, key, fingerprint, trace_context, max_cost)
), capped AS MATERIALIZED (
    SELECT q.role, q.tenant_id FROM (SELECT DISTINCT role, tenant_id FROM input WHERE NOT $20) i
    JOIN queues q ON q.role = i.role AND q.tenant_id = i.tenant_id
    WHERE q.max_queued IS NOT NULL
), counted AS MATERIALIZED (
    SELECT * FROM input i
    WHERE NOT EXISTS (SELECT 1 FROM capped c WHERE c.role = i.role AND c.tenant_id = i.tenant_id)
), keyed AS (
    INSERT INTO idempotency_keys AS k (tenant_id, route, key, fingerprint, job_id, created_at)
    SELECT tenant_id, route, key, fingerprint, id, COALESCE($19, now()) FROM counted
    WHERE key IS NOT NULL
    ORDER BY tenant_id, route, key
    ON CONFLICT (tenant_id, route, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, job_id = excluded.job_id, created_at = excluded.created_at
        WHERE k.created_at <= excluded.created_at - $17 * interval '1 second'
    RETURNING job_id
), accepted AS (
    INSERT INTO jobs (id, tenant_id, kind, role, state, priority, max_attempts, timeout_ms, payload, metadata,
                      callback_url, parent_id, trace_context, max_cost, awaited, run_at, created_at)
    SELECT id, tenant_id, kind, role,
           CASE WHEN run_at <= COALESCE($19, now()) THEN 'queued' ELSE 'scheduled' END,
           priority, max_attempts, timeout_ms, payload::json, metadata::json,
           callback_url, parent_id, trace_context, max_cost, $18, run_at, COALESCE($19, now())
    FROM counted
    WHERE key IS NULL OR id IN (SELECT job_id FROM keyed)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, tenant_id, role, state, priority, run_at, created_at
), made_ready AS MATERIALIZED (
    SELECT make_ready(array_agg(id), array_agg(role), array_agg(tenant_id), array_agg(priority), false) AS parked
    FROM accepted WHERE state = 'queued'
), made_scheduled AS (
    INSERT INTO scheduled (id, run_at, role, priority, tenant_id)
    SELECT id, run_at, role, priority, tenant_id FROM accepted WHERE state = 'scheduled'
)
SELECT a.id, a.run_at, a.created_at, m.parked FROM accepted a CROSS JOIN made_ready m
UNION ALL SELECT i.id, NULL, NULL, false FROM input i
JOIN capped c ON c.role = i.role AND c.tenant_id = i.tenant_id
