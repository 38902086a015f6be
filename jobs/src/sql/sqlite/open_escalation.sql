-- A job asks a human.

-- step: run
-- The tenant of run ?2 of job ?1, if it holds its lease and was not asked to stop.
SELECT tenant_id FROM running WHERE id = ?1 AND run_lease = ?2 AND cancel = 0

-- step: opened
-- Escalation ?1 of tenant ?2 and job ?3, unless the job has one that was not withdrawn. ?4 about, ?5 subject, ?6 reason,
-- ?7 severity, ?8 now.
INSERT INTO escalations AS e (id, tenant_id, job_id, about, subject, reason, severity, state, opened_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'open', ?8)
ON CONFLICT (job_id) DO UPDATE
SET state = 'open', opened_at = excluded.opened_at, about = excluded.about, subject = excluded.subject,
    reason = excluded.reason, severity = excluded.severity, acknowledged_by = NULL, acknowledged_at = NULL,
    resolution = NULL, note = NULL, resolved_by = NULL, resolved_at = NULL
WHERE e.resolution = 'withdrawn'
RETURNING id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
          resolution, note, resolved_by, resolved_at

-- step: known
SELECT id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
       resolution, note, resolved_by, resolved_at
FROM escalations WHERE job_id = ?1
