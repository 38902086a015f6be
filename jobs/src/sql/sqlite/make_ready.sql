-- Makes jobs claimable, or parks them where their queue is gated. PostgreSQL's twin is a function
-- of the schema, since its verbs are single statements.

-- step: lines
-- What is to be known of the lines ?1 ([[role, tenant, priority], …]) before jobs join them.
SELECT EXISTS (SELECT 1 FROM queues q
               WHERE q.role = c.role AND q.tenant_id = e.value ->> 1 AND q.gated) AS gated,
       COALESCE(t.weight, 1) AS weight, c.tag AS clock,
       COALESCE(l.tag, 0) AS tag, COALESCE(l.returning_tag, 0) AS returning_tag
FROM json_each(?1) AS e
CROSS JOIN lines c ON c.role = e.value ->> 0 AND c.tenant_id = '' AND c.priority = e.value ->> 2
LEFT JOIN lines l ON l.role = c.role AND l.tenant_id = e.value ->> 1 AND l.priority = c.priority
LEFT JOIN tenants t ON t.id = e.value ->> 1
ORDER BY e.key

-- step: joined
-- ?1: [[role, tenant, priority, tag, returning tag, jobs that arrived], …]
INSERT INTO lines AS l (role, tenant_id, priority, tag, returning_tag, arrived)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?1) WHERE true
ON CONFLICT (role, tenant_id, priority) DO UPDATE
SET tag = excluded.tag, returning_tag = excluded.returning_tag, arrived = l.arrived + excluded.arrived

-- step: ready
-- ?1: [[role, parked, priority, fair tag, id, tenant], …]
INSERT INTO ready (role, parked, priority, fair_tag, id, tenant_id)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5 FROM json_each(?1)
