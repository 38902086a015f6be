-- Newest first: ids begin with the time of the event. The step is chosen by the caller, so that as few rows as
-- can be are looked at for what is asked.
-- $1 the tenant, $2 endpoint, $3 job, $4 status, $5 event, $6 and $7 happened not before and before, all of
-- which may be null; $8 and $9 the ids that this leaves, from and up to, $10 at most so many.
--
-- The planner cannot know how many deliveries are whose, and how few a filter leaves; what it would choose is right
-- for some and reads everything for others. So the order of things is fixed here. Rows are compared as pairs, which
-- only the index of just those pairs has in order. LIMIT NULLIF($10, $10) is no limit, but taken for a small one, so
-- that the table is read in that order and as far as the page needs. OFFSET 0 has the rest looked up row by row.

-- step: any
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM (SELECT tenant_id, id FROM webhook_deliveries WHERE (tenant_id, id) >= ($1, $8) AND (tenant_id, id) < ($1, $9)
      ORDER BY tenant_id DESC, id DESC LIMIT NULLIF($10, $10)) q
CROSS JOIN LATERAL (SELECT * FROM delivery_view v WHERE v.id = q.id OFFSET 0) d
WHERE d.tenant_id = $1
  AND ($2::uuid IS NULL OR d.endpoint_id = $2)
  AND ($3::uuid IS NULL OR d.job_id = $3)
  AND ($4::text IS NULL OR d.status = $4)
  AND ($5::text IS NULL OR d.event = $5)
  AND ($6::timestamptz IS NULL OR d.created_at >= $6)
  AND ($7::timestamptz IS NULL OR d.created_at < $7)
ORDER BY q.tenant_id DESC, q.id DESC
LIMIT $10

-- step: endpoint
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM (SELECT endpoint_id, id FROM webhook_deliveries
      WHERE endpoint_id IS NOT NULL AND (endpoint_id, id) >= ($2, $8) AND (endpoint_id, id) < ($2, $9)
      ORDER BY endpoint_id DESC, id DESC LIMIT NULLIF($10, $10)) q
CROSS JOIN LATERAL (SELECT * FROM delivery_view v WHERE v.id = q.id OFFSET 0) d
WHERE d.tenant_id = $1
  AND ($3::uuid IS NULL OR d.job_id = $3)
  AND ($4::text IS NULL OR d.status = $4)
  AND ($5::text IS NULL OR d.event = $5)
  AND ($6::timestamptz IS NULL OR d.created_at >= $6)
  AND ($7::timestamptz IS NULL OR d.created_at < $7)
ORDER BY q.endpoint_id DESC, q.id DESC
LIMIT $10

-- step: job
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM delivery_view d
WHERE d.job_id = $3 AND d.tenant_id = $1 AND d.id >= $8 AND d.id < $9
  AND ($2::uuid IS NULL OR d.endpoint_id = $2)
  AND ($4::text IS NULL OR d.status = $4)
  AND ($5::text IS NULL OR d.event = $5)
  AND ($6::timestamptz IS NULL OR d.created_at >= $6)
  AND ($7::timestamptz IS NULL OR d.created_at < $7)
ORDER BY d.id DESC
LIMIT $10

-- step: pending
-- Their jobs are in the tables of what churns.
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM (SELECT id FROM ready WHERE tenant_id = $1 AND id >= $8 AND id < $9
      UNION ALL SELECT id FROM scheduled WHERE tenant_id = $1 AND id >= $8 AND id < $9
      UNION ALL SELECT id FROM running WHERE tenant_id = $1 AND id >= $8 AND id < $9
      ORDER BY id DESC LIMIT NULLIF($10, $10)) q
CROSS JOIN LATERAL (SELECT * FROM delivery_view v WHERE v.id = q.id OFFSET 0) d
WHERE d.tenant_id = $1
  AND ($2::uuid IS NULL OR d.endpoint_id = $2)
  AND ($3::uuid IS NULL OR d.job_id = $3)
  AND ($4::text IS NULL OR d.status = $4)
  AND ($5::text IS NULL OR d.event = $5)
  AND ($6::timestamptz IS NULL OR d.created_at >= $6)
  AND ($7::timestamptz IS NULL OR d.created_at < $7)
ORDER BY q.id DESC
LIMIT $10

-- step: failed
-- Their jobs are dead, and whatever is dead has a dead letter.
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM (SELECT DISTINCT ON (job_id) job_id AS id FROM dlq_messages
      WHERE tenant_id = $1 AND job_id >= $8 AND job_id < $9 ORDER BY job_id DESC) q
CROSS JOIN LATERAL (SELECT * FROM delivery_view v WHERE v.id = q.id OFFSET 0) d
WHERE d.tenant_id = $1
  AND ($2::uuid IS NULL OR d.endpoint_id = $2)
  AND ($3::uuid IS NULL OR d.job_id = $3)
  AND ($4::text IS NULL OR d.status = $4)
  AND ($5::text IS NULL OR d.event = $5)
  AND ($6::timestamptz IS NULL OR d.created_at >= $6)
  AND ($7::timestamptz IS NULL OR d.created_at < $7)
ORDER BY q.id DESC
LIMIT $10

-- step: one
-- $1 the tenant, $2 the delivery.
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM delivery_view d WHERE d.tenant_id = $1 AND d.id = $2
