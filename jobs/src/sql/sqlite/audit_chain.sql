-- Up to ?3 entries of tenant ?1, in order, those after number ?2.
SELECT seq, payload, prev_hash, hash FROM audit_log
WHERE tenant_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3
