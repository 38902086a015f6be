-- Lets process $1 alone try dependency $2 for $3 ms, unless another does. $4 the held clock.
INSERT INTO circuit_breakers AS b (name, tried_by, tried_until, updated_at)
VALUES ($2, $1, COALESCE($4, now()) + $3 * interval '1 millisecond', COALESCE($4, now()))
ON CONFLICT (name) DO UPDATE
SET tried_by = excluded.tried_by, tried_until = excluded.tried_until, updated_at = excluded.updated_at
WHERE b.tried_until IS NULL OR b.tried_until <= excluded.updated_at OR b.tried_by = excluded.tried_by
