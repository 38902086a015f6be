-- What calls mean, in order: the version that is live where they name none. ?1: [[tenant, name, version], …]
SELECT CASE WHEN c.value ->> 2 IS NULL THEN f.live ELSE v.version END
FROM json_each(?1) AS c
LEFT JOIN functions f ON f.tenant_id = c.value ->> 0 AND f.name = c.value ->> 1
LEFT JOIN function_versions v
    ON v.tenant_id = c.value ->> 0 AND v.name = c.value ->> 1 AND v.version = c.value ->> 2
ORDER BY c.key
