SELECT id, weight, max_payload, max_result, suspended_at, created_at FROM tenants WHERE id = ?1
