-- Moves events from the outbox into the log. There is one writer, so numbers are given out in
-- the order of commits.

-- step: counted
-- Makes room for the oldest ?1 among the numbers of their tenants.
INSERT INTO event_counters (tenant_id, last)
SELECT tenant_id, count(*) FROM (SELECT tenant_id FROM outbox ORDER BY id LIMIT ?1) WHERE true GROUP BY tenant_id
ON CONFLICT (tenant_id) DO UPDATE SET last = last + excluded.last

-- step: logged
INSERT INTO events (tenant_id, seq, id, job_id, event, data, at)
SELECT t.tenant_id, c.last + 1 - row_number() OVER (PARTITION BY t.tenant_id ORDER BY t.id DESC),
       t.id, t.job_id, t.event, t.data, t.created_at
FROM (SELECT * FROM outbox ORDER BY id LIMIT ?1) AS t
JOIN event_counters c ON c.tenant_id = t.tenant_id
RETURNING tenant_id, seq, id, job_id, event, data, at

-- step: taken
DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT ?1)

-- step: heard
-- Whether a broker takes what happens. ?1 now.
SELECT EXISTS (SELECT 1 FROM listeners WHERE tenant_id = '' AND until > ?1)

-- step: letters
-- The newest dead letter of each of the jobs ?1: [[tenant, job], …].
SELECT d.id, d.tenant_id, d.job_id, d.original_subject, d.kind, d.role, d.payload, d.error_code, d.error, d.attempts,
       d.created_at, d.resolved, d.resolution, d.resolved_by, d.resolved_at
FROM json_each(?1) AS e
CROSS JOIN dlq_messages d ON d.id = (
    SELECT l.id FROM dlq_messages l
    WHERE l.tenant_id = e.value ->> 0 AND l.job_id = unhex(e.value ->> 1) ORDER BY l.id DESC LIMIT 1)

-- step: published
-- For the broker: ?1 [[id, tenant, kind, state, job, body, trace], …].
INSERT INTO publications (id, tenant_id, kind, state, job_id, body, trace_context)
SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5, value ->> 6
FROM json_each(?1)
-- A letter that two events of its job tell of.
WHERE true ON CONFLICT (id) DO NOTHING
