-- Newest first. $8 a letter to begin before or null, $9 at most so many.

-- step: open
SELECT id, tenant_id, job_id, original_subject, kind, role, payload::text AS payload, error_code, error, attempts,
       created_at, resolved, resolution, resolved_by, resolved_at
FROM dlq_messages
WHERE tenant_id = $1
  AND (cardinality($2::uuid[]) = 0 OR id = ANY ($2))
  AND ($3::text IS NULL OR kind = $3)
  AND ($4::text IS NULL OR original_subject = $4)
  AND ($5::text IS NULL OR position(lower($5) IN lower(error)) > 0)
  AND ($6::timestamptz IS NULL OR created_at >= $6)
  AND ($7::timestamptz IS NULL OR created_at < $7)
  AND NOT resolved
  AND id < COALESCE($8, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC
LIMIT $9

-- step: all
SELECT id, tenant_id, job_id, original_subject, kind, role, payload::text AS payload, error_code, error, attempts,
       created_at, resolved, resolution, resolved_by, resolved_at
FROM dlq_messages
WHERE tenant_id = $1
  AND (cardinality($2::uuid[]) = 0 OR id = ANY ($2))
  AND ($3::text IS NULL OR kind = $3)
  AND ($4::text IS NULL OR original_subject = $4)
  AND ($5::text IS NULL OR position(lower($5) IN lower(error)) > 0)
  AND ($6::timestamptz IS NULL OR created_at >= $6)
  AND ($7::timestamptz IS NULL OR created_at < $7)
  AND id < COALESCE($8, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC
LIMIT $9
