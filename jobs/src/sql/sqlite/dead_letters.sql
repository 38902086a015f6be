-- SQLite's lower() knows ASCII only: other letters must match in case.
-- Newest first. ?8: a letter to begin before or null, ?9: at most so many.

-- step: open
SELECT id, tenant_id, job_id, original_subject, kind, role, payload, error_code, error, attempts, created_at,
       resolved, resolution, resolved_by, resolved_at
FROM dlq_messages
WHERE tenant_id = ?1
  AND (?2 IS NULL OR id IN (SELECT unhex(value) FROM json_each(?2)))
  AND (?3 IS NULL OR kind = ?3)
  AND (?4 IS NULL OR original_subject = ?4)
  AND (?5 IS NULL OR instr(lower(error), lower(?5)) > 0)
  AND (?6 IS NULL OR created_at >= ?6)
  AND (?7 IS NULL OR created_at < ?7)
  AND NOT resolved
  AND id < COALESCE(?8, x'ffffffffffffffffffffffffffffffffff')
ORDER BY id DESC
LIMIT ?9

-- step: all
SELECT id, tenant_id, job_id, original_subject, kind, role, payload, error_code, error, attempts, created_at,
       resolved, resolution, resolved_by, resolved_at
FROM dlq_messages
WHERE tenant_id = ?1
  AND (?2 IS NULL OR id IN (SELECT unhex(value) FROM json_each(?2)))
  AND (?3 IS NULL OR kind = ?3)
  AND (?4 IS NULL OR original_subject = ?4)
  AND (?5 IS NULL OR instr(lower(error), lower(?5)) > 0)
  AND (?6 IS NULL OR created_at >= ?6)
  AND (?7 IS NULL OR created_at < ?7)
  AND id < COALESCE(?8, x'ffffffffffffffffffffffffffffffffff')
ORDER BY id DESC
LIMIT ?9
