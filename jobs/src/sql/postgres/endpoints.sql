-- Oldest first. $1 the tenant, $2 one id or null for all, $3 the held clock.
SELECT id, tenant_id, url, description, events, kinds, format, thin, failing_since, disabled_at, disabled_reason,
       CASE WHEN old_secret_until > COALESCE($3, now()) THEN old_secret_until END AS old_secret_until,
       created_at, updated_at
FROM webhook_endpoints WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id = $2)
ORDER BY id
