-- What calls mean, in order: the version that is live where they name none. $1 tenants, $2 names, $3 versions.
SELECT CASE WHEN c.version IS NULL THEN f.live ELSE v.version END
FROM unnest($1::text[], $2::text[], $3::integer[]) WITH ORDINALITY AS c(tenant_id, name, version, place)
LEFT JOIN functions f ON f.tenant_id = c.tenant_id AND f.name = c.name
LEFT JOIN function_versions v ON v.tenant_id = c.tenant_id AND v.name = c.name AND v.version = c.version
ORDER BY c.place
