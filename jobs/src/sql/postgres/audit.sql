-- Entries of the chain of tenant $1; '' is the installation's own.

-- step: held
-- Where the chain ends, held until the commit: entries are added one after the other. $2 zeros, $3 the held clock.
-- The time is read once the row is held, so that times grow with the numbers.
INSERT INTO audit_chains AS c (tenant_id, seq, hash) VALUES ($1, 0, $2)
ON CONFLICT (tenant_id) DO UPDATE SET seq = c.seq
RETURNING seq, hash, COALESCE($3, clock_timestamp()) AS at

-- step: added
-- $2 numbers, $3 payloads, $4 and $5 hashes before and of these, $6 the time, $7 actions, $8 actors.
INSERT INTO audit_log (tenant_id, seq, payload, prev_hash, hash, at, action, actor)
SELECT $1, seq, payload::json, prev_hash, hash, $6, action, actor
FROM unnest($2::bigint[], $3::text[], $4::bytea[], $5::bytea[], $7::text[], $8::text[])
    AS e(seq, payload, prev_hash, hash, action, actor)

-- step: ended
-- $2 the last number, $3 its hash, $4 the time.
UPDATE audit_chains SET seq = $2, hash = $3, unsigned_since = COALESCE(unsigned_since, $4) WHERE tenant_id = $1
