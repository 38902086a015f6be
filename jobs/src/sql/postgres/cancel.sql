-- Jobs end with all that they made. The steps are one transaction.

-- step: tree
-- Cancels job $2 of tenant $1 and all below it: what waits ends now, what runs is asked to
-- stop. A row on its way between two of the tables is seen by neither branch; `missed`
-- counts those, and the caller asks again. $3 the held clock.
WITH RECURSIVE tree AS (
    SELECT id, state, kind FROM jobs WHERE id = $2 AND tenant_id = $1
    -- Not UNION ALL: a job that awaits one above it makes the tree a ring.
    UNION
    SELECT j.id, j.state, j.kind FROM jobs j JOIN tree t ON j.parent_id = t.id
), open AS MATERIALIZED (
    SELECT id, state, kind FROM tree WHERE state NOT IN ('succeeded', 'dead', 'cancelled')
), flagged AS (
    UPDATE running SET cancel = true WHERE id IN (SELECT id FROM open) RETURNING id
), unqueued AS (
    DELETE FROM ready WHERE id IN (SELECT id FROM open) RETURNING id
), unscheduled AS (
    DELETE FROM scheduled WHERE tenant_id = $1 AND id IN (SELECT id FROM open) RETURNING id
), ended AS (
    UPDATE jobs j
    SET state = 'cancelled', finished_at = COALESCE($3, now()), pending_children = 0
    WHERE j.id IN (SELECT id FROM unqueued UNION ALL SELECT id FROM unscheduled
                   UNION ALL SELECT id FROM open WHERE state = 'waiting')
      AND j.state NOT IN ('succeeded', 'dead', 'cancelled')
      -- A waiting job may have been resumed a moment ago: then it is found in `ready` next time.
      AND (j.state = 'waiting' OR j.id IN (SELECT id FROM unqueued UNION ALL SELECT id FROM unscheduled))
    RETURNING j.id, j.tenant_id, j.kind, j.callback_url, j.parent_id, j.awaited
), unfunded AS (
    DELETE FROM budget_waits WHERE job_id IN (SELECT id FROM ended)
), orphaned AS (
    -- Their parent has ended: should it be run again, it waits for its new children only.
    UPDATE jobs SET awaited = false WHERE id IN (SELECT id FROM flagged) AND id <> $2
), told AS (
    INSERT INTO outbox (id, tenant_id, job_id, event, created_at)
    SELECT uuid_v7(), tenant_id, id, 'job.cancelled', COALESCE($3, now()) FROM ended
    WHERE callback_url IS NOT NULL
       OR kind <> 'webhook.deliver'
          AND EXISTS (SELECT FROM listeners WHERE tenant_id IN ($1, '') AND until > COALESCE($3, now()))
    RETURNING id
)
SELECT (SELECT count(*) FROM tree) > 0 AS found,
       ARRAY (SELECT id FROM ended) AS ended,
       (SELECT count(*) FROM flagged) AS flagged,
       -- As it was before: those of them that nobody had asked to stop.
       (SELECT count(*) FROM running WHERE id IN (SELECT id FROM flagged) AND NOT cancel) AS asked,
       (SELECT count(*) FROM open) - (SELECT count(*) FROM ended) - (SELECT count(*) FROM flagged) AS missed,
       EXISTS (SELECT FROM told) AS told,
       -- Those that may wait for a human.
       ARRAY (SELECT id FROM open WHERE kind = 'escalation'
              AND id IN (SELECT id FROM ended UNION ALL SELECT id FROM flagged)) AS asking,
       -- Only the parent of the whole tree is counted: those within it end with it. Grouped, so
       -- that all have ended before the first is counted.
       (SELECT count_down(parent_id, counted, COALESCE($3, now()))
        FROM (SELECT parent_id, count(*) AS counted FROM ended WHERE id = $2 AND awaited GROUP BY parent_id) AS p)
           AS resumed

-- step: left
-- How many open jobs there are below jobs $1, which ended just now, that nobody asked to stop. By a statement of its own, so
-- that it sees those that a parent made while the one before waited for somebody's row.
SELECT count(*) FROM jobs c
WHERE c.parent_id = ANY ($1) AND c.finished_at IS NULL
  AND NOT EXISTS (SELECT FROM running r WHERE r.id = c.id AND r.cancel)
