-- ?1: roles. The head of each (role, priority) is its oldest row, so the longest wait of a
-- role is found in ten short looks instead of one long one.

-- step: roles
SELECT asked.value AS role,
       (SELECT count(*) FROM ready WHERE ready.role = asked.value) AS ready,
       (SELECT count(*) FROM scheduled WHERE scheduled.role = asked.value) AS scheduled,
       (SELECT count(*) FROM running WHERE running.role = asked.value) AS running,
       (SELECT min((SELECT j.run_at FROM ready q CROSS JOIN jobs j ON j.id = q.id
                    WHERE q.role = asked.value AND q.priority = p.value
                    ORDER BY q.fair_tag, q.id LIMIT 1))
        FROM json_each('[0,1,2,3,4,5,6,7,8,9]') AS p) AS oldest
FROM json_each(?1) AS asked

-- step: totals
SELECT (SELECT count(*) FROM dlq_messages WHERE NOT resolved) AS dead_letters,
       (SELECT count(*) FROM outbox) AS outbox
