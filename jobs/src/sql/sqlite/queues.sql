-- Queues and what is in them. The longest wait is that of the oldest by id, which mostly is the
-- longest; a job that was just retried has waited less. ?1 the tenant or null for the roles' own,
-- ?2 the roles.
WITH in_ready AS MATERIALIZED (
    SELECT role, count(*) AS jobs, min(id) AS oldest FROM ready WHERE ?1 IS NULL OR tenant_id = ?1 GROUP BY role
), in_scheduled AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM scheduled WHERE ?1 IS NULL OR tenant_id = ?1 GROUP BY role
), in_running AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM running WHERE ?1 IS NULL OR tenant_id = ?1 GROUP BY role
)
SELECT a.value AS role, ?1 AS tenant_id, COALESCE(q.paused, 0) AS paused, q.paused_by, q.paused_at,
       q.max_queued, q.max_running,
       COALESCE((SELECT jobs FROM in_ready WHERE in_ready.role = a.value), 0) AS ready,
       COALESCE((SELECT jobs FROM in_scheduled WHERE in_scheduled.role = a.value), 0) AS scheduled,
       COALESCE((SELECT jobs FROM in_running WHERE in_running.role = a.value), 0) AS running,
       (SELECT run_at FROM jobs WHERE id = (SELECT oldest FROM in_ready WHERE in_ready.role = a.value)) AS oldest
FROM json_each(?2) AS a
LEFT JOIN queues q ON q.role = a.value AND q.tenant_id = COALESCE(?1, '')
