-- Moves events from the outbox into the log.

-- step: alone
-- One relay at a time: who has a number commits before the next is given out, so that whoever
-- reads the log never finds a smaller number later. False while another has the turn.
SELECT pg_try_advisory_xact_lock(hashtext('golden.relay'))

-- step: logged
-- The oldest $1, numbered for each tenant.
WITH taken AS (
    DELETE FROM outbox WHERE id = ANY (ARRAY (SELECT id FROM outbox ORDER BY id LIMIT $1))
    RETURNING id, tenant_id, job_id, event, data, created_at
), counted AS (
    INSERT INTO event_counters AS c (tenant_id, last)
    SELECT tenant_id, count(*) FROM taken GROUP BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET last = c.last + excluded.last
    RETURNING tenant_id, last
)
INSERT INTO events (tenant_id, seq, id, job_id, event, data, at)
SELECT t.tenant_id, c.last + 1 - row_number() OVER (PARTITION BY t.tenant_id ORDER BY t.id DESC),
       t.id, t.job_id, t.event, t.data, t.created_at
FROM taken t JOIN counted c ON c.tenant_id = t.tenant_id
RETURNING tenant_id, seq, id, job_id, event, data::text AS data, at
