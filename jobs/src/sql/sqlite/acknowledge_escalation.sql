-- Somebody looks at escalation ?2 of tenant ?1, which nobody did.
-- ?3 who, ?4 now.
UPDATE escalations SET state = 'acknowledged', acknowledged_by = ?3, acknowledged_at = ?4
WHERE tenant_id = ?1 AND id = ?2 AND state = 'open'
RETURNING id, tenant_id, job_id, about, subject, reason, severity, state, opened_at, acknowledged_by, acknowledged_at,
          resolution, note, resolved_by, resolved_at
