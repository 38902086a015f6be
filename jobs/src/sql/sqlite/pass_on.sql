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
