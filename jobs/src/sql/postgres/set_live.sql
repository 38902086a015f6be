-- $3 the version, $4 the held clock.
UPDATE functions SET live = $3, updated_at = COALESCE($4, now())
WHERE tenant_id = $1 AND name = $2 AND live IS NOT NULL
  AND EXISTS (SELECT 1 FROM function_versions v WHERE v.tenant_id = $1 AND v.name = $2 AND v.version = $3)
