-- How much there is of what, for each role $1. Of each thing $3 rows are looked at and no more: that many
-- stand for any number.
--
-- The longest wait of a role is an estimate, made in ten short looks instead of one long one:
-- the head of each (role, priority) in claim order stands for its oldest. It mostly is, since
-- ids sort by age; but an old job that has just come due or was just retried has waited less
-- than those behind it. $2 the held clock, $4 the silence in ms after which a worker does not count.
WITH in_scheduled AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM (SELECT role FROM scheduled ORDER BY run_at LIMIT $3) AS next GROUP BY role
), in_running AS MATERIALIZED (
    -- All of them: no more than the workers hold.
    SELECT role, count(*) AS jobs, min(started_at) AS oldest FROM running GROUP BY role
), in_pools AS MATERIALIZED (
    SELECT p.role, sum(p.capacity)::bigint AS runs
    FROM workers w CROSS JOIN LATERAL unnest(w.roles, w.capacities) AS p(role, capacity)
    WHERE w.draining_at IS NULL AND w.heartbeat_at > COALESCE($2, now()) - $4 * interval '1 ms'
    GROUP BY p.role
)
SELECT asked.role, q.jobs AS ready, h.jobs AS held,
       COALESCE(s.jobs, 0) AS scheduled, COALESCE(r.jobs, 0) AS running, COALESCE(p.runs, 0) AS capacity,
       q.jobs >= $3 OR h.jobs >= $3 OR COALESCE((SELECT sum(jobs) FROM in_scheduled), 0) >= $3 AS at_least,
       COALESCE((extract(epoch FROM COALESCE($2, now()) - (
           SELECT min(j.run_at) FROM generate_series(0, 9) AS p(priority)
           CROSS JOIN LATERAL (SELECT id FROM ready WHERE ready.role = asked.role AND ready.priority = p.priority AND NOT ready.parked
                               ORDER BY fair_tag, ready.id LIMIT 1) AS head
           JOIN jobs j ON j.id = head.id)) * 1000)::bigint, 0) AS oldest_wait_ms,
       COALESCE((extract(epoch FROM COALESCE($2, now()) - r.oldest) * 1000)::bigint, 0) AS oldest_run_ms,
       (SELECT count(*) FROM (SELECT 1 FROM dlq_messages WHERE NOT resolved LIMIT $3) AS look) AS dead_letters,
       (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT $3) AS look) AS outbox,
       (SELECT count(*) FROM (SELECT 1 FROM escalations WHERE state <> 'resolved' LIMIT $3) AS look) AS escalations,
       (SELECT count(*) FROM (SELECT 1 FROM publications LIMIT $3) AS look) AS unpublished
FROM unnest($1::text[]) AS asked(role)
CROSS JOIN LATERAL (SELECT count(*) AS jobs FROM (
    SELECT 1 FROM ready WHERE ready.role = asked.role AND NOT parked LIMIT $3) AS look) AS q
CROSS JOIN LATERAL (SELECT count(*) AS jobs FROM (
    SELECT 1 FROM ready WHERE ready.role = asked.role AND parked LIMIT $3) AS look) AS h
LEFT JOIN in_scheduled s ON s.role = asked.role
LEFT JOIN in_running r ON r.role = asked.role
LEFT JOIN in_pools p ON p.role = asked.role
