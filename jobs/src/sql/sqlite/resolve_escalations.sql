-- Escalations are answered.

-- step: named
-- Number ?2 of tenant ?1, whatever its state.
SELECT id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
       resolution, note, resolved_by, resolved_at
FROM escalations WHERE tenant_id = ?1 AND id = ?2

-- step: about
-- Those of tenant ?1 that are about ?2 number or name ?3 and not resolved.
SELECT id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
       resolution, note, resolved_by, resolved_at
FROM escalations WHERE tenant_id = ?1 AND state <> 'resolved' AND about = ?2 AND subject = ?3
ORDER BY id

-- step: of_jobs
-- Those of jobs ?1 that are not resolved.
SELECT id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
       resolution, note, resolved_by, resolved_at
FROM escalations WHERE job_id IN (SELECT unhex(value) FROM json_each(?1)) AND state <> 'resolved'
ORDER BY id

-- step: resolved
-- ?1 ids, ?2 resolution, ?3 note, ?4 who, ?5 now.
UPDATE escalations
SET state = 'resolved', resolution = ?2, note = ?3, resolved_by = ?4, resolved_at = ?5
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
RETURNING id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
          resolution, note, resolved_by, resolved_at
