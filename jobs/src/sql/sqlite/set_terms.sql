-- ?1 id, ?2 weight, ?3 and ?4 longest payload and result, ?5 suspended, ?6 now.
UPDATE tenants
SET weight = ?2, max_payload = ?3, max_result = ?4, suspended_at = CASE WHEN ?5 THEN COALESCE(suspended_at, ?6) END
WHERE id = ?1
