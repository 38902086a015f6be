-- step: published
-- Once, whoever signed it. ?1 the tenant, ?2 number, ?3 hash, ?4 when, ?5 public key, ?6 signature.
INSERT INTO audit_heads (tenant_id, seq, hash, at, key, signature) SELECT ?1, ?2, ?3, ?4, ?5, ?6
-- And not ON CONFLICT: the trigger that keeps heads from being replaced is asked before that.
WHERE NOT EXISTS (SELECT 1 FROM audit_heads WHERE tenant_id = ?1 AND seq = ?2)

-- step: signed
-- Entries that came meanwhile wait from now on. ?1 the tenant, ?2 number, ?3 when.
UPDATE audit_chains SET signed_seq = ?2, unsigned_since = CASE WHEN seq > ?2 THEN ?3 END
WHERE tenant_id = ?1 AND signed_seq < ?2
