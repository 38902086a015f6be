-- One update a heartbeat, however many jobs the process holds. ?1: the worker, ?2: now.

-- step: update
UPDATE workers SET heartbeat_at = ?2 WHERE id = ?1 RETURNING draining_at IS NOT NULL AS draining

-- step: register
-- ?3: host, ?4: pid, ?5: roles, ?6: their capacities, ?7: version.
INSERT INTO workers (id, host, pid, roles, capacities, version, started_at, heartbeat_at)
VALUES (?1, ?3, ?4, ?5, ?6, ?7, ?2, ?2)
