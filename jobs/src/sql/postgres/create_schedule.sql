-- Records a schedule, unless its tenant has as many as it may. $9 how many that are, $10 the held clock.
-- Two that come at the same moment may both find room for one: the number guards the store, and bears that.
INSERT INTO schedules (id, tenant_id, name, cron, time_zone, catch_up, submission, next_slot, created_at, updated_at)
SELECT $1, $2, $3, $4, $5, $6, $7::json, $8, COALESCE($10, now()), COALESCE($10, now())
WHERE (SELECT count(*) FROM schedules WHERE tenant_id = $2) < $9
RETURNING id, tenant_id, name, cron, time_zone, catch_up, submission::text AS submission, revision, next_slot,
          last_slot, last_outcome, last_error, last_job_id, created_at, updated_at
