-- Changes what is named. $1 id, $2 weight, $3 whether a longest payload is named, $4 which, $5 and $6 of results,
-- $7 suspended, $8 the held clock.
UPDATE tenants
SET weight = COALESCE($2, weight), max_payload = CASE WHEN $3 THEN $4 ELSE max_payload END,
    max_result = CASE WHEN $5 THEN $6 ELSE max_result END,
    suspended_at = CASE WHEN $7::boolean IS NULL THEN suspended_at WHEN $7 THEN COALESCE(suspended_at, $8, now()) END
WHERE id = $1
RETURNING id, weight, max_payload, max_result, suspended_at, created_at
