-- Removes ended jobs that are past their time, with what hangs on them.

-- step: looked
-- ?2 jobs after job ?1, in the order of the key, which is that of their creation.
SELECT id, created_at FROM jobs WHERE id > ?1 ORDER BY id LIMIT ?2

-- step: old
-- Which of the jobs after ?1 up to ?2 may go: ended before ?3 succeeded, ?4 cancelled, ?5 dead; null is never.
SELECT j.id, j.state FROM jobs j
WHERE j.id > ?1 AND j.id <= ?2
  AND j.finished_at < CASE j.state WHEN 'succeeded' THEN ?3 WHEN 'cancelled' THEN ?4 WHEN 'dead' THEN ?5 END
  -- What is still to be told of it is read from it.
  AND j.finished_at < COALESCE((SELECT created_at FROM outbox ORDER BY id LIMIT 1), 9223372036854775807)
  -- A dead job may be replayed as long as its letter is open, and a while after that; not if its tenant
  -- was deleted.
  AND (j.state <> 'dead' OR NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = j.tenant_id) OR NOT EXISTS (
          SELECT 1 FROM dlq_messages d
          WHERE d.tenant_id = j.tenant_id AND d.job_id = j.id AND (NOT d.resolved OR d.resolved_at >= ?5)))
  AND NOT EXISTS (SELECT 1 FROM jobs c WHERE c.parent_id = j.id AND c.finished_at IS NULL)
  -- Whoever made it may ask for its result, or make it again by the same id.
  AND NOT EXISTS (
          SELECT 1 FROM jobs p
          WHERE p.id = j.parent_id
            AND (p.finished_at IS NULL OR EXISTS (
                    SELECT 1 FROM dlq_messages d
                    WHERE d.tenant_id = p.tenant_id AND d.job_id = p.id AND NOT d.resolved)))

-- step: logs
-- Up to ?2 lines of the logs of jobs ?1, and so with what follows.
DELETE FROM job_logs WHERE (job_id, seq) IN (
    SELECT l.job_id, l.seq FROM json_each(?1) AS e CROSS JOIN job_logs l ON l.job_id = unhex(e.value) LIMIT ?2)

-- step: attempts
DELETE FROM job_attempts WHERE (job_id, run_lease) IN (
    SELECT a.job_id, a.run_lease FROM json_each(?1) AS e CROSS JOIN job_attempts a ON a.job_id = unhex(e.value)
    LIMIT ?2)

-- step: tries
-- A job that delivers a webhook has the id of its message.
DELETE FROM webhook_attempts WHERE (message_id, run_lease) IN (
    SELECT a.message_id, a.run_lease
    FROM json_each(?1) AS e CROSS JOIN webhook_attempts a ON a.message_id = unhex(e.value) LIMIT ?2)

-- step: deliveries
-- ?1: jobs, here and below.
DELETE FROM webhook_deliveries WHERE id IN (SELECT unhex(value) FROM json_each(?1))

-- step: letters
DELETE FROM dlq_messages WHERE (tenant_id, job_id) IN (
    SELECT j.tenant_id, j.id FROM json_each(?1) AS e CROSS JOIN jobs j ON j.id = unhex(e.value))

-- step: escalations
DELETE FROM escalations WHERE job_id IN (SELECT unhex(value) FROM json_each(?1))

-- step: reservations
-- What the jobs spent stays in the ledger.
DELETE FROM budget_reservations
WHERE job_id IN (SELECT unhex(value) FROM json_each(?1)) AND state IN ('settled', 'released')

-- step: trees
DELETE FROM budget_trees WHERE job_id IN (SELECT unhex(value) FROM json_each(?1)) AND reserved = 0

-- step: ballots
-- Of the reviews that follow.
DELETE FROM peer_ballots WHERE review_id IN (
    SELECT r.id FROM json_each(?1) AS e CROSS JOIN peer_reviews r ON r.job_id = unhex(e.value))

-- step: reviews
-- What a job of these saw to last.
DELETE FROM peer_reviews WHERE job_id IN (SELECT unhex(value) FROM json_each(?1))

-- step: jobs
DELETE FROM jobs WHERE id IN (SELECT unhex(value) FROM json_each(?1))
