-- Without payload and progress, and without results of more than $2 bytes.
SELECT id, tenant_id, kind, role, state, priority, attempt, max_attempts, timeout_ms, NULL AS payload,
       CASE WHEN octet_length(result::text) > $2 THEN NULL ELSE result::text END AS result,
       COALESCE(octet_length(result::text) > $2, false) AS result_omitted,
       NULL AS progress, metadata::text AS metadata, callback_url, parent_id,
       error_code, error_message, error_at, worker_id, cancel_requested, run_at, created_at, started_at,
       finished_at, cost_micros, max_cost, trace_context
FROM job_view WHERE id = ANY ($1::uuid[])
