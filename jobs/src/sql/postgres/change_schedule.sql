-- Writes what its owner changed of schedule $2 of tenant $1, if it is as it was read (revision $3).
-- $10 the held clock.
UPDATE schedules
SET name = $4, cron = $5, time_zone = $6, catch_up = $7, submission = $8::json, next_slot = $9,
    revision = revision + 1, updated_at = COALESCE($10, now())
WHERE tenant_id = $1 AND id = $2 AND revision = $3
RETURNING id, tenant_id, name, cron, time_zone, catch_up, submission::text AS submission, revision, next_slot,
          last_slot, last_outcome, last_error, last_job_id, created_at, updated_at
