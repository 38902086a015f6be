-- How much there is of what: each table is gone through once for all roles ?1.
--
-- The longest wait of a role is an estimate, made in ten short looks instead of one long one:
-- the head of each (role, priority) in claim order stands for its oldest. It mostly is, since
-- ids sort by age; but an old job that has just come due or was just retried has waited less
-- than those behind it.

-- step: roles
WITH in_ready AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM ready GROUP BY role
), in_scheduled AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM scheduled GROUP BY role
), in_running AS MATERIALIZED (
    SELECT role, count(*) AS jobs FROM running GROUP BY role
)
SELECT asked.value AS role,
       COALESCE((SELECT jobs FROM in_ready WHERE in_ready.role = asked.value), 0) AS ready,
       COALESCE((SELECT jobs FROM in_scheduled WHERE in_scheduled.role = asked.value), 0) AS scheduled,
       COALESCE((SELECT jobs FROM in_running WHERE in_running.role = asked.value), 0) AS running,
       (SELECT min((SELECT j.run_at FROM ready q CROSS JOIN jobs j ON j.id = q.id
                    WHERE q.role = asked.value AND NOT q.parked AND q.priority = p.value
                    ORDER BY q.fair_tag, q.id LIMIT 1))
        FROM json_each('[0,1,2,3,4,5,6,7,8,9]') AS p) AS oldest
FROM json_each(?1) AS asked

-- step: totals
SELECT (SELECT count(*) FROM dlq_messages WHERE NOT resolved) AS dead_letters,
       (SELECT count(*) FROM outbox) AS outbox
