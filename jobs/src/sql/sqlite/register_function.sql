-- Registers a version of function ?2 of tenant ?1.

-- step: before
-- What is on record of it. No row where there never was one.
SELECT live, last,
       (SELECT digest FROM function_versions v
        WHERE v.tenant_id = ?1 AND v.name = ?2 AND v.version = f.last) AS newest,
       (SELECT count(*) FROM function_versions v WHERE v.tenant_id = ?1 AND v.name = ?2) AS versions,
       (SELECT count(*) FROM functions o WHERE o.tenant_id = ?1 AND o.live IS NOT NULL) AS functions
FROM (SELECT 1) LEFT JOIN functions f ON f.tenant_id = ?1 AND f.name = ?2

-- step: version
-- ?3 its number, ?4 the definition, ?5 its digest, ?6 language, ?7 size, ?8 by whom, ?9 now.
INSERT INTO function_versions (tenant_id, name, version, definition, digest, language, size, created_by, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)

-- step: function
-- ?3 the newest version, ?4 the live one, ?5 an id, should there have been none of its name, ?6 now.
INSERT INTO functions (tenant_id, name, id, live, last, created_at, updated_at)
VALUES (?1, ?2, ?5, ?4, ?3, ?6, ?6)
ON CONFLICT (tenant_id, name) DO UPDATE
SET last = ?3, live = ?4, updated_at = ?6,
    id = CASE WHEN live IS NULL THEN ?5 ELSE id END,
    created_at = CASE WHEN live IS NULL THEN ?6 ELSE created_at END
