SELECT id, weight, max_payload, max_result, sandbox_limits::text AS sandbox_limits,
    suspended_at, created_at FROM tenants
WHERE $1::text IS NULL OR id > $1
ORDER BY id LIMIT $2
