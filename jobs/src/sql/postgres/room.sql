-- How many more jobs the queue of tenant $2 in role $1 may hold. It is counted anew where the bound
-- is reached, once a second: a caller who keeps asking is refused by the last count. Jobs that came
-- back from a worker since then are not in it.

-- step: taken
-- Until the end of the transaction. A statement of its own, so that the next one sees what whoever
-- had the queue before put in.
SELECT max_queued FROM queues WHERE role = $1 AND tenant_id = $2 FOR UPDATE

-- step: bound
-- $3 the held clock.
SELECT COALESCE((SELECT sum(l.arrived)::bigint FROM lines l WHERE l.role = $1 AND l.tenant_id = $2), 0) - q.gone AS bound,
       q.counted_at IS NULL OR q.counted_at < COALESCE($3, now()) - interval '1 second' AS stale
FROM queues q WHERE q.role = $1 AND q.tenant_id = $2

-- step: count
-- All bounded queues of the role in one look at its jobs, so that many full ones cost no more than
-- one; what others hold just now is left to them. $3 the held clock.
WITH bounded AS MATERIALIZED (
    SELECT role, tenant_id FROM queues WHERE role = $1 AND max_queued IS NOT NULL FOR UPDATE SKIP LOCKED
), held AS MATERIALIZED (
    SELECT tenant_id, sum(jobs)::bigint AS jobs FROM (
        SELECT tenant_id, count(*) AS jobs FROM ready WHERE role = $1 GROUP BY tenant_id
        UNION ALL SELECT tenant_id, count(*) FROM scheduled WHERE role = $1 GROUP BY tenant_id) h
    WHERE tenant_id IN (SELECT tenant_id FROM bounded)
    GROUP BY tenant_id
), counted AS (
    UPDATE queues q
    SET counted_at = COALESCE($3, now()),
        gone = COALESCE((SELECT sum(l.arrived)::bigint FROM lines l
                         WHERE l.role = q.role AND l.tenant_id = q.tenant_id), 0)
               - COALESCE((SELECT jobs FROM held h WHERE h.tenant_id = q.tenant_id), 0)
    FROM bounded b WHERE q.role = b.role AND q.tenant_id = b.tenant_id
    RETURNING q.tenant_id
)
SELECT COALESCE((SELECT jobs FROM held WHERE tenant_id = $2), 0) AS bound, (SELECT count(*) FROM counted) AS queues

-- step: later
-- Jobs that are not ready yet count as well: $3 of them came.
UPDATE queues SET gone = gone - $3 WHERE role = $1 AND tenant_id = $2
