-- A page of the entries of tenant ?1, newest first: up to ?8 that are numbered below ?2 and not below ?3. There are no
-- gaps, so that these bound what is looked at. Of ?4 action, ?5 actor, ?6 and ?7 not before and before, which may all
-- be null.
SELECT seq, payload, prev_hash, hash FROM audit_log
WHERE tenant_id = ?1 AND seq < ?2 AND seq >= ?3
  AND (?4 IS NULL OR action = ?4)
  AND (?5 IS NULL OR actor = ?5)
  AND (?6 IS NULL OR at >= ?6)
  AND (?7 IS NULL OR at < ?7)
ORDER BY seq DESC LIMIT ?8
