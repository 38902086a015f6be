-- Entries of the chain of tenant ?1; '' is the installation's own.

-- step: held
-- Where the chain ends; nobody else writes meanwhile.
SELECT seq, hash FROM audit_chains WHERE tenant_id = ?1

-- step: added
-- ?2 number, ?3 payload, ?4 and ?5 hashes before and of this, ?6 now, ?7 action, ?8 actor.
INSERT INTO audit_log (tenant_id, seq, payload, prev_hash, hash, at, action, actor)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)

-- step: ended
-- ?2 the last number, ?3 its hash, ?4 now.
INSERT INTO audit_chains (tenant_id, seq, hash, unsigned_since) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (tenant_id) DO UPDATE
SET seq = excluded.seq, hash = excluded.hash, unsigned_since = COALESCE(unsigned_since, excluded.unsigned_since)
