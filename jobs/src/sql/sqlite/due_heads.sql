-- Chains, up to ?3, that have ?1 entries since a head of theirs was signed, or any that waits since ?2 or longer.
SELECT tenant_id, seq, hash FROM audit_chains
WHERE unsigned_since IS NOT NULL AND (seq - signed_seq >= ?1 OR unsigned_since <= ?2)
ORDER BY unsigned_since LIMIT ?3
