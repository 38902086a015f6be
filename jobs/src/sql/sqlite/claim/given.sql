-- Leases the ready rows of role ?1 among the jobs ?5. Before `claimable.sql`; the first step of `claim.sql`.
-- Each is found by its id: no index knows `+role` and `+parked`.
-- ?3: the worker, ?4: now.
INSERT INTO running (id, worker_id, role, tenant_id, started_at)
SELECT id, ?3, ?1, tenant_id, ?4 FROM ready
WHERE id IN (SELECT unhex(value) FROM json_each(?5)) AND +role = ?1 AND NOT +parked
