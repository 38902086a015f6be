-- Jobs of whatever tenant, whole.
SELECT id, tenant_id, kind, role, state, priority, attempt, max_attempts, timeout_ms, payload, result, progress, metadata,
       callback_url, parent_id, error_code, error_message, error_at, worker_id, cancel_requested, run_at, created_at,
       started_at, finished_at, cost_micros, max_cost
FROM job_view
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
