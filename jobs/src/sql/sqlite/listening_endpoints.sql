-- Those that take events, of the tenants ?1. ?2 now.
SELECT id, tenant_id, url, description, events, kinds, format, thin, failing_since, disabled_at, disabled_reason,
       CASE WHEN old_secret_until > ?2 THEN old_secret_until END AS old_secret_until,
       created_at, updated_at
FROM webhook_endpoints WHERE tenant_id IN (SELECT value FROM json_each(?1)) AND disabled_at IS NULL
ORDER BY id
