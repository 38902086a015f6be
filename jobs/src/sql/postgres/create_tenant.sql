-- $1 id, $2 fresh secret, $3 weight, $4 and $5 longest payload and result, $6 sandbox limits, $7 suspended,
-- $8 the held clock.
INSERT INTO tenants (id, callback_secret, weight, max_payload, max_result, sandbox_limits, suspended_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6::json, CASE WHEN $7 THEN COALESCE($8, now()) END, COALESCE($8, now()))
ON CONFLICT (id) DO NOTHING
