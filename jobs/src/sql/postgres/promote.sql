-- Makes up to $1 due jobs ready and says which of the roles $2 have ready jobs, and how
-- long until the next one is due. `jobs` keeps the state it had; `job_view` shows queued.
-- $3 the held clock.
WITH due AS (
    DELETE FROM scheduled WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM scheduled WHERE run_at <= COALESCE($3, now())
        ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING id, role, priority
), moved AS (
    INSERT INTO ready (role, priority, id) SELECT role, priority, id FROM due RETURNING role
)
SELECT (SELECT count(*) FROM moved) AS moved,
       ARRAY (SELECT role FROM unnest($2::text[]) AS asked(role)
              WHERE EXISTS (SELECT 1 FROM ready r WHERE r.role = asked.role)
                 OR asked.role IN (SELECT role FROM moved)) AS ready,
       (SELECT (extract(epoch FROM run_at - COALESCE($3, now())) * 1000)::bigint FROM scheduled
        WHERE run_at > COALESCE($3, now()) ORDER BY run_at LIMIT 1) AS next_due_ms
