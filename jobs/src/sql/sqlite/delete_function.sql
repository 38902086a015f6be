-- Forgets a version of a function, or all of it.

-- step: found
-- Function ?2 of tenant ?1. ?3: the version or null, ?4: the kind that its jobs have: open ones are in one of
-- three tables, and a program never waits for children.
SELECT live, ?3 IS NULL OR EXISTS (
           SELECT 1 FROM function_versions v WHERE v.tenant_id = ?1 AND v.name = ?2 AND v.version = ?3) AS known,
       EXISTS (
           SELECT 1 FROM (
               SELECT id FROM ready WHERE role = 'sandbox' AND tenant_id = ?1
               UNION ALL SELECT id FROM scheduled WHERE tenant_id = ?1
               UNION ALL SELECT id FROM running WHERE tenant_id = ?1) o
           JOIN jobs j ON j.id = o.id
           WHERE j.kind = ?4 OR substr(j.kind, 1, length(?4) + 1) = ?4 || '@') AS busy
FROM functions WHERE tenant_id = ?1 AND name = ?2 AND live IS NOT NULL

-- step: versions
DELETE FROM function_versions WHERE tenant_id = ?1 AND name = ?2 AND (?3 IS NULL OR version = ?3)

-- step: function
UPDATE functions SET live = NULL WHERE tenant_id = ?1 AND name = ?2
