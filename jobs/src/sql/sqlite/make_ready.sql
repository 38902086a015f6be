-- Makes jobs claimable, or parks them where their queue is gated. PostgreSQL's twin is a function
-- of the schema, since its verbs are single statements.

-- step: queues
-- What is to be known of the queues ?1 ([[role, tenant, priority], …]) before a job joins them: the
-- tag of the job to be claimed next at that priority is where the next one begins, else the tag
-- that was claimed last.
SELECT e.value ->> 0 AS role, e.value ->> 1 AS tenant_id, COALESCE(q.gated, 0) AS gated,
       COALESCE(q.last_tag, 0) AS last_tag, COALESCE(t.weight, 1) AS weight, r.last_tag AS claimed,
       COALESCE((SELECT fair_tag FROM ready
                 WHERE role = e.value ->> 0 AND NOT parked AND priority = e.value ->> 2
                 ORDER BY fair_tag, id LIMIT 1), r.last_tag) AS next
FROM json_each(?1) AS e
CROSS JOIN queues r ON r.role = e.value ->> 0 AND r.tenant_id = ''
LEFT JOIN queues q ON q.role = e.value ->> 0 AND q.tenant_id = e.value ->> 1
LEFT JOIN tenants t ON t.id = e.value ->> 1

-- step: charged
-- ?1: [[role, tenant, weight, last tag, jobs], …]
INSERT INTO queues AS q (role, tenant_id, weight, last_tag, arrived)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1) WHERE true
ON CONFLICT (role, tenant_id) DO UPDATE
SET weight = excluded.weight, last_tag = excluded.last_tag, arrived = q.arrived + excluded.arrived

-- step: ready
-- ?1: [[role, parked, priority, fair tag, id, tenant], …]
INSERT INTO ready (role, parked, priority, fair_tag, id, tenant_id)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5 FROM json_each(?1)
