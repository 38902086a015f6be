-- Takes the queue of tenant $2 in role $1 until the end of the transaction, and says how many more
-- jobs it may hold. Counts it anew where the bound is reached by $3 more, once a second at most:
-- a caller who keeps asking is refused by the last count. $4 the held clock.

-- step: bound
SELECT max_queued, arrived - gone AS bound,
       counted_at IS NULL OR counted_at < COALESCE($3, now()) - interval '1 second' AS stale
FROM queues WHERE role = $1 AND tenant_id = $2 FOR UPDATE

-- step: count
UPDATE queues q
SET counted_at = COALESCE($3, now()),
    gone = arrived - (SELECT count(*) FROM ready WHERE role = $1 AND tenant_id = $2)
                   - (SELECT count(*) FROM scheduled WHERE role = $1 AND tenant_id = $2)
WHERE role = $1 AND tenant_id = $2
RETURNING arrived - gone AS bound

-- step: later
-- Jobs that are not ready yet count as well: $3 of them came.
UPDATE queues SET gone = gone - $3 WHERE role = $1 AND tenant_id = $2
