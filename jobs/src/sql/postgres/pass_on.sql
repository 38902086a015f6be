-- Moves events from the outbox into the log.

-- step: alone
-- One relay at a time: who has a number commits before the next is given out, so that whoever
-- reads the log never finds a smaller number later. False while another has the turn. Says as well
-- whether a broker takes what happens. $1 the held clock.
SELECT pg_try_advisory_xact_lock(hashtext('golden.relay')) AS alone,
       EXISTS (SELECT FROM listeners WHERE tenant_id = '' AND until > COALESCE($1, now())) AS published

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

-- step: letters
-- The newest dead letter of each of the jobs $2, whose tenants are $1.
SELECT d.id, d.tenant_id, d.job_id, d.original_subject, d.kind, d.role, d.payload::text AS payload, d.error_code,
       d.error, d.attempts, d.created_at, d.resolved, d.resolution, d.resolved_by, d.resolved_at
FROM unnest($1::text[], $2::uuid[]) AS j(tenant_id, job_id)
CROSS JOIN LATERAL (
    SELECT * FROM dlq_messages l WHERE l.tenant_id = j.tenant_id AND l.job_id = j.job_id ORDER BY l.id DESC LIMIT 1
) d

-- step: published
-- For the broker: $1 ids, $2 tenants, $3 kinds, $4 states, $5 jobs, $6 bodies, $7 traces.
INSERT INTO publications (id, tenant_id, kind, state, job_id, body, trace_context)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[])
-- A letter that two events of its job tell of.
ON CONFLICT (id) DO NOTHING
