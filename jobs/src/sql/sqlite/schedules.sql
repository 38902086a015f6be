-- The schedules of tenant ?1, newest first: at most ?3, those before ?2.
SELECT id, tenant_id, name, cron, time_zone, catch_up, submission, revision, next_slot,
       last_slot, last_outcome, last_error, last_job_id, created_at, updated_at
FROM schedules
WHERE tenant_id = ?1 AND (?2 IS NULL OR id < ?2)
ORDER BY id DESC
LIMIT ?3
