-- For how many ms the oldest event has waited to be passed on, and for how many the oldest webhook to be sent that
-- nobody holds back: as in depths.sql, the head of each priority stands for its oldest. $1 the held clock, $2 the role.
SELECT (extract(epoch FROM COALESCE($1, now()) - (SELECT created_at FROM outbox ORDER BY id LIMIT 1)) * 1000)::bigint
           AS events_ms,
       (extract(epoch FROM COALESCE($1, now()) - (
           SELECT min(j.run_at) FROM generate_series(0, 9) AS p(priority)
           CROSS JOIN LATERAL (SELECT id FROM ready
                               WHERE ready.role = $2 AND ready.priority = p.priority AND NOT ready.parked
                               ORDER BY fair_tag, ready.id LIMIT 1) AS head
           JOIN jobs j ON j.id = head.id
           WHERE NOT EXISTS (SELECT FROM queues q WHERE q.role = $2 AND q.tenant_id = '' AND q.paused))) * 1000)::bigint
           AS webhooks_ms
