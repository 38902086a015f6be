-- $1 id, $2 fresh secret, $3 weight, $4 and $5 longest payload and result, $6 suspended, $7 the held clock.
INSERT INTO tenants (id, callback_secret, weight, max_payload, max_result, suspended_at, created_at)
VALUES ($1, $2, $3, $4, $5, CASE WHEN $6 THEN COALESCE($7, now()) END, COALESCE($7, now()))
ON CONFLICT (id) DO NOTHING
