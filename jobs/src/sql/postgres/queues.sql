-- The queues of tenant $1, one for each role $2, and what is in them. Of each priority of a role, the
-- first $3 ready jobs are looked at and no more, in claim order: there the tags put a tenant's first jobs,
-- however much others have queued. The longest wait is that of the oldest by id, which mostly is the longest; a
-- job that was just retried has waited less. $4 the held clock.
WITH looked AS MATERIALIZED (
    SELECT a.role, count(*) FILTER (WHERE h.tenant_id = $1) AS jobs,
           min(h.id::text) FILTER (WHERE h.tenant_id = $1) AS oldest, count(*) >= $3 AS more
    FROM unnest($2::text[]) AS a(role)
    CROSS JOIN generate_series(0, 9) AS p(priority)
    CROSS JOIN LATERAL (
        SELECT r.id, r.tenant_id FROM ready r
        WHERE r.role = a.role AND r.priority = p.priority AND NOT r.parked
        ORDER BY r.fair_tag, r.id LIMIT $3) AS h
    GROUP BY a.role, p.priority
    UNION ALL
    SELECT a.role, count(*), min(h.id::text), count(*) >= $3
    FROM unnest($2::text[]) AS a(role)
    CROSS JOIN LATERAL (
        SELECT r.id FROM ready r WHERE r.role = a.role AND r.tenant_id = $1 AND r.parked
        ORDER BY r.priority, r.id LIMIT $3) AS h
    GROUP BY a.role
), in_ready AS MATERIALIZED (
    SELECT role, sum(jobs)::bigint AS jobs, min(oldest)::uuid AS oldest, bool_or(more) AS more FROM looked GROUP BY role
), in_scheduled AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM (SELECT role FROM scheduled WHERE tenant_id = $1 LIMIT $3) AS s GROUP BY role
), in_running AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM running WHERE tenant_id = $1 GROUP BY role
)
SELECT a.role, $1 AS tenant_id, COALESCE(q.paused, false) AS paused, q.paused_by, q.paused_at,
       COALESCE(w.paused, false) AS role_paused, w.paused_by AS role_paused_by, w.paused_at AS role_paused_at,
       q.max_queued, q.max_running,
       COALESCE(r.jobs, 0) AS ready, COALESCE(s.jobs, 0) AS scheduled, COALESCE(u.jobs, 0) AS running,
       COALESCE(r.more, false) OR COALESCE((SELECT sum(jobs) FROM in_scheduled), 0) >= $3 AS at_least,
       COALESCE((extract(epoch FROM COALESCE($4, now()) - (SELECT run_at FROM jobs WHERE id = r.oldest)) * 1000)::bigint,
                0) AS oldest_wait_ms
FROM unnest($2::text[]) WITH ORDINALITY AS a(role, place)
LEFT JOIN queues q ON q.role = a.role AND q.tenant_id = $1
LEFT JOIN queues w ON w.role = a.role AND w.tenant_id = ''
LEFT JOIN in_ready r ON r.role = a.role
LEFT JOIN in_scheduled s ON s.role = a.role
LEFT JOIN in_running u ON u.role = a.role
ORDER BY a.place
