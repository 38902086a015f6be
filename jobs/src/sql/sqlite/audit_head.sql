SELECT seq, hash FROM audit_chains WHERE tenant_id = ?1
