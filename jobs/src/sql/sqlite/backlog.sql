-- Since when the oldest event waits to be passed on, and since when the oldest webhook to be sent that nobody holds
-- back: as in depths.sql, the head of each priority stands for its oldest. ?1 the role.
SELECT (SELECT created_at FROM outbox ORDER BY id LIMIT 1) AS events,
       (SELECT min((SELECT j.run_at FROM ready q CROSS JOIN jobs j ON j.id = q.id
                    WHERE q.role = ?1 AND q.parked = 0 AND q.priority = p.value
                    ORDER BY q.fair_tag, q.id LIMIT 1))
        FROM json_each('[0,1,2,3,4,5,6,7,8,9]') AS p
        WHERE NOT EXISTS (SELECT 1 FROM queues q WHERE q.role = ?1 AND q.tenant_id = '' AND q.paused)) AS webhooks
