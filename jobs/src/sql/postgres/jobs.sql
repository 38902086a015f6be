-- Newest first: ids are UUIDv7 and sort by time.
SELECT id, tenant_id, kind, role, state, priority, attempt, max_attempts, timeout_ms, payload::text AS payload,
       result::text AS result, progress::text AS progress, metadata::text AS metadata, callback_url, parent_id,
       error_code, error_message, error_at, worker_id, cancel_requested, run_at, created_at, started_at,
       finished_at, cost_micros
FROM job_view
WHERE tenant_id = $1
  AND ($2::text IS NULL OR kind = $2)
  AND ($3::text IS NULL OR role = $3)
  AND ($4::text IS NULL OR state = $4)
  AND ($5::timestamptz IS NULL OR created_at >= $5)
  AND ($6::timestamptz IS NULL OR created_at < $6)
  AND ($7::uuid IS NULL OR id < $7)
ORDER BY id DESC
LIMIT $8
