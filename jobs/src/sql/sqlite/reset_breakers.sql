-- Forgets all that was said of breaker ?1, or of all where it is null.

-- step: votes
DELETE FROM circuit_breaker_votes WHERE ?1 IS NULL OR name = ?1

-- step: said
DELETE FROM circuit_breakers WHERE ?1 IS NULL OR name = ?1
