-- The head of each (role, priority) is its oldest row, so the longest wait of a role is
-- found in ten short looks instead of one long one. $1 roles, $2 the held clock.
SELECT asked.role,
       (SELECT count(*) FROM ready WHERE ready.role = asked.role) AS ready,
       (SELECT count(*) FROM scheduled WHERE scheduled.role = asked.role) AS scheduled,
       (SELECT count(*) FROM running WHERE running.role = asked.role) AS running,
       COALESCE((extract(epoch FROM COALESCE($2, now()) - (
           SELECT min(j.run_at) FROM generate_series(0, 9) AS p(priority)
           CROSS JOIN LATERAL (SELECT id FROM ready WHERE ready.role = asked.role AND ready.priority = p.priority
                               ORDER BY fair_tag, ready.id LIMIT 1) AS head
           JOIN jobs j ON j.id = head.id)) * 1000)::bigint, 0) AS oldest_wait_ms,
       (SELECT count(*) FROM dlq_messages WHERE NOT resolved) AS dead_letters,
       (SELECT count(*) FROM outbox) AS outbox
FROM unnest($1::text[]) AS asked(role)
