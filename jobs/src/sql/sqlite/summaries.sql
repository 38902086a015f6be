-- Without payload and progress, and without results of more than ?2 bytes.
SELECT id, tenant_id, kind, role, state, priority, attempt, max_attempts, timeout_ms, 'null' AS payload,
       CASE WHEN octet_length(result) > ?2 THEN NULL ELSE result END AS result,
       COALESCE(octet_length(result) > ?2, 0) AS result_omitted,
       NULL AS progress, metadata, callback_url, parent_id, error_code, error_message, error_at, worker_id,
       cancel_requested, run_at, created_at, started_at, finished_at, cost_micros, max_cost, trace_context
FROM job_view
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
