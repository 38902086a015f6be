-- Removes ended jobs that are past their time, with what hangs on them. The steps are one transaction.

-- step: old
-- Looks at $2 jobs after job $1 or from the first. Answers which of them may go, the last one looked at,
-- and whether what comes after it is worth a look. How long each state is kept in ms: $3 succeeded,
-- $4 cancelled, $5 dead, null is for ever; $6 the shortest of them, $7 the held clock. Rows are
-- looked at by the key alone and in its order, which is that of their creation.
WITH looked AS MATERIALIZED (
    SELECT id, created_at FROM jobs WHERE id > COALESCE($1, '00000000-0000-0000-0000-000000000000'::uuid)
    ORDER BY id LIMIT $2
), past AS MATERIALIZED (
    SELECT state, COALESCE($7, now()) - ms * interval '1 millisecond' AS at
    FROM (VALUES ('succeeded', $3::bigint), ('cancelled', $4), ('dead', $5)) AS k(state, ms)
), old AS MATERIALIZED (
    SELECT j.id FROM looked l JOIN jobs j ON j.id = l.id
    WHERE j.finished_at < (SELECT at FROM past p WHERE p.state = j.state)
      -- What is still to be told of it is read from it.
      AND j.finished_at < COALESCE((SELECT created_at FROM outbox ORDER BY id LIMIT 1), 'infinity')
      -- A dead job may be replayed as long as its letter is open, and a while after that; not if its tenant
      -- was deleted.
      AND (j.state <> 'dead' OR NOT EXISTS (SELECT FROM tenants t WHERE t.id = j.tenant_id) OR NOT EXISTS (
              SELECT FROM dlq_messages d
              WHERE d.tenant_id = j.tenant_id AND d.job_id = j.id
                AND (NOT d.resolved OR d.resolved_at >= (SELECT at FROM past WHERE state = 'dead'))))
      AND NOT EXISTS (SELECT FROM jobs c WHERE c.parent_id = j.id AND c.finished_at IS NULL)
      -- Whoever made it may ask for its result, or make it again by the same id.
      AND NOT EXISTS (
              SELECT FROM jobs p
              WHERE p.id = j.parent_id
                AND (p.finished_at IS NULL OR EXISTS (
                        SELECT FROM dlq_messages d
                        WHERE d.tenant_id = p.tenant_id AND d.job_id = p.id AND NOT d.resolved)))
    FOR UPDATE OF j SKIP LOCKED
)
SELECT ARRAY (SELECT id FROM old) AS old,
       (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last,
       (SELECT count(*) FROM looked) = $2
       -- An hour, because whoever made the id may have had another clock.
       AND (SELECT created_at FROM looked ORDER BY id DESC LIMIT 1)
           < COALESCE($7, now()) - $6 * interval '1 millisecond' + interval '1 hour' AS more

-- step: logs
-- Up to $2 lines of the logs of jobs $1, and so with what follows.
DELETE FROM job_logs WHERE ctid = ANY (ARRAY (SELECT ctid FROM job_logs WHERE job_id = ANY ($1) LIMIT $2))

-- step: attempts
DELETE FROM job_attempts WHERE ctid = ANY (ARRAY (SELECT ctid FROM job_attempts WHERE job_id = ANY ($1) LIMIT $2))

-- step: tries
-- A job that delivers a webhook has the id of its message.
DELETE FROM webhook_attempts
WHERE ctid = ANY (ARRAY (SELECT ctid FROM webhook_attempts WHERE message_id = ANY ($1) LIMIT $2))

-- step: jobs
-- Jobs $1 and the rest of what hangs on them.
WITH gone AS (
    DELETE FROM jobs WHERE id = ANY ($1) RETURNING id, tenant_id, state
), deliveries AS (
    DELETE FROM webhook_deliveries WHERE id = ANY ($1)
), letters AS (
    DELETE FROM dlq_messages d USING gone g WHERE d.tenant_id = g.tenant_id AND d.job_id = g.id
), escalations_gone AS (
    DELETE FROM escalations WHERE job_id = ANY ($1)
), reservations AS (
    -- What it spent stays in the ledger.
    DELETE FROM budget_reservations WHERE job_id = ANY ($1) AND state IN ('settled', 'released')
), trees AS (
    DELETE FROM budget_trees WHERE job_id = ANY ($1) AND reserved = 0
), reviews AS (
    -- What a job of these saw to last.
    DELETE FROM peer_reviews WHERE job_id = ANY ($1) RETURNING id
), ballots AS (
    DELETE FROM peer_ballots WHERE review_id IN (SELECT id FROM reviews)
)
SELECT count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
       count(*) FILTER (WHERE state = 'dead') AS dead,
       count(*) FILTER (WHERE state = 'cancelled') AS cancelled
FROM gone
