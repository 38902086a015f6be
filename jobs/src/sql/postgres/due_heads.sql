-- Chains, up to $3, that have $1 entries since a head of theirs was signed, or any that has waited for $2 ms. $4 the held
-- clock.
SELECT tenant_id, seq, hash, COALESCE($4, now()) AS at FROM audit_chains
WHERE unsigned_since IS NOT NULL
  AND (seq - signed_seq >= $1 OR unsigned_since <= COALESCE($4, now()) - $2 * interval '1 millisecond')
ORDER BY unsigned_since LIMIT $3
