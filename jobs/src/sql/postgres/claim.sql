-- Moves up to $2 of the first ready rows of role $1 to `running`, for worker $3.
-- Rows locked by another claim are stepped over, and found rows are deleted by where they
-- are, not by key. Leases are numbered in claim order. `jobs` is only read. The role's last tag
-- follows, unless another claim is at it. $4 the held clock.
WITH picked AS (
    SELECT ctid FROM ready
    WHERE role = $1 AND NOT parked
      AND (admitted OR tenant_id <> ALL (ARRAY (
          SELECT tenant_id FROM queues WHERE role = $1 AND gated AND gate_moved_at IS NOT NULL)))
      AND tenant_id <> ALL (ARRAY (
          SELECT tenant_id FROM queues WHERE role = $1 AND paused AND gate_moved_at IS NOT NULL))
      AND NOT EXISTS (SELECT 1 FROM queues WHERE role = $1 AND tenant_id = '' AND paused)
    ORDER BY priority, fair_tag, id
    LIMIT $2 FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM ready WHERE ctid = ANY (ARRAY (SELECT ctid FROM picked))
    RETURNING id, tenant_id, priority, fair_tag
), leased AS (
    INSERT INTO running (id, worker_id, role, tenant_id, started_at)
    SELECT id, $3, $1, tenant_id, COALESCE($4, now()) FROM taken ORDER BY priority, fair_tag, id
    RETURNING id, run_lease, started_at
), passed AS (
    UPDATE queues q SET last_tag = t.tag
    FROM (SELECT max(fair_tag) AS tag FROM taken) t
    WHERE q.ctid = ANY (ARRAY (SELECT ctid FROM queues WHERE role = $1 AND tenant_id = ''
                               FOR UPDATE SKIP LOCKED))
      AND q.last_tag < t.tag
)
SELECT j.id, l.run_lease, j.tenant_id, j.kind, j.attempt + 1 AS attempt, j.max_attempts, j.timeout_ms,
       j.payload::text AS payload, j.checkpoint::text AS checkpoint, j.parent_id, j.run_at, l.started_at
FROM leased l JOIN jobs j ON j.id = l.id
