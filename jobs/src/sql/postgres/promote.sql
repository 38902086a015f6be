-- Makes up to $1 due jobs ready and says which of the roles $2 have ready jobs, and how
-- long until the next one is due, or has waited for long enough. `jobs` keeps the state it had; `job_view` shows queued.
-- $3 the held clock.
WITH due AS (
    DELETE FROM scheduled WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM scheduled WHERE run_at <= COALESCE($3, now())
        ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING id, role, tenant_id, priority
), placed AS MATERIALIZED (
    SELECT make_ready(array_agg(id), array_agg(role), array_agg(tenant_id), array_agg(priority), false) FROM due
)
SELECT (SELECT count(*) FROM due, placed) AS moved,
       ARRAY (SELECT role FROM unnest($2::text[]) AS asked(role)
              WHERE EXISTS (SELECT 1 FROM ready r WHERE r.role = asked.role AND NOT r.parked)
                 OR EXISTS (SELECT 1 FROM due d WHERE d.role = asked.role AND NOT EXISTS (
                     SELECT 1 FROM queues q
                     WHERE q.role = d.role AND q.tenant_id = d.tenant_id AND q.gated))) AS ready,
       ARRAY (SELECT role FROM unnest($2::text[]) AS asked(role)
              WHERE EXISTS (SELECT 1 FROM queues q
                            WHERE q.role = asked.role AND q.gate_moved_at IS NOT NULL)) AS gated,
       EXISTS (SELECT 1 FROM waits WHERE until <= COALESCE($3, now())) AS lapsed,
       (SELECT (extract(epoch FROM least(
            (SELECT run_at FROM scheduled WHERE run_at > COALESCE($3, now()) ORDER BY run_at LIMIT 1),
            (SELECT until FROM waits WHERE until > COALESCE($3, now()) ORDER BY until LIMIT 1))
            - COALESCE($3, now())) * 1000)::bigint) AS next_due_ms
