-- How much there is of what: each table is gone through once for all roles $1.
--
-- The longest wait of a role is an estimate, made in ten short looks instead of one long one:
-- the head of each (role, priority) in claim order stands for its oldest. It mostly is, since
-- ids sort by age; but an old job that has just come due or was just retried has waited less
-- than those behind it. $2 the held clock.
WITH in_ready AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM ready GROUP BY role
), in_scheduled AS MATERIALIZED (
    -- All of them: the condition names an index, since sequential scans are ruled out.
    SELECT role, count(*) AS jobs FROM scheduled WHERE run_at > '-infinity' GROUP BY role
), in_running AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM running GROUP BY role
)
SELECT asked.role,
       COALESCE(q.jobs, 0) AS ready, COALESCE(s.jobs, 0) AS scheduled, COALESCE(r.jobs, 0) AS running,
       COALESCE((extract(epoch FROM COALESCE($2, now()) - (
           SELECT min(j.run_at) FROM generate_series(0, 9) AS p(priority)
           CROSS JOIN LATERAL (SELECT id FROM ready WHERE ready.role = asked.role AND ready.priority = p.priority AND NOT ready.parked
                               ORDER BY fair_tag, ready.id LIMIT 1) AS head
           JOIN jobs j ON j.id = head.id)) * 1000)::bigint, 0) AS oldest_wait_ms,
       (SELECT count(*) FROM dlq_messages WHERE NOT resolved) AS dead_letters,
       (SELECT count(*) FROM outbox) AS outbox
FROM unnest($1::text[]) AS asked(role)
LEFT JOIN in_ready q ON q.role = asked.role
LEFT JOIN in_scheduled s ON s.role = asked.role
LEFT JOIN in_running r ON r.role = asked.role
