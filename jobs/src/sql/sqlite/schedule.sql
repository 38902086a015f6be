-- One schedule of tenant ?1, by id (?2) or by name (?3): the other one is null.
SELECT id, tenant_id, name, cron, time_zone, catch_up, submission, revision, next_slot,
       last_slot, last_outcome, last_error, last_job_id, created_at, updated_at
FROM schedules WHERE tenant_id = ?1 AND (id = ?2 OR name = ?3)
