-- Leases the first ready rows of role ?1. Before `claimable.sql`; the first step of `claim.sql`.
-- ?3: the worker, ?4: now.
INSERT INTO running (id, worker_id, role, tenant_id, started_at)
SELECT id, ?3, ?1, tenant_id, ?4 FROM ready
WHERE role = ?1 AND parked = 0
