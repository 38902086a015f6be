-- How many more jobs queues may hold. A queue is counted anew where its bound is reached, once a
-- second at most: a caller who keeps asking is refused by the last count. Jobs that came back from a
-- worker since then are not in it.

-- step: bounds
-- Those of the queues ?1 ([[role, tenant], …]) that have a quota. ?2: the time of counts too old to refuse by.
SELECT q.role, q.tenant_id, q.max_queued,
       COALESCE((SELECT sum(l.arrived) FROM lines l WHERE l.role = q.role AND l.tenant_id = q.tenant_id), 0)
       - q.gone AS bound,
       q.counted_at IS NULL OR q.counted_at < ?2 AS stale
FROM json_each(?1) AS e
CROSS JOIN queues q ON q.role = e.value ->> 0 AND q.tenant_id = e.value ->> 1
WHERE q.max_queued IS NOT NULL

-- step: count
SELECT (SELECT count(*) FROM ready WHERE role = ?1 AND tenant_id = ?2)
       + (SELECT count(*) FROM scheduled WHERE role = ?1 AND tenant_id = ?2)

-- step: counted
-- ?3: how many, ?4: now.
UPDATE queues
SET counted_at = ?4,
    gone = COALESCE((SELECT sum(l.arrived) FROM lines l WHERE l.role = ?1 AND l.tenant_id = ?2), 0) - ?3
WHERE role = ?1 AND tenant_id = ?2

-- step: later
-- Jobs that are not ready yet count as well. ?1: [[role, tenant, jobs], …]
UPDATE queues SET gone = gone - e.jobs
FROM (SELECT value ->> 0 AS role, value ->> 1 AS tenant_id, value ->> 2 AS jobs FROM json_each(?1)) AS e
WHERE queues.role = e.role AND queues.tenant_id = e.tenant_id
