-- Queues and what is in them. The longest wait is that of the oldest by id, which mostly is the
-- longest; a job that was just retried has waited less. $1 the tenant or null for the roles' own,
-- $2 the roles, $3 the held clock.
WITH asked AS MATERIALIZED (
    SELECT role FROM unnest($2::text[]) AS r(role)
), in_ready AS MATERIALIZED (
    SELECT r.role, count(*) AS jobs, min(r.id::text)::uuid AS oldest FROM ready r
    WHERE $1::text IS NULL OR r.tenant_id = $1
    GROUP BY r.role
), in_scheduled AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM scheduled
    WHERE run_at > '-infinity' AND ($1::text IS NULL OR tenant_id = $1) GROUP BY role
), in_running AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM running WHERE $1::text IS NULL OR tenant_id = $1 GROUP BY role
)
SELECT a.role, $1::text AS tenant_id, COALESCE(q.paused, false) AS paused, q.paused_by, q.paused_at,
       q.max_queued, q.max_running,
       COALESCE(r.jobs, 0) AS ready, COALESCE(s.jobs, 0) AS scheduled, COALESCE(u.jobs, 0) AS running,
       COALESCE((extract(epoch FROM COALESCE($3, now()) - (SELECT run_at FROM jobs WHERE id = r.oldest)) * 1000)::bigint,
                0) AS oldest_wait_ms
FROM asked a
LEFT JOIN queues q ON q.role = a.role AND q.tenant_id = COALESCE($1, '')
LEFT JOIN in_ready r ON r.role = a.role
LEFT JOIN in_scheduled s ON s.role = a.role
LEFT JOIN in_running u ON u.role = a.role
