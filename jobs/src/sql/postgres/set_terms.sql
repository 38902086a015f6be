-- Changes what is named. $1 id, $2 weight, $3 whether a longest payload is named, $4 which, $5 and $6 of results,
-- $7 sandbox limits, $8 suspended, $9 the held clock.
UPDATE tenants
SET weight = COALESCE($2, weight), max_payload = CASE WHEN $3 THEN $4 ELSE max_payload END,
    max_result = CASE WHEN $5 THEN $6 ELSE max_result END,
    sandbox_limits = COALESCE($7::json, sandbox_limits),
    suspended_at = CASE WHEN $8::boolean IS NULL THEN suspended_at WHEN $8 THEN COALESCE(suspended_at, $9, now()) END
WHERE id = $1
RETURNING id, weight, max_payload, max_result, sandbox_limits::text AS sandbox_limits,
    suspended_at, created_at
