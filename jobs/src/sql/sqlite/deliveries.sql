-- Newest first: ids begin with the time of the event. The step is chosen by the caller, so that as few rows as
-- can be are looked at for what is asked.
-- ?1 the tenant, ?2 endpoint, ?3 job, ?4 status, ?5 event, ?6 and ?7 happened not before and before, all of
-- which may be null; ?8 and ?9 the ids that this leaves, from and up to, ?10 at most so many.

-- step: any
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM delivery_view d
WHERE d.tenant_id = ?1 AND d.id >= ?8 AND d.id < ?9
  AND (?2 IS NULL OR d.endpoint_id = ?2)
  AND (?3 IS NULL OR d.job_id = ?3)
  AND (?4 IS NULL OR d.status = ?4)
  AND (?5 IS NULL OR d.event = ?5)
  AND (?6 IS NULL OR d.created_at >= ?6)
  AND (?7 IS NULL OR d.created_at < ?7)
ORDER BY d.id DESC
LIMIT ?10

-- step: endpoint
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM delivery_view d
WHERE d.endpoint_id = ?2 AND d.tenant_id = ?1 AND d.id >= ?8 AND d.id < ?9
  AND (?3 IS NULL OR d.job_id = ?3)
  AND (?4 IS NULL OR d.status = ?4)
  AND (?5 IS NULL OR d.event = ?5)
  AND (?6 IS NULL OR d.created_at >= ?6)
  AND (?7 IS NULL OR d.created_at < ?7)
ORDER BY d.id DESC
LIMIT ?10

-- step: job
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM delivery_view d
WHERE d.job_id = ?3 AND d.tenant_id = ?1 AND d.id >= ?8 AND d.id < ?9
  AND (?2 IS NULL OR d.endpoint_id = ?2)
  AND (?4 IS NULL OR d.status = ?4)
  AND (?5 IS NULL OR d.event = ?5)
  AND (?6 IS NULL OR d.created_at >= ?6)
  AND (?7 IS NULL OR d.created_at < ?7)
ORDER BY d.id DESC
LIMIT ?10

-- step: pending
-- Their jobs are in the tables of what churns.
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM (SELECT id FROM ready WHERE tenant_id = ?1 AND id >= ?8 AND id < ?9
      UNION ALL SELECT id FROM scheduled WHERE tenant_id = ?1 AND id >= ?8 AND id < ?9
      UNION ALL SELECT id FROM running WHERE tenant_id = ?1 AND id >= ?8 AND id < ?9) q
CROSS JOIN delivery_view d ON d.id = q.id
WHERE d.tenant_id = ?1 AND d.id >= ?8 AND d.id < ?9
  AND (?2 IS NULL OR d.endpoint_id = ?2)
  AND (?3 IS NULL OR d.job_id = ?3)
  AND (?4 IS NULL OR d.status = ?4)
  AND (?5 IS NULL OR d.event = ?5)
  AND (?6 IS NULL OR d.created_at >= ?6)
  AND (?7 IS NULL OR d.created_at < ?7)
ORDER BY d.id DESC
LIMIT ?10

-- step: failed
-- Their jobs are dead, and whatever is dead has a dead letter.
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM (SELECT DISTINCT job_id AS id FROM dlq_messages
      WHERE tenant_id = ?1 AND job_id >= ?8 AND job_id < ?9 ORDER BY job_id DESC) q
CROSS JOIN delivery_view d ON d.id = q.id
WHERE d.tenant_id = ?1 AND d.id >= ?8 AND d.id < ?9
  AND (?2 IS NULL OR d.endpoint_id = ?2)
  AND (?3 IS NULL OR d.job_id = ?3)
  AND (?4 IS NULL OR d.status = ?4)
  AND (?5 IS NULL OR d.event = ?5)
  AND (?6 IS NULL OR d.created_at >= ?6)
  AND (?7 IS NULL OR d.created_at < ?7)
ORDER BY q.id DESC
LIMIT ?10

-- step: one
-- ?1 the tenant, ?2 the delivery.
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM delivery_view d WHERE d.tenant_id = ?1 AND d.id = ?2
