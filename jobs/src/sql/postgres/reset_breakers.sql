-- Forgets all that was said of breaker $1, or of all where it is null. Answers how much that was.
WITH votes AS (
    DELETE FROM circuit_breaker_votes WHERE $1::text IS NULL OR name = $1 RETURNING name
), said AS (
    DELETE FROM circuit_breakers WHERE $1::text IS NULL OR name = $1 RETURNING name
)
SELECT (SELECT count(*) FROM votes) + (SELECT count(*) FROM said)
