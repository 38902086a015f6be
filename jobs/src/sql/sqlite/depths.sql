-- How much there is of what, for each role ?1. Of each thing ?2 rows are looked at and no more: that many
-- stand for any number.
--
-- The longest wait of a role is an estimate, made in ten short looks instead of one long one:
-- the head of each (role, priority) in claim order stands for its oldest. It mostly is, since
-- ids sort by age; but an old job that has just come due or was just retried has waited less
-- than those behind it.

-- step: roles
-- ?3: workers last heard of before that do not count.
WITH in_scheduled AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM (SELECT role FROM scheduled ORDER BY run_at LIMIT ?2) GROUP BY role
), in_running AS MATERIALIZED (
    -- All of them: no more than the workers hold.
    SELECT role, count(*) AS jobs, min(started_at) AS oldest FROM running GROUP BY role
), in_pools AS MATERIALIZED (
    SELECT r.value AS role, sum(c.value) AS runs
    FROM workers w CROSS JOIN json_each(w.roles) AS r CROSS JOIN json_each(w.capacities) AS c ON c.key = r.key
    WHERE w.draining_at IS NULL AND w.heartbeat_at > ?3
    GROUP BY r.value
), counted AS MATERIALIZED (
    SELECT a.value AS role,
           (SELECT count(*) FROM (SELECT 1 FROM ready WHERE role = a.value AND parked = 0 LIMIT ?2)) AS ready,
           (SELECT count(*) FROM (SELECT 1 FROM ready WHERE role = a.value AND parked = 1 LIMIT ?2)) AS held
    FROM json_each(?1) AS a
)
SELECT asked.role, asked.ready, asked.held,
       COALESCE((SELECT jobs FROM in_scheduled WHERE in_scheduled.role = asked.role), 0) AS scheduled,
       COALESCE((SELECT jobs FROM in_running WHERE in_running.role = asked.role), 0) AS running,
       COALESCE((SELECT runs FROM in_pools WHERE in_pools.role = asked.role), 0) AS capacity,
       asked.ready >= ?2 OR asked.held >= ?2 OR COALESCE((SELECT sum(jobs) FROM in_scheduled), 0) >= ?2 AS at_least,
       (SELECT min((SELECT j.run_at FROM ready q CROSS JOIN jobs j ON j.id = q.id
                    WHERE q.role = asked.role AND q.parked = 0 AND q.priority = p.value
                    ORDER BY q.fair_tag, q.id LIMIT 1))
        FROM json_each('[0,1,2,3,4,5,6,7,8,9]') AS p) AS oldest,
       (SELECT oldest FROM in_running WHERE in_running.role = asked.role) AS oldest_run
FROM counted AS asked

-- step: totals
-- ?1: how many are looked at.
SELECT (SELECT count(*) FROM (SELECT 1 FROM dlq_messages WHERE NOT resolved LIMIT ?1)) AS dead_letters,
       (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT ?1)) AS outbox,
       (SELECT count(*) FROM (SELECT 1 FROM escalations WHERE state <> 'resolved' LIMIT ?1)) AS escalations,
       (SELECT count(*) FROM (SELECT 1 FROM publications LIMIT ?1)) AS unpublished
