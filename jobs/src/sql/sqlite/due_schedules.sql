-- Schedules whose next slot has come by ?1, the longest overdue first, at most ?2. Those that are paused
-- have none, and those of suspended tenants wait.
SELECT id, tenant_id, name, cron, time_zone, catch_up, submission, revision, next_slot,
       last_slot, last_outcome, last_error, last_job_id, created_at, updated_at
FROM schedules
WHERE next_slot <= ?1
  AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = schedules.tenant_id AND t.suspended_at IS NOT NULL)
ORDER BY next_slot, id
LIMIT ?2
