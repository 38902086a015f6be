-- The message of letter $2 of tenant $1 became the job $3 after all, because $4 asked for it. $5 the held clock.
UPDATE dlq_messages
SET job_id = $3, resolved = true, resolution = 'replayed', resolved_by = $4, resolved_at = COALESCE($5, now())
WHERE tenant_id = $1 AND id = $2 AND job_id IS NULL AND NOT resolved
