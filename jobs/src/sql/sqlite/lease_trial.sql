-- Lets process ?1 alone try dependency ?2 until ?3, unless another does. ?4 now.
INSERT INTO circuit_breakers AS b (name, tried_by, tried_until, updated_at) VALUES (?2, ?1, ?3, ?4)
ON CONFLICT (name) DO UPDATE
SET tried_by = excluded.tried_by, tried_until = excluded.tried_until, updated_at = excluded.updated_at
WHERE b.tried_until IS NULL OR b.tried_until <= excluded.updated_at OR b.tried_by = excluded.tried_by
