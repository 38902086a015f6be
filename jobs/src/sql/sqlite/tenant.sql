SELECT id, weight, max_payload, max_result, sandbox_limits, suspended_at, created_at
FROM tenants WHERE id = ?1
