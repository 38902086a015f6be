-- What process $1 finds of the dependencies $2: open for $3 ms, opened $4 times in a row; $3 is null where it finds
-- nothing wrong, and $5 says where it knows so on behalf of all. Its trials of them are over. $6 ms a vote is kept
-- after its time, $7 the held clock.
WITH found AS MATERIALIZED (
    SELECT f.name, f.lasts_ms, f.opened, f.works, COALESCE($7, now()) AS now
    FROM unnest($2::text[], $3::bigint[], $4::integer[], $5::bool[]) AS f(name, lasts_ms, opened, works)
), void AS (
    DELETE FROM circuit_breaker_votes v USING found f
    WHERE v.name = f.name AND f.lasts_ms IS NULL AND (v.voter = $1 OR f.works)
), outlived AS (
    -- A row that is voted for again is none of these.
    DELETE FROM circuit_breaker_votes v
    WHERE v.until <= COALESCE($7, now()) - $6 * interval '1 millisecond'
      AND NOT EXISTS (SELECT 1 FROM found f WHERE f.name = v.name)
), tried AS (
    UPDATE circuit_breakers b SET tried_by = NULL, tried_until = NULL
    FROM found f
    WHERE b.name = f.name AND b.tried_by = $1 AND b.until > f.now
), silent AS (
    DELETE FROM circuit_breakers b
    WHERE (b.until IS NULL OR b.until <= COALESCE($7, now()))
      AND (b.tried_until IS NULL OR b.tried_until <= COALESCE($7, now())
           OR b.tried_by = $1 AND EXISTS (SELECT 1 FROM found f WHERE f.name = b.name))
)
INSERT INTO circuit_breaker_votes (name, voter, opened, until)
SELECT name, $1, opened, now + lasts_ms * interval '1 millisecond' FROM found WHERE lasts_ms IS NOT NULL
ORDER BY name
ON CONFLICT (name, voter) DO UPDATE SET opened = excluded.opened, until = excluded.until
