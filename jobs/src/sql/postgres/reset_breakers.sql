-- Forgets all that was said of breaker $1, or of all where it is null.
WITH votes AS (
    DELETE FROM circuit_breaker_votes WHERE $1::text IS NULL OR name = $1
)
DELETE FROM circuit_breakers WHERE $1::text IS NULL OR name = $1
