-- Newest first: ids are UUIDv7 and sort by time.
SELECT id, tenant_id, kind, role, state, priority, attempt, max_attempts, timeout_ms, payload, result, progress, metadata,
       callback_url, parent_id, error_code, error_message, error_at, worker_id, cancel_requested, run_at, created_at,
       started_at, finished_at, cost_micros
FROM job_view
WHERE tenant_id = ?1
  AND (?2 IS NULL OR kind = ?2)
  AND (?3 IS NULL OR role = ?3)
  AND (?4 IS NULL OR state = ?4)
  AND (?5 IS NULL OR created_at >= ?5)
  AND (?6 IS NULL OR created_at < ?6)
  AND id < COALESCE(?7, x'ffffffffffffffffffffffffffffffffff')
ORDER BY id DESC
LIMIT ?8
