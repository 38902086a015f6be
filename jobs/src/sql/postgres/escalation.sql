-- Escalation $2 of tenant $1.
SELECT id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
       resolution, note, resolved_by, resolved_at
FROM escalations WHERE tenant_id = $1 AND id = $2
