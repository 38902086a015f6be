-- The head of tenant ?1 that was signed last.
SELECT seq, hash, at, key, signature FROM audit_heads WHERE tenant_id = ?1 ORDER BY seq DESC LIMIT 1
