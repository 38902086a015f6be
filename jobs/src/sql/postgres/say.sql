-- What an operator says of breaker $1: $2 for $3 ms, because of $4, by $5. $6 the held clock.
INSERT INTO circuit_breakers (name, state, until, reason, set_by, updated_at)
VALUES ($1, $2, COALESCE($6, now()) + $3 * interval '1 millisecond', $4, $5, COALESCE($6, now()))
ON CONFLICT (name) DO UPDATE
SET state = excluded.state, until = excluded.until, reason = excluded.reason, set_by = excluded.set_by,
    updated_at = excluded.updated_at
