-- Resolves up to $8 open dead letters, oldest first, each by one caller only.
-- $9 how, $10 by whom, $11 the held clock.
WITH picked AS (
    SELECT id FROM dlq_messages
    WHERE tenant_id = $1
      AND (cardinality($2::uuid[]) = 0 OR id = ANY ($2))
      AND ($3::text IS NULL OR kind = $3 OR left(kind, length($3) + 1) = $3 || '@')
      AND ($4::text IS NULL OR original_subject = $4)
      AND ($5::text IS NULL OR position(lower($5) IN lower(error)) > 0)
      AND ($6::timestamptz IS NULL OR created_at >= $6)
      AND ($7::timestamptz IS NULL OR created_at < $7)
      AND NOT resolved
      -- A message has no job to put back to work.
      AND (job_id IS NOT NULL OR $9 = 'purged')
    ORDER BY id
    LIMIT $8 FOR UPDATE SKIP LOCKED
)
UPDATE dlq_messages d
SET resolved = true, resolution = $9, resolved_by = $10, resolved_at = COALESCE($11, now())
FROM picked p WHERE d.id = p.id
RETURNING d.id, d.job_id
