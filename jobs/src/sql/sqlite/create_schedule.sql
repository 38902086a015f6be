-- Records a schedule, unless its tenant has as many as it may. ?9: how many that are, ?10: now.
INSERT INTO schedules (id, tenant_id, name, cron, time_zone, catch_up, submission, next_slot, created_at, updated_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?10, ?10
WHERE (SELECT count(*) FROM schedules WHERE tenant_id = ?2) < ?9
RETURNING id, tenant_id, name, cron, time_zone, catch_up, submission, revision, next_slot,
          last_slot, last_outcome, last_error, last_job_id, created_at, updated_at
