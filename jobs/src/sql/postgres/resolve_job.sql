-- Resolves the open dead letter of a job that is retried by hand. $3 the held clock.
UPDATE dlq_messages
SET resolved = true, resolution = 'replayed', resolved_by = $2, resolved_at = COALESCE($3, now())
WHERE job_id = $1 AND NOT resolved
