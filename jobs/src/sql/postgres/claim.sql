-- Moves the rows that the text before this one found to `running`, for worker $3. That is one of the
-- files in `claim/`, which says where to look, and `claimable.sql`.
-- Rows locked by another claim are stepped over, and found rows are deleted by where they
-- are, not by key. Leases are numbered in claim order. `jobs` is only read. The tag claimed last
-- is noted for each priority, unless another claim is at it. $4 the held clock.
FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM ready WHERE ctid = ANY (ARRAY (SELECT ctid FROM picked))
    RETURNING id, tenant_id, priority, fair_tag
), leased AS (
    INSERT INTO running (id, worker_id, role, tenant_id, started_at)
    SELECT id, $3, $1, tenant_id, COALESCE($4, now()) FROM taken ORDER BY priority, fair_tag, id
    RETURNING id, run_lease, started_at
), passed AS (
    UPDATE lines l SET tag = t.tag
    FROM (SELECT priority, max(fair_tag) AS tag FROM taken GROUP BY priority) t
    WHERE l.ctid = ANY (ARRAY (
          SELECT ctid FROM lines
          WHERE role = $1 AND tenant_id = '' AND priority IN (SELECT priority FROM taken)
          FOR UPDATE SKIP LOCKED))
      AND l.priority = t.priority AND l.tag < t.tag
)
SELECT j.id, l.run_lease, j.tenant_id, j.kind, j.priority, j.attempt + 1 AS attempt, j.max_attempts, j.timeout_ms,
       j.payload::text AS payload, j.checkpoint::text AS checkpoint, j.parent_id, j.trace_context, j.run_at, l.started_at
FROM leased l JOIN jobs j ON j.id = l.id
