-- Up to $3 signed heads of tenant $1, in order, those from number $2 on.
SELECT seq, hash, at, key, signature FROM audit_heads
WHERE tenant_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3
