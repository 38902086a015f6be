-- Up to ?1 keys that were taken at ?2 or before.
DELETE FROM idempotency_keys WHERE (tenant_id, route, key) IN (
    SELECT tenant_id, route, key FROM idempotency_keys WHERE created_at <= ?2 ORDER BY created_at LIMIT ?1)
