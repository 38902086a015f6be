-- Newest first: ids are UUIDv7 and sort by time. A state that few jobs are in is read from the
-- table that holds just those, in the order of their ids; the step is chosen by the caller.
-- $1 the tenant, $2 kind, $3 role, $4 state, $5 and $6 created not before and before, all of
-- which may be null; $7 and $8 the ids that this leaves, from and up to, $9 at most so many.
--
-- LIMIT NULLIF($9, $9) is no limit. The planner, which cannot know, takes it for a small one and
-- reads the table in order, as far as the page needs; else it takes all rows and sorts them.

-- step: any
SELECT v.id, v.tenant_id, v.kind, v.role, v.state, v.priority, v.attempt, v.max_attempts, v.timeout_ms,
       v.payload::text AS payload, v.result::text AS result, v.progress::text AS progress,
       v.metadata::text AS metadata, v.callback_url, v.parent_id, v.error_code, v.error_message, v.error_at,
       v.worker_id, v.cancel_requested, v.run_at, v.created_at, v.started_at, v.finished_at, v.cost_micros
FROM job_view v
WHERE v.tenant_id = $1 AND v.id >= $7 AND v.id < $8
  AND ($2::text IS NULL OR v.kind = $2)
  AND ($3::text IS NULL OR v.role = $3)
  AND ($4::text IS NULL OR v.state = $4)
  AND ($5::timestamptz IS NULL OR v.created_at >= $5)
  AND ($6::timestamptz IS NULL OR v.created_at < $6)
ORDER BY v.id DESC
LIMIT $9

-- step: running
SELECT v.id, v.tenant_id, v.kind, v.role, v.state, v.priority, v.attempt, v.max_attempts, v.timeout_ms,
       v.payload::text AS payload, v.result::text AS result, v.progress::text AS progress,
       v.metadata::text AS metadata, v.callback_url, v.parent_id, v.error_code, v.error_message, v.error_at,
       v.worker_id, v.cancel_requested, v.run_at, v.created_at, v.started_at, v.finished_at, v.cost_micros
FROM (SELECT id FROM running WHERE id >= $7 AND id < $8 ORDER BY id DESC LIMIT NULLIF($9, $9)) d
JOIN job_view v ON v.id = d.id
WHERE v.tenant_id = $1
  AND ($2::text IS NULL OR v.kind = $2)
  AND ($3::text IS NULL OR v.role = $3)
  AND v.state = $4
  AND ($5::timestamptz IS NULL OR v.created_at >= $5)
  AND ($6::timestamptz IS NULL OR v.created_at < $6)
ORDER BY d.id DESC
LIMIT $9

-- step: queued
SELECT v.id, v.tenant_id, v.kind, v.role, v.state, v.priority, v.attempt, v.max_attempts, v.timeout_ms,
       v.payload::text AS payload, v.result::text AS result, v.progress::text AS progress,
       v.metadata::text AS metadata, v.callback_url, v.parent_id, v.error_code, v.error_message, v.error_at,
       v.worker_id, v.cancel_requested, v.run_at, v.created_at, v.started_at, v.finished_at, v.cost_micros
FROM (SELECT id FROM ready WHERE id >= $7 AND id < $8 ORDER BY id DESC LIMIT NULLIF($9, $9)) d
JOIN job_view v ON v.id = d.id
WHERE v.tenant_id = $1
  AND ($2::text IS NULL OR v.kind = $2)
  AND ($3::text IS NULL OR v.role = $3)
  AND v.state = $4
  AND ($5::timestamptz IS NULL OR v.created_at >= $5)
  AND ($6::timestamptz IS NULL OR v.created_at < $6)
ORDER BY d.id DESC
LIMIT $9

-- step: scheduled
-- Scheduled and retrying jobs alike.
SELECT v.id, v.tenant_id, v.kind, v.role, v.state, v.priority, v.attempt, v.max_attempts, v.timeout_ms,
       v.payload::text AS payload, v.result::text AS result, v.progress::text AS progress,
       v.metadata::text AS metadata, v.callback_url, v.parent_id, v.error_code, v.error_message, v.error_at,
       v.worker_id, v.cancel_requested, v.run_at, v.created_at, v.started_at, v.finished_at, v.cost_micros
FROM (SELECT id FROM scheduled WHERE id >= $7 AND id < $8 ORDER BY id DESC LIMIT NULLIF($9, $9)) d
JOIN job_view v ON v.id = d.id
WHERE v.tenant_id = $1
  AND ($2::text IS NULL OR v.kind = $2)
  AND ($3::text IS NULL OR v.role = $3)
  AND v.state = $4
  AND ($5::timestamptz IS NULL OR v.created_at >= $5)
  AND ($6::timestamptz IS NULL OR v.created_at < $6)
ORDER BY d.id DESC
LIMIT $9

-- step: dead
-- Whatever is dead has a dead letter, and may have several from earlier deaths.
SELECT v.id, v.tenant_id, v.kind, v.role, v.state, v.priority, v.attempt, v.max_attempts, v.timeout_ms,
       v.payload::text AS payload, v.result::text AS result, v.progress::text AS progress,
       v.metadata::text AS metadata, v.callback_url, v.parent_id, v.error_code, v.error_message, v.error_at,
       v.worker_id, v.cancel_requested, v.run_at, v.created_at, v.started_at, v.finished_at, v.cost_micros
FROM (SELECT DISTINCT ON (job_id) job_id AS id FROM dlq_messages
      WHERE tenant_id = $1 AND job_id >= $7 AND job_id < $8 ORDER BY job_id DESC) d
JOIN job_view v ON v.id = d.id
WHERE v.tenant_id = $1
  AND ($2::text IS NULL OR v.kind = $2)
  AND ($3::text IS NULL OR v.role = $3)
  AND v.state = $4
  AND ($5::timestamptz IS NULL OR v.created_at >= $5)
  AND ($6::timestamptz IS NULL OR v.created_at < $6)
ORDER BY d.id DESC
LIMIT $9
