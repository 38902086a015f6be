-- Escalations are answered.

-- step: named
-- Number $2 of tenant $1, whatever its state; held until the commit, so that of two who answer one is the first.
SELECT id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
       resolution, note, resolved_by, resolved_at
FROM escalations WHERE tenant_id = $1 AND id = $2
FOR UPDATE

-- step: about
-- Those of tenant $1 that are about $2 number or name $3 and not resolved.
SELECT id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
       resolution, note, resolved_by, resolved_at
FROM escalations WHERE tenant_id = $1 AND state <> 'resolved' AND about = $2 AND subject = $3
ORDER BY id
FOR UPDATE

-- step: of_jobs
-- Those of jobs $1 that are not resolved.
SELECT id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
       resolution, note, resolved_by, resolved_at
FROM escalations WHERE job_id = ANY ($1::uuid[]) AND state <> 'resolved'
ORDER BY id
FOR UPDATE

-- step: resolved
-- $1 which, $2 resolution, $3 note, $4 who, $5 the held clock.
UPDATE escalations
SET state = 'resolved', resolution = $2, note = $3, resolved_by = $4, resolved_at = COALESCE($5, now())
WHERE id = ANY ($1::uuid[])
RETURNING id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
          resolution, note, resolved_by, resolved_at
