-- How many more jobs queues may hold. A queue is counted anew where its bound is reached, once a
-- second at most: a caller who keeps asking is refused by the last count.

-- step: bounds
-- Those of the queues ?1 ([[role, tenant], …]) that have a quota. ?2: the time of counts too old to refuse by.
SELECT q.role, q.tenant_id, q.max_queued, q.arrived - q.gone AS bound,
       q.counted_at IS NULL OR q.counted_at < ?2 AS stale
FROM json_each(?1) AS e
CROSS JOIN queues q ON q.role = e.value ->> 0 AND q.tenant_id = e.value ->> 1
WHERE q.max_queued IS NOT NULL

-- step: count
-- ?3: now.
UPDATE queues
SET counted_at = ?3,
    gone = arrived - (SELECT count(*) FROM ready WHERE role = ?1 AND tenant_id = ?2)
                   - (SELECT count(*) FROM scheduled WHERE role = ?1 AND tenant_id = ?2)
WHERE role = ?1 AND tenant_id = ?2
RETURNING arrived - gone AS bound

-- step: later
-- Jobs that are not ready yet count as well. ?1: [[role, tenant, jobs], …]
UPDATE queues SET gone = gone - e.jobs
FROM (SELECT value ->> 0 AS role, value ->> 1 AS tenant_id, value ->> 2 AS jobs FROM json_each(?1)) AS e
WHERE queues.role = e.role AND queues.tenant_id = e.tenant_id
