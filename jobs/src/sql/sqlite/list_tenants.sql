SELECT id, weight, max_payload, max_result, sandbox_limits,
    suspended_at, created_at FROM tenants
WHERE ?1 IS NULL OR id > ?1
ORDER BY id LIMIT ?2
