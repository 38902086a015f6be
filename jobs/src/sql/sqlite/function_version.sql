SELECT v.version, v.language, v.size, v.digest, v.created_by, v.created_at, v.definition,
       COALESCE(f.live = v.version, 0) AS live
FROM function_versions v
LEFT JOIN functions f ON f.tenant_id = v.tenant_id AND f.name = v.name
WHERE v.tenant_id = ?1 AND v.name = ?2 AND v.version = ?3
