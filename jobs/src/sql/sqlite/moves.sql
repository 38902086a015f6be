-- The moves between the narrow tables that several verbs make. PostgreSQL's twins hold
-- them inline, as branches of their one statement.

-- step: scheduled
-- ?1: [[id, run_at, role, priority, tenant], …]
INSERT INTO scheduled (id, run_at, role, priority, tenant_id)
SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1)

-- step: unready
-- ?1: ids.
DELETE FROM ready WHERE id IN (SELECT unhex(value) FROM json_each(?1))

-- step: unscheduled
-- ?1: ids, ?2: their tenant.
DELETE FROM scheduled WHERE tenant_id = ?2 AND id IN (SELECT unhex(value) FROM json_each(?1))

-- step: held
-- The leases among ?1 ([[id, run_lease, …], …]) that are still held.
SELECT r.run_lease FROM json_each(?1) AS e
CROSS JOIN running r ON r.run_lease = e.value ->> 1
WHERE r.id = unhex(e.value ->> 0)

-- step: freed
-- Ends leases. ?1: leases, known to be held.
DELETE FROM running WHERE run_lease IN (SELECT value FROM json_each(?1))

-- step: followed
-- Which of the ended jobs ?1 somebody follows: whoever listens to them or to their tenant, or a
-- parent that awaits them. What delivers events is none itself, or there would be no end of
-- them. ?2: now.
SELECT j.id, j.tenant_id, j.kind, j.state, j.awaited, j.parent_id,
       j.callback_url IS NOT NULL
       OR j.kind <> 'webhook.deliver'
          AND EXISTS (SELECT 1 FROM listeners l WHERE l.tenant_id IN (j.tenant_id, '') AND l.until > ?2) AS told
FROM json_each(?1) AS e
CROSS JOIN jobs j ON j.id = unhex(e.value)
WHERE told OR j.awaited

-- step: told
-- ?1: [[event id, tenant, job, event], …], ?2: now.
INSERT INTO outbox (id, tenant_id, job_id, event, created_at)
SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2), value ->> 3, ?2 FROM json_each(?1)

-- step: unawaited
-- ?1: ids. Nobody counts these any more.
UPDATE jobs SET awaited = 0 WHERE id IN (SELECT unhex(value) FROM json_each(?1))

-- step: counted
-- Parents whose children ended, and how many. The last one makes the parent due.
-- ?1: [[parent, ended], …], ?2: now.
UPDATE jobs
SET pending_children = pending_children - c.ended,
    state = CASE WHEN pending_children = c.ended THEN 'queued' ELSE state END,
    run_at = CASE WHEN pending_children = c.ended THEN ?2 ELSE run_at END
FROM (SELECT unhex(value ->> 0) AS parent_id, value ->> 1 AS ended FROM json_each(?1)) AS c
WHERE jobs.id = c.parent_id AND jobs.state = 'waiting'
RETURNING id, role, tenant_id, priority, state = 'queued' AS due
