-- Gives up to ?8 open dead letters up, oldest first. ?9: by whom, ?10: now.
UPDATE dlq_messages SET resolved = 1, resolution = 'purged', resolved_by = ?9, resolved_at = ?10
WHERE id IN (
    SELECT id FROM dlq_messages
    WHERE tenant_id = ?1
      AND (?2 IS NULL OR id IN (SELECT unhex(value) FROM json_each(?2)))
      AND (?3 IS NULL OR kind = ?3 OR substr(kind, 1, length(?3) + 1) = ?3 || '@')
      AND (?4 IS NULL OR original_subject = ?4)
      AND (?5 IS NULL OR instr(lower(error), lower(?5)) > 0)
      AND (?6 IS NULL OR created_at >= ?6)
      AND (?7 IS NULL OR created_at < ?7)
      AND NOT resolved
    ORDER BY id
    LIMIT ?8)
RETURNING id
