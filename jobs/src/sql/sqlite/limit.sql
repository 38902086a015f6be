-- Sets the quotas of tenant ?2 in role ?1: ?3 queued, ?4 running, null for none. What is running
-- is only limited behind a gate. What is queued is counted with the next job that comes, since
-- nobody counted those that are due later while there was no quota: until then the queue is taken for full. ?5 now.
INSERT INTO queues AS q (role, tenant_id, max_queued, max_running, gated, unswept, gate_moved_at, gone)
VALUES (?1, ?2, ?3, ?4, ?4 IS NOT NULL, ?4 IS NOT NULL, CASE WHEN ?4 IS NOT NULL THEN ?5 END, -(1 << 62))
ON CONFLICT (role, tenant_id) DO UPDATE
SET max_queued = excluded.max_queued, max_running = excluded.max_running, gone = excluded.gone, counted_at = NULL,
    gated = q.gated OR excluded.gated, unswept = q.unswept OR excluded.unswept,
    gate_moved_at = COALESCE(excluded.gate_moved_at, q.gate_moved_at)
