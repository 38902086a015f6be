-- What an operator says of breaker ?1: ?2 until ?3, because of ?4, by ?5. ?6 now.
INSERT INTO circuit_breakers (name, state, until, reason, set_by, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (name) DO UPDATE
SET state = excluded.state, until = excluded.until, reason = excluded.reason, set_by = excluded.set_by,
    updated_at = excluded.updated_at
