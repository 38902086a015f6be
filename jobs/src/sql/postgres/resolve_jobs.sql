-- Resolves the open dead letters of jobs $2 of tenant $1, which are put back to work by hand by $3.
-- $4 the held clock.
UPDATE dlq_messages
SET resolved = true, resolution = 'replayed', resolved_by = $3, resolved_at = COALESCE($4, now())
WHERE tenant_id = $1 AND job_id = ANY ($2::uuid[]) AND NOT resolved
