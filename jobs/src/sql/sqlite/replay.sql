-- Puts the jobs of open dead letters back to work, each once: whoever comes second finds
-- the dead letter resolved.

-- step: picked
-- The oldest ?8 that match.
SELECT id, job_id FROM dlq_messages
WHERE tenant_id = ?1
  AND (?2 IS NULL OR id IN (SELECT unhex(value) FROM json_each(?2)))
  AND (?3 IS NULL OR kind = ?3 OR substr(kind, 1, length(?3) + 1) = ?3 || '@')
  AND (?4 IS NULL OR original_subject = ?4)
  AND (?5 IS NULL OR instr(lower(error), lower(?5)) > 0)
  AND (?6 IS NULL OR created_at >= ?6)
  AND (?7 IS NULL OR created_at < ?7)
  AND NOT resolved
  -- A message has no job to put back to work.
  AND job_id IS NOT NULL
ORDER BY id
LIMIT ?8

-- step: resolved
-- ?1: ids, ?2: by whom, ?3: now. Their jobs are requeued as retry.sql does.
UPDATE dlq_messages SET resolved = 1, resolution = 'replayed', resolved_by = ?2, resolved_at = ?3
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
