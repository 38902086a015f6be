SELECT version, language, size, digest, created_by, created_at
FROM function_versions WHERE tenant_id = $1 AND name = $2
ORDER BY version DESC
