-- What process ?1 finds of its dependencies, ?2: [[name, lasts in µs, opened, works], …], lasts null where it finds
-- nothing wrong; `works` says where it knows so on behalf of all. Its trials of them are over.

-- step: void
DELETE FROM circuit_breaker_votes
WHERE EXISTS (SELECT 1 FROM json_each(?2) AS f
              WHERE f.value ->> 0 = name AND f.value ->> 1 IS NULL AND (voter = ?1 OR f.value ->> 3))

-- step: outlived
-- ?1: until when a vote is not kept.
DELETE FROM circuit_breaker_votes WHERE until <= ?1

-- step: tried
-- ?2: names.
UPDATE circuit_breakers SET tried_by = NULL, tried_until = NULL
WHERE tried_by = ?1 AND name IN (SELECT value FROM json_each(?2))

-- step: silent
-- ?1: now.
DELETE FROM circuit_breakers WHERE (until IS NULL OR until <= ?1) AND (tried_until IS NULL OR tried_until <= ?1)

-- step: open
-- ?3: now.
INSERT INTO circuit_breaker_votes (name, voter, opened, until)
SELECT value ->> 0, ?1, value ->> 2, ?3 + (value ->> 1) FROM json_each(?2) WHERE value ->> 1 IS NOT NULL
ON CONFLICT (name, voter) DO UPDATE SET opened = excluded.opened, until = excluded.until
