-- The queues of tenant ?1, one for each role ?2, and what is in them. Of each priority of a role, the
-- first ?3 ready jobs are looked at and no more, in claim order: there the tags put a tenant's first jobs,
-- however much others have queued. The longest wait is that of the oldest by id, which mostly is the longest; a
-- job that was just retried has waited less.
WITH looked AS MATERIALIZED (
    -- [looked at, of the tenant, the oldest of these in hex]: a subquery has one column, and nothing else may
    -- look at the rows beside it.
    SELECT a.value AS role,
           (SELECT json_array(count(*), COALESCE(sum(h.tenant_id = ?1), 0),
                              hex(min(CASE WHEN h.tenant_id = ?1 THEN h.id END)))
            FROM (SELECT id, tenant_id FROM ready
                  WHERE role = a.value AND parked = 0 AND priority = p.value
                  ORDER BY fair_tag, id LIMIT ?3) AS h) AS found
    FROM json_each(?2) AS a CROSS JOIN json_each('[0,1,2,3,4,5,6,7,8,9]') AS p
    UNION ALL
    SELECT a.value,
           (SELECT json_array(count(*), count(*), hex(min(h.id)))
            FROM (SELECT id FROM ready WHERE role = a.value AND tenant_id = ?1 AND parked
                  ORDER BY priority, id LIMIT ?3) AS h)
    FROM json_each(?2) AS a
), in_ready AS MATERIALIZED (
    SELECT role, sum(found ->> 1) AS jobs, unhex(min(NULLIF(found ->> 2, ''))) AS oldest, max(found ->> 0) >= ?3 AS more
    FROM looked GROUP BY role
), in_scheduled AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM (SELECT role FROM scheduled WHERE tenant_id = ?1 LIMIT ?3) GROUP BY role
), in_running AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM running WHERE tenant_id = ?1 GROUP BY role
)
SELECT a.value AS role, ?1 AS tenant_id, COALESCE(q.paused, 0) AS paused, q.paused_by, q.paused_at,
       COALESCE(w.paused, 0) AS role_paused, w.paused_by AS role_paused_by, w.paused_at AS role_paused_at,
       q.max_queued, q.max_running,
       r.jobs AS ready,
       COALESCE((SELECT jobs FROM in_scheduled WHERE in_scheduled.role = a.value), 0) AS scheduled,
       COALESCE((SELECT jobs FROM in_running WHERE in_running.role = a.value), 0) AS running,
       r.more OR COALESCE((SELECT sum(jobs) FROM in_scheduled), 0) >= ?3 AS at_least,
       (SELECT run_at FROM jobs WHERE id = r.oldest) AS oldest
FROM json_each(?2) AS a
JOIN in_ready r ON r.role = a.value
LEFT JOIN queues q ON q.role = a.value AND q.tenant_id = ?1
LEFT JOIN queues w ON w.role = a.value AND w.tenant_id = ''
ORDER BY a.key
