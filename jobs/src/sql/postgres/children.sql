SELECT id, tenant_id, kind, role, state, priority, attempt, max_attempts, timeout_ms, payload::text AS payload,
       result::text AS result, progress::text AS progress, metadata::text AS metadata, callback_url, parent_id,
       error_code, error_message, error_at, worker_id, cancel_requested, run_at, created_at, started_at,
       finished_at, cost_micros, max_cost
FROM job_view WHERE parent_id = $1 ORDER BY created_at, id
